//! Pages of invitations (XEP-0401 section 5.2): what an invitation is, its address for clients, and clients for who has none. All of that is in the URL;
//! whether the invitation is still good, the client is told by the server.

use super::Web;
use crate::html::escape;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use lavina_protocols::xmpp::{InviteLink, InvitedTo};
use std::sync::Arc;

/// Nothing is loaded or run, nobody frames the page, and the links on it do not tell where they were found: who has the URL has the invitation.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "private, no-store"),
    (header::HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Clients that know such addresses, and where each is got.
const CLIENTS: [(&str, &str, &str); 5] = [
    ("Conversations", "Android", "https://conversations.im/"),
    ("Monal", "iPhone, iPad, Mac", "https://monal-im.org/"),
    ("Gajim", "Windows, Linux, Mac", "https://gajim.org/"),
    ("Dino", "Linux", "https://dino.im/"),
    ("Others", "all systems", "https://xmpp.org/software/"),
];

/// `/invite/TOKEN`.
pub(super) async fn anybody(State(web): State<Arc<Web>>, Path(token): Path<String>) -> Response {
    answer(&web, InviteLink::read(&token, None))
}

/// `/invite/TOKEN/meet/NAME` and `/invite/TOKEN/register/NAME`.
pub(super) async fn named(
    State(web): State<Arc<Web>>,
    Path((token, what, name)): Path<(String, String, String)>,
) -> Response {
    answer(&web, InviteLink::read(&token, Some((&what, &name))))
}

fn answer(web: &Web, link: Option<InviteLink>) -> Response {
    match link {
        Some(link) => (HEADERS, page(&web.domain, &link)).into_response(),
        None => (StatusCode::NOT_FOUND, "This is no invitation: the address must be complete.\n").into_response(),
    }
}

fn page(domain: &str, link: &InviteLink) -> String {
    let at = escape(domain);
    let words = match &link.to {
        InvitedTo::Meet(by) => format!("{} invites you to chat", escape(&format!("{by}@{domain}"))),
        InvitedTo::Register(Some(name)) => {
            format!("You are invited to register the account {}", escape(&format!("{name}@{domain}")))
        }
        InvitedTo::Register(None) => format!("You are invited to register an account at {at}"),
    };
    let how = match &link.to {
        InvitedTo::Meet(_) => format!(
            "Who has no account is asked to register one at {at}; who has one, at whatever server, becomes a contact with it."
        ),
        InvitedTo::Register(_) => "The client asks for a name and a password, and you are in.".to_owned(),
    };
    let clients: String = CLIENTS
        .iter()
        .map(|(name, system, url)| format!("<li><a href=\"{url}\">{name}</a> ({system})</li>\n"))
        .collect();
    let uri = escape(&link.uri(domain));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{words}</title>\n\
         <style>\n:root {{ color-scheme: light dark }}\n\
         body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem }}\n\
         .go {{ display: inline-block; padding: .6rem 1.2rem; border: 2px solid; border-radius: .5rem; text-decoration: none }}\n\
         code {{ overflow-wrap: anywhere }}\n</style>\n\
         <h1>{words}</h1>\n<p>This is an invitation to XMPP, on the server {at}.</p>\n\
         <p><a class=\"go\" href=\"{uri}\">Open in your client</a></p>\n<p>{how}</p>\n\
         <p>No client yet? Install one, then come back here and open the invitation:</p>\n<ul>\n{clients}</ul>\n\
         <p>Where the button does nothing, paste this into a client: <code>{uri}</code></p>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_who_invites_and_the_address_for_clients() {
        let read = |to| page("a.example", &InviteLink::read("T1", to).unwrap());
        let meet = read(Some(("meet", "bob")));
        assert!(meet.contains("<h1>bob@a.example invites you to chat</h1>"), "{meet}");
        assert!(meet.contains("href=\"xmpp:bob@a.example?roster;preauth=T1;ibr=y\""), "{meet}");
        assert!(read(Some(("register", "juliet"))).contains("register the account juliet@a.example"));
        assert!(read(None).contains("href=\"xmpp:a.example?register;preauth=T1\""));
    }
}
