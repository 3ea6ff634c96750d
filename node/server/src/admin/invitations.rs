//! Invitations to register an account: made, listed and taken back. The mesh knows the hash of a token only, so the link is shown once.

use super::{Admin, Refused, Revoke, needs_token};
use crate::identity::{hex, random};
use crate::shell::clock::wall_ms;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use lavina_core::node::{AdminCommand, AdminReply, InvitationView};
use lavina_crdt::invitation::{Invitation, InvitationId};
use lavina_crdt::names::AccountName;
use lavina_protocols::xmpp::{InviteLink, InvitedTo};
use serde::{Deserialize, Serialize};

/// Longest time an invitation may be good for, seconds: a month.
const SECONDS_MAX: u64 = 31 * 24 * 3600;

/// Body of `POST /invitations`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// The only name that may be registered with it.
    pub(crate) name: Option<String>,
    /// The account that becomes a contact of the new one.
    pub(crate) by: Option<String>,
    /// How long it is good.
    pub(crate) seconds: u64,
}

/// Answer to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeInvitation {
    /// The link to hand over (XEP-0401, XEP-0445).
    pub(crate) uri: String,
    /// The page that shows it in a browser, where the node shows pages.
    #[serde(default)]
    pub(crate) page: Option<String>,
    /// What it is called here.
    pub(crate) id: String,
    /// Until when it is good, milliseconds since the Unix epoch.
    pub(crate) expires_ms: u64,
}

/// An invitation, as `GET /invitations` lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InvitationLine {
    /// What it is called.
    pub(crate) id: String,
    /// The account that invites.
    pub(crate) by: Option<String>,
    /// The only name that may be registered with it.
    pub(crate) name: Option<String>,
    /// Until when it is good, milliseconds since the Unix epoch.
    pub(crate) expires_ms: u64,
    /// The accounts that were registered with it: more than one only where nodes did not hear of one another.
    pub(crate) used_by: Vec<String>,
}

impl InvitationLine {
    fn new(made: &InvitationView) -> Self {
        let words = |name: &AccountName| name.as_str().to_owned();
        Self {
            id: made.id.to_string(),
            by: made.invitation.by.as_ref().map(words),
            name: made.invitation.name.as_ref().map(words),
            expires_ms: made.invitation.until_ms,
            used_by: made.users.iter().map(words).collect(),
        }
    }
}

pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<InvitationLine>>, Refused> {
    Ok(Json(admin.invitations().await?.iter().map(InvitationLine::new).collect()))
}

pub(super) async fn make(State(admin): State<Admin>, headers: HeaderMap, Json(new): Json<NewInvitation>) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.invite(&new).await {
        Ok(made) => (StatusCode::CREATED, Json(made)).into_response(),
        Err(refused) => refused.into_response(),
    }
}

pub(super) async fn revoke(State(admin): State<Admin>, headers: HeaderMap, Json(revoke): Json<Revoke>) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.take_back(&revoke.what).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refused.into_response(),
    }
}

fn name(text: Option<&String>) -> Result<Option<AccountName>, Refused> {
    let refused =
        |text: &String, error: String| Refused { error: format!("\"{text}\" cannot be an account's name: {error}") };
    text.map(|text| AccountName::new(text).map_err(|error| refused(text, error.to_string()))).transpose()
}

impl Admin {
    async fn invitations(&self) -> Result<Vec<InvitationView>, Refused> {
        match self.ask(AdminCommand::Invitations).await? {
            AdminReply::Invitations(made) => Ok(made),
            AdminReply::Done | AdminReply::Status(_) | AdminReply::FenceRows(_) => Ok(Vec::new()),
        }
    }

    async fn invite(&self, new: &NewInvitation) -> Result<MadeInvitation, Refused> {
        let (name, by) = (name(new.name.as_ref())?, name(new.by.as_ref())?);
        let token = hex(&random::<16>());
        let expires_ms = wall_ms().saturating_add(new.seconds.clamp(1, SECONDS_MAX).saturating_mul(1000));
        let id = InvitationId::of(&token);
        let link = InviteLink { to: InvitedTo::Register(name.clone()), token };
        let uri = link.uri(&self.0.me.domain);
        let page = self.0.pages.as_ref().map(|base| link.page(base));
        let invitation = Invitation { contact: by.is_some(), by, name, until_ms: expires_ms };
        self.ask(AdminCommand::Invite(id, Some(invitation))).await?;
        Ok(MadeInvitation { uri, page, id: id.to_string(), expires_ms })
    }

    async fn take_back(&self, what: &str) -> Result<(), Refused> {
        let made = self.invitations().await?;
        let Some(made) = made.into_iter().find(|made| made.id.to_string() == what) else {
            let error = format!("no invitation is called {what}: `lavina invite list` shows those there are");
            return Err(Refused { error });
        };
        if let Some(user) = made.users.first() {
            return Err(Refused { error: format!("{user} was registered with it already") });
        }
        self.ask(AdminCommand::Invite(made.id, None)).await.map(|_| ())
    }
}
