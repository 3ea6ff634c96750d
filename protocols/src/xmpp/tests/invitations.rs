//! Invitations to register: made by ad-hoc commands, shown before log-in.

use super::*;
use crate::account::Inviting;
use expect_test::expect;
use lavina_crdt::invitation::Invitation;

fn invitation(name: Option<&str>) -> Option<Invitation> {
    Some(Invitation { by: None, contact: false, name: name.map(account), until_ms: EPOCH_MS + 60_000 })
}

fn shown(invitation: Option<Invitation>) -> Result<Reply, Refusal> {
    Ok(Reply::Account(AccountReply::Invitation(invitation)))
}

/// A stream of a server where nobody registers without an invitation.
fn closed() -> Chat {
    let config = SessionConfig { plain_without_tls: true, flood: Flood::NONE, ..SessionConfig::new("a.example") };
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let mut chat = Chat::configured(config, connection);
    chat.send(HEADER);
    chat
}

const REGISTER: &str = "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>juliet</username>\
                        <password>pencil</password></query></iq>";

#[test]
fn who_shows_an_invitation_registers_where_others_do_not() {
    let mut chat = closed();
    assert!(chat.take().contains("<register xmlns='urn:xmpp:ibr-token:0'/>"));
    chat.send(REGISTER);
    chat.send("<iq type='set' id='p' to='a.example'><preauth xmlns='urn:xmpp:pars:0' token='guess'/></iq>");
    chat.answer(shown(None));
    chat.send("<iq type='set' id='q' to='a.example'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>");
    chat.answer(shown(invitation(None)));
    chat.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>");
    expect![[r#"
        <iq id='r' type='error'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>An invitation is needed to register here.</text></error></iq>
            Account(Invitation(InvitationId([253, 238, 124, 205, 85, 208, 140, 225, 167, 112, 64, 195, 65, 92, 175, 218, 229, 92, 200, 193, 171, 245, 43, 97, 53, 254, 173, 190, 247, 101, 51, 168])))
        <iq from='a.example' id='p' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>The invitation is not known, was used or is over.</text></error></iq>
            Account(Invitation(InvitationId([135, 212, 213, 73, 5, 57, 104, 227, 136, 59, 66, 231, 42, 157, 61, 226, 185, 87, 109, 206, 232, 243, 243, 143, 199, 46, 24, 222, 155, 222, 100, 21])))
        <iq from='a.example' id='q' type='result'/>
        <iq id='g' type='result'><query xmlns='jabber:iq:register'><instructions>Choose a name and a password.</instructions><username/><password/></query></iq>
    "#]].assert_eq(&chat.take());
    chat.send(REGISTER);
    let Some((_, Command::RegisterAccount(name, _, Some(id)))) = chat.asked.back() else { panic!("not asked") };
    assert_eq!((name.as_str(), *id), ("juliet", lavina_crdt::invitation::InvitationId::of("t")));
    chat.answer(Ok(Reply::Done));
    chat.log.clear();
    chat.send(REGISTER);
    assert!(chat.take().contains("<not-allowed"), "it is good for one account");
}

#[test]
fn an_invitation_for_a_name_is_for_no_other() {
    let mut chat = closed();
    chat.send("<iq type='set' id='q'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>");
    chat.answer(shown(invitation(Some("romeo"))));
    chat.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>");
    assert!(chat.take().contains("<username>romeo</username>"));
    chat.send(REGISTER);
    let log = chat.take();
    assert!(log.contains("<not-acceptable") && log.contains("for romeo only") && chat.asked.is_empty(), "{log}");
}

#[test]
fn who_fills_a_form_in_has_minutes_and_who_says_nothing_has_not() {
    let mut chat = closed();
    chat.later(29_000);
    chat.send("<iq type='set' id='q'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>");
    chat.answer(shown(invitation(None)));
    chat.later(299_000);
    assert!(!chat.take().contains("connection-timeout"));
    chat.later(1_000);
    assert!(chat.take().contains("<connection-timeout"));
}

#[test]
fn an_account_invites_a_contact_in_one_step() {
    let mut chat = Chat::bound();
    chat.send("<iq type='get' id='l' to='a.example'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/></iq>");
    chat.answer(Ok(Reply::Account(AccountReply::Inviting(Inviting::Contacts))));
    chat.send("<iq type='set' id='i' to='a.example'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite' action='execute'/></iq>");
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    expect![[r#"
            Account(Inviting)
        <iq to='alice@a.example/r1' from='a.example' id='l' type='result'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'><item jid='a.example' node='urn:xmpp:invite#invite' name='Invite a contact'/></query></iq>
            Account(Invite(InvitationId([149, 39, 12, 29, 20, 204, 255, 80, 182, 94, 202, 66, 173, 84, 132, 184, 204, 246, 194, 124, 72, 150, 54, 60, 178, 78, 63, 235, 46, 233, 196, 202]), Invitation { by: None, contact: true, name: None, until_ms: 1767830400000 }))
        <iq to='alice@a.example/r1' from='a.example' id='i' type='result'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite' sessionid='427f867a270f6fc867fc50e77d3679c5' status='completed'><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:invite#invitation</value></field><field var='uri' type='text-single'><value>xmpp:alice@a.example?roster;preauth=b043da0b1042996860c6e89c833652a0;ibr=y</value></field><field var='expire' type='text-single'><value>2026-01-08T00:00:00.000Z</value></field></x></command></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn an_operator_keeps_a_name_for_somebody() {
    let mut chat = Chat::bound();
    chat.send("<iq type='set' id='c' to='a.example'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account' sessionid='s'/></iq>");
    chat.answer(Ok(Reply::Account(AccountReply::Inviting(Inviting::Anybody))));
    chat.send(
        "<iq type='set' id='d' to='a.example'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account' sessionid='s' action='complete'>\
         <x xmlns='jabber:x:data' type='submit'><field var='username'><value>juliet</value></field>\
         <field var='roster-subscription'><value>1</value></field></x></command></iq>",
    );
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    expect![[r#"
            Account(Inviting)
        <iq to='alice@a.example/r1' from='a.example' id='c' type='result'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account' sessionid='s' status='executing'><actions execute='complete'><complete/></actions><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:invite#create-account</value></field><field var='username' type='text-single' label='Name, or nothing for one of their choice'><value/></field><field var='roster-subscription' type='boolean' label='Become contacts'><value>1</value></field></x></command></iq>
            Account(Invite(InvitationId([229, 108, 117, 192, 180, 53, 6, 2, 128, 64, 67, 236, 38, 91, 150, 169, 246, 242, 168, 215, 45, 4, 152, 205, 35, 20, 209, 74, 62, 124, 5, 1]), Invitation { by: None, contact: true, name: Some(juliet), until_ms: 1767830400000 }))
        <iq to='alice@a.example/r1' from='a.example' id='d' type='result'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account' sessionid='s' status='completed'><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:invite#invitation</value></field><field var='uri' type='text-single'><value>xmpp:juliet@a.example?register;preauth=427f867a270f6fc867fc50e77d3679c5</value></field><field var='expire' type='text-single'><value>2026-01-08T00:00:00.000Z</value></field></x></command></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn where_the_node_shows_pages_an_invitation_has_one() {
    let pages = Some("https://a.example".into());
    let open = SessionConfig { plain_without_tls: true, flood: Flood::NONE, ..SessionConfig::new("a.example") };
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let mut chat = Chat::configured(SessionConfig { pages, ..open }, connection);
    chat.log_in();
    chat.send("<iq type='set' id='i' to='a.example'><command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite' action='execute'/></iq>");
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    let log = chat.take();
    assert!(log.contains("<field var='landing-url' type='text-single'><value>https://a.example/invite/"), "{log}");
    assert!(log.contains("/meet/alice</value>"), "{log}");
}

#[test]
fn what_is_no_command_or_not_ones_own_is_refused() {
    let command = |node: &str, more: &str, inside: &str| {
        format!(
            "<iq type='set' id='c' to='a.example'><command xmlns='http://jabber.org/protocol/commands' node='{node}' {more}>{inside}</command></iq>"
        )
    };
    let form = "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>a b</value></field></x>";
    let create = "urn:xmpp:invite#create-account";
    for (request, condition) in [
        (command("other", "", ""), "item-not-found"),
        (command(create, "action='jump'", ""), "malformed-action"),
        (command(create, "action='prev'", ""), "bad-action"),
        (command(create, "", form), "bad-payload"),
        (command(create, "action='cancel'", ""), "status='canceled'"),
    ] {
        let mut chat = Chat::bound();
        chat.send(&request);
        let log = chat.take();
        assert!(log.contains(condition) && chat.asked.is_empty(), "{request} {log}");
    }
    let mut chat = Chat::bound();
    chat.send(&command("urn:xmpp:invite#invite", "", ""));
    chat.answer(Err(Refusal::NotOperator));
    chat.send(&command(create, "", ""));
    chat.answer(Ok(Reply::Account(AccountReply::Inviting(Inviting::Contacts))));
    assert_eq!(chat.take().matches("<forbidden").count(), 2);
}

#[test]
fn a_request_that_shows_an_invitation_is_not_asked_about() {
    const SUBSCRIBE: &str =
        "<presence type='subscribe' to='bob@a.example'><preauth xmlns='urn:xmpp:pars:0' token='t'/></presence>";
    let mut chat = Chat::bound();
    chat.send(SUBSCRIBE);
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    assert!(chat.asked.is_empty());
    chat.take();
    chat.send(SUBSCRIBE);
    chat.answer(Err(Refusal::NoSuchInvitation));
    assert!(matches!(chat.asked.back(), Some((_, Command::Subscription(whom, ..))) if *whom == account("bob")));
}
