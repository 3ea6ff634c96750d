//! What goes out to other servers and to components: by which way, and back to who said it where there is none.

use super::super::element::Element;
use super::super::error::StanzaError;
use super::super::pending::Asked as Sender;
use super::routes::{Route, Way};
use super::stream::{Pair, Role, domain_of};
use super::{COMPONENT_RESOURCE, ConnectionId, Hub, Output, Waiting, told};
use crate::abroad::{AbroadCommand, Remote, Told};
use bytes::Bytes;
use lavina_crdt::names::AccountName;

impl Hub {
    pub(super) fn tell(&mut self, to: &Remote, told: &Told) {
        if let Told::Shown { account, register, parent } = told {
            return self.push_items(to, account, register, parent.as_deref());
        }
        if let Told::Sees(account) = told {
            return self.on_seen(to, account);
        }
        if let Told::ShowsElsewhere { showing, wins } = told {
            return self.on_shows_elsewhere(to, showing, *wins);
        }
        if let Told::HasBeenTold(account) = told {
            return self.on_has_been_told(to, account);
        }
        let Some(stanza) = told::render(&self.domains, to, told) else { return };
        if matches!(told, Told::Whisper { .. }) && stanza.name == "presence" {
            self.directed.note(&stanza);
        }
        self.send(stanza);
    }

    /// Sends a stanza of this mesh to another server.
    pub(super) fn send(&mut self, stanza: Element) {
        let domain = |attr: &str| stanza.get_attr(attr).and_then(domain_of);
        let (Some(own), Some(remote)) = (domain("from"), domain("to")) else { return };
        if let Some((id, _)) = self.components.get(&remote) {
            let id = *id;
            return self.send_over(id, &stanza);
        }
        if !self.domains.are(&own) || self.domains.are(&remote) {
            return;
        }
        let pair = Pair { own, remote };
        match self.routes.take(self.now.mono_us, &pair, stanza) {
            Way::Now(id, stanza) => self.send_over(id, &stanza),
            Way::Later => {}
            Way::Find => self.find(&pair),
            Way::Back(stanza, error) => self.bounce(&stanza, error),
        }
    }

    pub(super) fn send_over(&mut self, id: ConnectionId, stanza: &Element) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.send_stanza(self.now, stanza);
            self.drain_stream(id);
        }
    }

    /// Looks for the way of a pair: another node may have the component of that domain.
    pub(super) fn find(&mut self, pair: &Pair) {
        let Some(Route::Asking(waiting)) = self.routes.get_mut(pair) else { return };
        let (Some(first), Ok(account)) = (waiting.front(), AccountName::remote(None, &pair.remote)) else { return };
        let bytes = Bytes::from(first.to_stanza());
        let component = Remote { account, resource: Some(COMPONENT_RESOURCE.to_owned()) };
        self.ask(AbroadCommand::Forward(component, bytes), Waiting::Component(pair.clone()));
    }

    pub(super) fn on_component_answer(&mut self, pair: &Pair, is_there: bool) {
        let Some(Route::Asking(waiting)) = self.routes.get_mut(pair) else { return };
        if is_there {
            waiting.pop_front();
            if waiting.is_empty() {
                self.routes.remove(pair);
            } else {
                self.find(pair);
            }
        } else if self.federation.is_welcome(&pair.remote) {
            let id = self.fresh_connection();
            self.routes.connect(pair, id);
            self.connecting.insert(id, Role::Out(pair.clone()));
            self.outputs.push_back(Output::Connect(id, pair.remote.clone()));
        } else {
            self.on_unreachable(pair, &StanzaError::REMOTE_SERVER_NOT_FOUND);
        }
    }

    /// A stanza cannot be delivered: who said it is told (RFC 6120 section 8.3.3), as if the other side had.
    pub(super) fn bounce(&mut self, stanza: &Element, error: StanzaError) {
        let (Some(from), Some(to)) = (stanza.get_attr("from"), stanza.get_attr("to")) else { return };
        if domain_of(from).is_some_and(|domain| domain == self.domains.rooms)
            && let Some(remote) = self.remote_of(to)
        {
            // A room has no use for who cannot be told what is said in it.
            self.expel(&remote);
        }
        let kind = stanza.get_attr("type").unwrap_or_default();
        let is_asked = match stanza.name.as_str() {
            "iq" => matches!(kind, "get" | "set"),
            "message" => kind != "error",
            _ => matches!(kind, "" | "subscribe"),
        };
        if is_asked {
            let answer = Sender::of(stanza).error(error).attr("to", from);
            self.on_stanza(None, answer);
        }
    }
}
