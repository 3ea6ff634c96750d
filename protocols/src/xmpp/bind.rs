//! Resource binding (RFC 6120 section 7): from here on the client has a full JID and is visible to the core.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::jid::{self, RESOURCE_BYTES_MAX, is_irc_resource};
use super::pending::{Asked, Pending};
use super::sasl2::Progress;
use super::{IDLE_MS_MAX, Phase, Session, ns};
use crate::command::{Command, Open, Refusal, Reply};
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, NICK_BYTES_MAX, Nick};

/// Nicks tried before binding fails: the first is the account's own, which only another's older claim can hold.
pub(crate) const NICKS_MAX: u8 = 5;

/// A bind that the core is asked for.
#[derive(Debug)]
pub(crate) struct Waiting {
    how: How,
    resource: String,
    tried: u8,
}

/// How a resource was asked for.
#[derive(Debug)]
enum How {
    /// By a request of its own.
    Request(Asked),
    /// Along with the log-in (XEP-0386).
    Inline(Box<Progress>),
}

impl Waiting {
    /// A resource that is asked for along with the log-in.
    pub(crate) fn inline(resource: String, progress: Box<Progress>) -> Self {
        Self { how: How::Inline(progress), resource, tried: 0 }
    }
}

impl Session {
    /// An IQ with `<bind/>`.
    pub(super) fn on_bind(&mut self, iq: &Element, bind: &Element) {
        let asked = Asked::of(iq);
        let Phase::Authenticated(account) = &self.phase else { return };
        let account = account.clone();
        let wanted = bind.child_text("resource").filter(|resource| !resource.is_empty());
        let resource = match wanted {
            Some(wanted) => match bindable(&wanted) {
                Some(resource) => resource,
                None => return self.link.reply(&asked.error(StanzaError::BAD_REQUEST)),
            },
            // RFC 6120 section 7.6: the server makes one up.
            None => self.link.token(),
        };
        if iq.get_attr("type") != Some("set") {
            self.link.reply(&asked.error(StanzaError::BAD_REQUEST));
            return;
        }
        self.open_as(&account, Waiting { how: How::Request(asked), resource, tried: 0 });
    }

    /// Opens the session under a nick that is free.
    pub(super) fn open_as(&mut self, account: &AccountName, waiting: Waiting) {
        let Some(nick) = nick_for(account, waiting.tried) else {
            self.refuse_binding(waiting.how, StanzaError::CONFLICT);
            return;
        };
        let open = Open {
            nick,
            user: account.to_string(),
            realname: account.to_string(),
            resource: Some(waiting.resource.clone()),
            available: false,
        };
        self.link.ask_and_hold(Command::Open(open), Pending::Bind(waiting));
    }

    /// The core's answer.
    pub(super) fn on_bind_answer(&mut self, waiting: Waiting, answer: Result<Reply, Refusal>) {
        let Phase::Authenticated(account) = &self.phase else { return };
        let account = account.clone();
        match answer {
            Ok(Reply::Opened(opened)) => self.bound(account, waiting, opened.session),
            Ok(_) => self.refuse_binding(waiting.how, StanzaError::SERVICE_UNAVAILABLE),
            Err(Refusal::NickInUse) if waiting.tried < NICKS_MAX => {
                self.open_as(&account, Waiting { tried: waiting.tried + 1, ..waiting });
            }
            Err(refusal) => self.refuse_binding(waiting.how, refusal.into()),
        }
    }

    fn refuse_binding(&mut self, how: How, error: StanzaError) {
        match how {
            How::Request(asked) => self.link.send(&asked.error(error)),
            How::Inline(progress) => self.on_unbound_inline(progress),
        }
    }

    fn bound(&mut self, account: AccountName, waiting: Waiting, session: SessionId) {
        let client = Box::new(Client::new(&self.link.domains, account, waiting.resource, session));
        let asked = match waiting.how {
            How::Request(asked) => asked,
            How::Inline(progress) => return self.on_bound_inline(progress, client),
        };
        let jid = Element::new("jid", ns::BIND).text(client.full.as_str());
        let bind = Element::new("bind", ns::BIND).child(jid);
        self.link.send(&asked.result(Some(bind)));
        self.link.address(&client.full);
        self.deadline = self.link.now.deadline_ms(IDLE_MS_MAX);
        self.phase = Phase::Bound(client);
    }
}

/// Whether a resource that begins so is one that no client may have.
pub(crate) fn is_reserved(tag: &str) -> bool {
    is_irc_resource(tag)
}

/// The resource that a client has by that text; `None` where it can have none.
fn bindable(text: &str) -> Option<String> {
    let resource = jid::resource(text).ok()?;
    (resource.len() <= RESOURCE_BYTES_MAX && !is_irc_resource(&resource)).then_some(resource)
}

/// The nick by which an account goes outside rooms: its name, made sayable in IRC, with a tail for each time it was taken.
pub(crate) fn nick_for(account: &AccountName, tried: u8) -> Option<Nick> {
    let name = account.domain().filter(|_| account.local().is_empty()).unwrap_or(account.local());
    let name = name.replace(['.', '#', '%'], "_");
    let tail = "_".repeat(usize::from(tried));
    let mut short = name.clone();
    while short.len() + tail.len() >= NICK_BYTES_MAX {
        short.pop();
    }
    let candidates = [format!("{name}{tail}"), format!("_{name}{tail}"), format!("_{short}{tail}")];
    candidates.iter().find_map(|candidate| Nick::new(candidate).ok())
}
