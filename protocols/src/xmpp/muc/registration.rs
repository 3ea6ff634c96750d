//! Registration in a room, and the nick that is kept for somebody (XEP-0045 sections 7.10 and 7.12).
//!
//! Nicks belong to accounts in the whole mesh, so everybody is registered in every room under the one of their account and nobody can register
//! another one: who comes with a nick of somebody else's account is refused it (section 7.2.8).

use crate::xmpp::bind;
use crate::xmpp::client::Client;
use crate::xmpp::data;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use lavina_crdt::names::Nick;

/// The node of `disco#info` by which a client asks for its nick.
pub(crate) const NODE: &str = "x-roomuser-item";

/// The nick that is kept for a client's account.
fn nick_of(client: &Client) -> Result<Nick, StanzaError> {
    bind::nick_for(&client.account, 0).ok_or(StanzaError::ITEM_NOT_FOUND)
}

/// `disco#info` for the nick.
pub(crate) fn info(client: &Client) -> Result<Element, StanzaError> {
    let identity = Element::new("identity", ns::DISCO_INFO)
        .attr("category", "conference")
        .attr("type", "text")
        .attr("name", nick_of(client)?.as_str());
    Ok(Element::new("query", ns::DISCO_INFO).attr("node", NODE).child(identity))
}

/// A request to register.
pub(crate) fn on_register(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let nick = nick_of(client)?;
    if !request.set {
        let query = Element::new("query", ns::REGISTER)
            .child(Element::new("registered", ns::REGISTER))
            .text_child("username", nick.as_str());
        link.reply(&request.asked.result(Some(query)));
        return Ok(());
    }
    if request.payload.get("remove", ns::REGISTER).is_some() {
        return Err(StanzaError::NOT_ALLOWED.text("the nick is your account's"));
    }
    let (_, form) = data::answer(&request.payload).ok_or(StanzaError::BAD_REQUEST)?;
    let wanted = data::fields(form).find(|(var, _)| *var == "muc#register_roomnick");
    let wanted = wanted.and_then(|(_, values)| values.into_iter().next()).ok_or(StanzaError::BAD_REQUEST)?;
    if !Nick::new(&wanted).is_ok_and(|wanted| wanted.key() == nick.key()) {
        return Err(StanzaError::NOT_ALLOWED.text(format!("only {nick} can be registered: it is your account's")));
    }
    link.reply(&request.asked.result(None));
    Ok(())
}
