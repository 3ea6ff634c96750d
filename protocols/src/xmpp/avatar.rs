//! One avatar in both of its homes (XEP-0398): what a client publishes (XEP-0084) is in the vCard that others ask for, and the photo of a vCard that
//! a client stores is published. What others see of it in presence (XEP-0153) is put there for clients that say nothing of it themselves.

use super::client::Client;
use super::element::Element;
use super::link::Link;
use super::{ns, pubsub};
use crate::command::{Command, LookedAt, Refusal, RegisterView, Reply};
use crate::xmpp::pending::Awaited;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::names::AccountName;
use sha1::{Digest, Sha1};
use std::fmt::Write;

/// The node of the pictures themselves.
const DATA: &str = "urn:xmpp:avatar:data";
/// The node of what is known of them.
const METADATA: &str = "urn:xmpp:avatar:metadata";
/// How pictures begin in base64, and what they are.
const KINDS: [(&str, &str); 4] =
    [("iVBORw", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];

/// The client has become available: asks which picture its account has.
pub(crate) fn on_available(client: &mut Client, link: &mut Link) {
    if client.available && !std::mem::replace(&mut client.asked_avatar, true) {
        let command = Command::LookAt(client.account.clone(), pubsub::key(METADATA));
        link.ask_and_hold(command, Awaited::Avatar);
    }
}

/// The core's answer.
pub(crate) fn on_answer(client: &mut Client, link: &mut Link, answer: Result<Reply, Refusal>) {
    if let Ok(Reply::LookedAt(Some(found))) = answer {
        show(client, link, pubsub::newest(&found, METADATA, true).as_ref());
    }
}

/// A register of the client's own account has changed.
pub(crate) fn on_shown(client: &mut Client, link: &mut Link, register: &RegisterView, parent: Option<&[u8]>) {
    if client.asked_avatar && pubsub::is_of(METADATA, parent) {
        show(client, link, pubsub::item_of(register).as_ref());
    }
}

/// The newest picture is this one: others see that in the client's presence.
fn show(client: &mut Client, link: &mut Link, item: Option<&Element>) {
    let metadata = item.and_then(|item| item.get("metadata", METADATA));
    let info = metadata.and_then(|metadata| metadata.get("info", METADATA));
    let photo = info.and_then(|info| info.get_attr("id")).map(str::to_owned);
    if client.photo == photo {
        return;
    }
    client.photo = photo;
    super::presence::say_again(client, link);
}

/// A presence with the client's picture in it, unless the client says something of it itself.
pub(crate) fn in_presence(client: &Client, mut presence: Element) -> Element {
    let photo = client.photo.as_deref().filter(|_| presence.get("x", ns::VCARD_UPDATE).is_none());
    if let Some(photo) = photo {
        presence = presence.child(Element::new("x", ns::VCARD_UPDATE).text_child("photo", photo));
    }
    presence
}

/// A vCard was stored: its photo, where it has one, is published.
pub(crate) fn publish(client: &Client, link: &mut Link, card: &Element) {
    let Some(photo) = card.get("PHOTO", ns::VCARD) else { return };
    let text: String = photo.child_text("BINVAL").unwrap_or_default().split_whitespace().collect();
    let Some(picture) = STANDARD.decode(&text).ok().filter(|picture| !picture.is_empty()) else { return };
    let id = hex_of(&picture);
    let kind = photo.child_text("TYPE").filter(|kind| !kind.is_empty()).unwrap_or_else(|| kind_of(&text).to_owned());
    let info = Element::new("info", METADATA)
        .attr("bytes", picture.len().to_string())
        .attr("id", id.as_str())
        .attr("type", kind);
    let item = |payload: Element| Element::new("item", ns::PUBSUB).attr("id", id.as_str()).child(payload);
    pubsub::put(client, link, DATA, item(Element::new("data", DATA).text(text)));
    pubsub::put(client, link, METADATA, item(Element::new("metadata", METADATA).child(info)));
}

/// What the picture of a vCard hashes to (XEP-0153 section 4.3); `None` where there is none.
pub(crate) fn hash_of(card: &Element) -> Option<String> {
    let text = card.get("PHOTO", ns::VCARD)?.child_text("BINVAL")?;
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok().filter(|picture| !picture.is_empty()).map(|picture| hex_of(&picture))
}

fn hex_of(picture: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha1::digest(picture) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Asks for the picture that an account has published.
pub(crate) fn ask(link: &mut Link, account: AccountName, awaited: Awaited) {
    link.ask_and_hold(Command::LookAt(account, pubsub::key(DATA)), awaited);
}

/// A vCard with the picture published, where the asker may see that.
pub(crate) fn in_card(card: Option<Element>, found: &LookedAt, own: bool) -> Option<Element> {
    let item = pubsub::newest(found, DATA, own);
    let text = item.and_then(|item| item.get("data", DATA).map(Element::content)).unwrap_or_default();
    if text.is_empty() {
        return card;
    }
    let photo = Element::new("PHOTO", ns::VCARD).text_child("TYPE", kind_of(&text)).text_child("BINVAL", text);
    let mut card = card.unwrap_or_else(|| Element::new("vCard", ns::VCARD));
    card.children.retain(|node| !matches!(node, super::element::Node::Element(child) if child.is("PHOTO", ns::VCARD)));
    Some(card.child(photo))
}

fn kind_of(text: &str) -> &'static str {
    KINDS.iter().find(|(begin, _)| text.trim_start().starts_with(begin)).map_or("image/png", |(_, kind)| kind)
}
