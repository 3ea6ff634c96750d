//! Private XML storage (XEP-0049): clients' own settings, as registers of the account; bookmarks are in [`bookmarks`].

use super::bookmarks;
use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited};
use super::xml::parse_standalone;
use crate::command::{Command, Refusal, Reply};

/// Longest stored element: bookmarks of hundreds of rooms fit.
const VALUE_BYTES_MAX: usize = 32 * 1024;

/// A register asked for.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) asked: Asked,
    /// What the stored element is shown in.
    pub(crate) wrapper: Element,
    /// What is shown when nothing is stored.
    pub(crate) empty: Element,
}

/// Reads or writes the element named by name and namespace of the query's child.
pub(crate) fn on_private(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(stored) = request.payload.elements().next() else { return Err(StanzaError::BAD_REQUEST) };
    if stored.ns.is_empty() || stored.ns == ns::PRIVATE {
        // XEP-0049 section 3: the namespace must be the client's own.
        return Err(StanzaError::NOT_ACCEPTABLE);
    }
    if bookmarks::is_list(stored) {
        if request.set {
            return bookmarks::write(client, link, request.asked, stored);
        }
        bookmarks::read(link, request.asked);
        return Ok(());
    }
    let register = format!("private/{} {}", stored.name, stored.ns);
    if request.set {
        let value = value_of(stored)?;
        link.ask(Command::RegisterSet(register, value), Awaited::Done(request.asked));
    } else {
        let empty = Element::new(&stored.name, &stored.ns);
        let wrapper = Element::new("query", ns::PRIVATE);
        let waiting = Waiting { asked: request.asked, wrapper, empty };
        link.ask(Command::RegisterGet(register), Awaited::Private(waiting));
    }
    Ok(())
}

/// An element as a register keeps it.
pub(crate) fn value_of(element: &Element) -> Result<Vec<u8>, StanzaError> {
    let value = element.to_standalone().into_bytes();
    if value.len() > VALUE_BYTES_MAX {
        return Err(StanzaError::RESOURCE_CONSTRAINT.text("too large to be kept"));
    }
    Ok(value)
}

/// The register's value has come.
pub(crate) fn on_answer(link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let value = match answer {
        Ok(Reply::Register(value)) => value,
        Ok(_) => None,
        Err(refusal) => {
            link.send(&waiting.asked.error(refusal));
            return;
        }
    };
    let stored = value.and_then(|value| String::from_utf8(value).ok()).and_then(|text| parse_standalone(&text));
    let shown = stored.unwrap_or(waiting.empty);
    link.send(&waiting.asked.result(Some(waiting.wrapper.child(shown))));
}
