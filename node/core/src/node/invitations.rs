//! Invitations to register: who may make them, who is registered by them, and that inviter and invited become contacts. They are acts of the mesh scope,
//! so that any node can let in whom any other has invited; see [`lavina_crdt::invitation`] for what happens on two sides of a cut.

use super::{InvitationView, Node, SessionNumber};
use crate::rosters;
use crate::said::nick_when_away;
use crate::store::Store;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{Scope, SessionId};
use lavina_crdt::invitation::{INVITATIONS_MAX, Invitation, InvitationId};
use lavina_crdt::mesh::MeshAct;
use lavina_crdt::modes::UserMode;
use lavina_crdt::names::AccountName;
use lavina_protocols::account::Inviting;
use lavina_protocols::command::{Refusal, SubscriptionStep};

/// Open invitations of one account that is no operator's: a person invites a family or a class, not a town.
const OF_ONE_MAX: usize = 32;
/// Longest that one is good for, milliseconds: a month.
const VALID_MS_MAX: u64 = 31 * 24 * 3_600_000;

impl<S: Store> Node<S> {
    /// Whom the session's account may invite. An account that the configuration names as an operator's, with no password beside it, is one here too.
    pub(super) fn inviting(&self, number: SessionNumber) -> Inviting {
        let Ok((account, _)) = self.logged_in(number) else { return Inviting::Nobody };
        let is_named = self
            .operators
            .iter()
            .any(|operator| operator.password.is_none() && operator.account.as_ref() == Some(&account));
        let record = self.people.get(self.sessions.id(number));
        if is_named || record.is_some_and(|record| record.modes.has(UserMode::Operator)) {
            Inviting::Anybody
        } else if self.config.limits.invitations && !account.is_remote() {
            Inviting::Contacts
        } else {
            Inviting::Nobody
        }
    }

    /// An account invites.
    pub(super) fn invite_to_register(
        &mut self,
        now: Now,
        number: SessionNumber,
        id: InvitationId,
        invitation: Invitation,
    ) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let may = self.inviting(number);
        let is_for_contact = invitation.contact && invitation.name.is_none();
        if may == Inviting::Nobody || (may == Inviting::Contacts && !is_for_contact) {
            return Err(Refusal::NotOperator);
        }
        let open = self.replicas.mesh().invitations().open(now.wall_ms);
        let own = open.filter(|(_, invitation)| invitation.by.as_ref() == Some(&account)).count();
        if may == Inviting::Contacts && own >= OF_ONE_MAX {
            return Err(Refusal::TooMany("open invitations"));
        }
        let invitation = Invitation { by: Some(account), ..invitation };
        self.put_invitation(now, Some(author), id, Some(invitation))
    }

    /// Makes an invitation, or (`None`) takes one back.
    pub(super) fn put_invitation(
        &mut self,
        now: Now,
        author: Option<Author>,
        id: InvitationId,
        invitation: Option<Invitation>,
    ) -> Result<(), Refusal> {
        let invitation = match invitation {
            Some(invitation) => {
                let all = self.replicas.mesh().invitations();
                if all.open(now.wall_ms).count() >= INVITATIONS_MAX {
                    return Err(Refusal::TooMany("open invitations"));
                }
                if let Some(name) = &invitation.name
                    && (self.is_taken(name) || all.keep(name, None, now.wall_ms))
                {
                    return Err(Refusal::AccountExists);
                }
                if invitation.by.as_ref().is_some_and(|by| self.replicas.account(by).is_none()) {
                    return Err(Refusal::NoSuchAccount);
                }
                let until_ms = invitation.until_ms.min(now.wall_ms.saturating_add(VALID_MS_MAX));
                Some(Invitation { until_ms, ..invitation })
            }
            None => None,
        };
        let appended = self.append(now, Scope::Mesh, author, Body::Mesh(MeshAct::Invite { id, invitation }))?;
        self.on_effects(now, appended.effects);
        Ok(())
    }

    /// Whether who registers that name by that invitation may. When it is over is asked when it is shown, not here (XEP-0445 section 4).
    pub(super) fn may_register(&self, now: Now, name: &AccountName, id: Option<InvitationId>) -> Result<(), Refusal> {
        let all = self.replicas.mesh().invitations();
        if let Some(id) = id {
            let invitation = all.unused(id).ok_or(Refusal::NoSuchInvitation)?;
            if invitation.name.as_ref().is_some_and(|only| only != name) {
                return Err(Refusal::NoSuchInvitation);
            }
        }
        if all.keep(name, id, now.wall_ms) { Err(Refusal::AccountExists) } else { Ok(()) }
    }

    /// Somebody who has an account already uses an invitation to become the inviter's contact (XEP-0379 section 3.4).
    pub(super) fn meet(
        &mut self,
        now: Now,
        number: SessionNumber,
        inviter: &AccountName,
        id: InvitationId,
    ) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let invitation = self.invitation(now, id).filter(|invitation| invitation.contact && invitation.name.is_none());
        let is_theirs = invitation.is_some_and(|invitation| invitation.by.as_ref() == Some(inviter));
        if !is_theirs || account == *inviter || self.is_between(&account, inviter) {
            return Err(Refusal::NoSuchInvitation);
        }
        self.use_up(now, author, id, account)
    }

    /// An invitation that can be used.
    pub(super) fn invitation(&self, now: Now, id: InvitationId) -> Option<Invitation> {
        let invitation = self.replicas.mesh().invitations().unused(id)?;
        (now.wall_ms < invitation.until_ms).then(|| invitation.clone())
    }

    /// An account has been registered by an invitation.
    pub(super) fn on_invited(
        &mut self,
        now: Now,
        number: SessionNumber,
        id: InvitationId,
        account: AccountName,
    ) -> Result<(), Refusal> {
        let author = own_author(self.sessions.id(number), &account, "").ok_or(Refusal::NotOpen)?;
        self.count("accounts_by_invitation");
        self.use_up(now, author, id, account)
    }

    fn use_up(&mut self, now: Now, author: Author, id: InvitationId, account: AccountName) -> Result<(), Refusal> {
        let inviter = self.replicas.mesh().invitations().unused(id).filter(|invitation| invitation.contact);
        let inviter = inviter.and_then(|invitation| invitation.by.clone());
        let act = MeshAct::Invited { id, account: account.clone() };
        let appended = self.append(now, Scope::Mesh, Some(author.clone()), Body::Mesh(act))?;
        self.on_effects(now, appended.effects);
        match inviter.filter(|inviter| *inviter != account && self.replicas.account(inviter).is_some()) {
            Some(inviter) => self.become_contacts(now, &author, &account, &inviter),
            None => Ok(()),
        }
    }

    /// Both see one another's presence from here on (XEP-0401 section 5.4).
    fn become_contacts(
        &mut self,
        now: Now,
        author: &Author,
        account: &AccountName,
        inviter: &AccountName,
    ) -> Result<(), Refusal> {
        if self.room_for_requests(inviter).is_err() {
            return Ok(());
        }
        let (mut own, mut theirs) = (self.roster_item(account, inviter), self.roster_item(inviter, account));
        let (ask, grant) = (SubscriptionStep::Subscribe, SubscriptionStep::Subscribed);
        rosters::step(ask, &Bytes::new(), &mut own, &mut theirs);
        rosters::step(grant, &Bytes::new(), &mut theirs, &mut own);
        rosters::step(ask, &Bytes::new(), &mut theirs, &mut own);
        rosters::step(grant, &Bytes::new(), &mut own, &mut theirs);
        let listed = (account.clone(), rosters::owners_key(inviter), rosters::encode_owners(&own));
        let ways = [(account, own), (inviter, theirs)];
        let ways =
            ways.map(|(owner, item)| (owner.clone(), rosters::ways_key(&item.contact), rosters::encode_ways(&item)));
        for (owner, key, value) in ways.into_iter().chain([listed]) {
            self.set_register(now, owner, author.clone(), key, value)?;
        }
        Ok(())
    }

    /// All invitations that were not taken back, with who has used them.
    pub(super) fn invitations_made(&self) -> Vec<InvitationView> {
        let all = self.replicas.mesh().invitations();
        let view = |(id, invitation): (InvitationId, &Invitation)| InvitationView {
            id,
            invitation: invitation.clone(),
            users: all.users(id).cloned().collect(),
        };
        all.iter().map(view).collect()
    }
}

/// An account that speaks for itself from a session that has no record, or is nobody's.
pub(super) fn own_author(session: SessionId, account: &AccountName, host: &str) -> Option<Author> {
    let nick = nick_when_away(&Principal::Account(account.clone()))?;
    let user = account.as_str().to_owned();
    Some(Author { session, account: Some(account.clone()), nick, user, host: host.to_owned() })
}
