//! How rooms are run (XEP-0045 sections 8 to 10): affiliations, roles, kicks and bans, configuration, who sees addresses, voice.

use super::rooms::{JOIN, inside, page};
use super::*;
use expect_test::expect;
use lavina_crdt::content::Principal;
use lavina_crdt::room::{Act, Closed, Flag, Mask};

#[test]
fn who_is_not_inside_and_becomes_a_member_is_told_of_to_who_sees_addresses() {
    let mut chat = inside();
    let old = view(false).state;
    let mut new = (*old).clone();
    let ranks = [("dave", Rank::Member), ("bob", Rank::Admin)];
    new.ranks.extend(ranks.map(|(name, rank)| (Principal::Account(account(name)), rank)));
    let event = |old: &RoomState, new: &RoomState| Event::RoomChanged {
        room: room("rust"),
        by: author(2, "bob", true),
        id: msg_id(5),
        acts: Vec::new(),
        old: Arc::new(old.clone()),
        new: Arc::new(new.clone()),
        ranks: vec![occupant(2, "bob", Some("phone"), Rank::Admin)],
    };
    chat.event(event(&old, &new));
    let log = chat.take();
    let told = "<message to='alice@a.example/r1' from='rust@rooms.a.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
                <item affiliation='member' jid='dave@a.example'/></x></message>";
    assert!(log.contains(told) && log.matches("<message").count() == 1, "bob is inside, and shown by presence: {log}");
    let mut left = new.clone();
    left.ranks.remove(&Principal::Account(account("dave")));
    chat.event(event(&new, &left));
    assert!(chat.take().contains("<item affiliation='none' jid='dave@a.example'/>"));
}

#[test]
fn a_secret_alone_makes_a_room_need_it() {
    let mut chat = inside();
    chat.send(
        "<iq type='set' id='o' to='rust@rooms.a.example'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_roomsecret'><value>pw</value></field></x></query></iq>",
    );
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Founder))))));
    let Some((_, Command::Act(_, acts))) = chat.asked.front() else { panic!("nothing is changed") };
    assert_eq!(acts, &[Act::SetKey(Some("pw".to_owned()))]);
}

#[test]
fn a_ban_of_a_server_puts_everybody_out_who_is_from_there() {
    let config =
        SessionConfig { abroad: true, plain_without_tls: true, flood: Flood::NONE, ..SessionConfig::new("a.example") };
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let mut chat = Chat::configured(config, connection);
    chat.log_in();
    let mut view = view_with(Rank::Admin);
    let far = |name: &str| AccountName::remote(Some(name), "far.example").unwrap();
    for (number, name) in [(4, "juliet"), (5, "nurse")] {
        let mut one = occupant(number, name, Some("balcony"), Rank::None);
        Arc::make_mut(&mut one.people[0].record).account = Some(far(name));
        view.occupants.push(one);
    }
    chat.send(
        "<iq type='set' id='a' to='rust@rooms.a.example'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item jid='far.example' affiliation='outcast'><reason>spam</reason></item></query></iq>",
    );
    chat.answer(Ok(Reply::Room(Some(Arc::new(view)))));
    chat.answer(Ok(Reply::Done));
    let put_out: Vec<String> = chat
        .asked
        .iter()
        .filter_map(|(_, command)| {
            if let Command::Kick { nick, reason, .. } = command { Some(format!("{nick} {reason}")) } else { None }
        })
        .collect();
    assert_eq!(put_out, ["juliet spam", "nurse spam"]);
}

#[test]
fn moderators_kick_ban_and_list() {
    let mut chat = inside();
    let admin = |item: &str, kind: &str| {
        format!(
            "<iq type='{kind}' id='a' to='rust@rooms.a.example'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query></iq>"
        )
    };
    for (item, kind) in [
        ("<item nick='carol' role='none'><reason>out</reason></item>", "set"),
        ("<item jid='bob@a.example' affiliation='outcast'/>", "set"),
        ("<item nick='carol' role='moderator'/>", "set"),
        ("<item nick='nobody' role='moderator'/>", "set"),
        ("<item role='moderator'/>", "get"),
        ("<item affiliation='outcast'/>", "get"),
    ] {
        chat.send(&admin(item, kind));
        chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Admin))))));
        while !chat.asked.is_empty() {
            chat.answer(Ok(Reply::Done));
        }
    }
    expect![[r#"
            RoomInfo(rust)
            Kick { room: rust, nick: carol, reason: "out" }
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='result'/>
            RoomInfo(rust)
            Act(rust, [SetBan { mask: Account(bob), ban: Some("") }])
            Kick { room: rust, nick: bob, reason: "" }
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='result'/>
            RoomInfo(rust)
            Act(rust, [SetRank { who: Guest(SessionId { node: n09090909, number: 3 }), rank: Operator }])
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='result'/>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='result'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='admin' jid='alice@a.example/r1' nick='alice' role='moderator'/><item affiliation='member' jid='bob@a.example/phone' nick='bob' role='moderator'/></query></iq>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='a' type='result'><query xmlns='http://jabber.org/protocol/muc#admin'/></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn lists_of_a_semi_anonymous_room_are_for_who_runs_it() {
    let mut chat = inside();
    let mut ask = |affiliation: &str, rank: Rank| {
        chat.send(&format!(
            "<iq type='get' id='a' to='rust@rooms.a.example'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='{affiliation}'/></query></iq>"
        ));
        let mut view = view_with(rank);
        Arc::make_mut(&mut view.state).flags.insert(Flag::Anonymous);
        chat.answer(Ok(Reply::Room(Some(Arc::new(view)))));
        chat.take().contains("<forbidden")
    };
    for (affiliation, rank, refused) in [
        ("owner", Rank::Admin, true),
        ("owner", Rank::Founder, false),
        ("admin", Rank::Operator, true),
        ("admin", Rank::Founder, false),
        ("member", Rank::Operator, true),
        ("member", Rank::Admin, false),
        ("outcast", Rank::Voice, true),
        ("outcast", Rank::HalfOp, false),
    ] {
        assert_eq!(ask(affiliation, rank), refused, "{affiliation} asked for by {rank:?}");
    }
}

#[test]
fn who_cannot_be_reached_can_be_kept_out() {
    let mut chat = inside();
    chat.send(
        "<iq type='set' id='a' to='rust@rooms.a.example'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item jid='eve@b.example' affiliation='outcast'/><item jid='juliet@b.example' affiliation='member'/></query></iq>",
    );
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Admin))))));
    let Some((_, Command::Act(_, acts))) = chat.asked.front() else { panic!("{:?}", chat.asked) };
    let juliet = Principal::Account(AccountName::any("juliet@b.example").unwrap());
    let ban = Mask::Account(AccountName::any("eve@b.example").unwrap());
    assert!(matches!(&acts[0], Act::SetBan { mask, ban: Some(_) } if *mask == ban), "{acts:?}");
    assert!(matches!(&acts[1], Act::SetRank { who, rank: Rank::Member } if *who == juliet), "{acts:?}");
}

#[test]
fn a_room_is_configured_by_its_owner_with_a_form() {
    let mut chat = inside();
    let owner = |inner: &str, kind: &str| {
        format!(
            "<iq type='{kind}' id='o' to='rust@rooms.a.example'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'>{inner}</query></iq>"
        )
    };
    let submitted = "<x xmlns='jabber:x:data' type='submit'>\
         <field var='muc#roomconfig_membersonly'><value>1</value></field>\
         <field var='muc#roomconfig_publicroom'><value>0</value></field>\
         <field var='muc#roomconfig_roomname'><value>Rust people</value></field>\
         <field var='muc#roomconfig_roomadmins'><value>carol@a.example</value></field>\
         <field var='muc#roomconfig_whois'><value>moderators</value></field>\
         <field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field>\
         <field var='muc#roomconfig_roomsecret'><value>pw</value></field></x>";
    let nobody = "<x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_roomowners'/></x>";
    for (inner, kind, rank) in [
        ("<x xmlns='jabber:x:data' type='submit'/>", "set", Rank::Admin),
        ("<x xmlns='jabber:x:data' type='submit'/>", "set", Rank::Founder),
        (submitted, "set", Rank::Founder),
        (nobody, "set", Rank::Founder),
        ("", "get", Rank::Founder),
    ] {
        chat.send(&owner(inner, kind));
        chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(rank))))));
        while !chat.asked.is_empty() {
            chat.answer(Ok(Reply::Done));
        }
    }
    expect![[r#"
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='error'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='result'/>
            RoomInfo(rust)
            Act(rust, [SetRank { who: Account(carol), rank: Admin }, SetFlag { flag: InviteOnly, on: true }, SetFlag { flag: Secret, on: true }, SetFlag { flag: Anonymous, on: true }, SetTitle("Rust people"), SetKey(Some("pw"))])
            Kick { room: rust, nick: carol, reason: "The room is for members only." }
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='result'/>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='error'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a room has an owner</text></error></iq>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='result'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_roomname' type='text-single' label='Name'><value/></field><field var='muc#roomconfig_roomdesc' type='text-single' label='Description'><value/></field><field var='muc#roomconfig_persistentroom' type='boolean' label='Stays when everybody has left'><value>0</value></field><field var='muc#roomconfig_publicroom' type='boolean' label='Is shown in lists'><value>1</value></field><field var='muc#roomconfig_membersonly' type='boolean' label='Only for members'><value>0</value></field><field var='muc#roomconfig_moderatedroom' type='boolean' label='Only with voice may one speak'><value>0</value></field><field var='muc#roomconfig_changesubject' type='boolean' label='Everybody may change the subject'><value>1</value></field><field var='muc#roomconfig_passwordprotectedroom' type='boolean' label='Needs a password'><value>0</value></field><field var='muc#roomconfig_roomsecret' type='text-private' label='Password'><value/></field><field var='muc#roomconfig_maxusers' type='list-single' label='Most occupants'><value>none</value><option label='10'><value>10</value></option><option label='20'><value>20</value></option><option label='50'><value>50</value></option><option label='100'><value>100</value></option><option label='500'><value>500</value></option><option label='none'><value>none</value></option></field><field var='muc#roomconfig_whois' type='list-single' label='Who sees real addresses'><value>anyone</value><option label='anyone'><value>anyone</value></option><option label='moderators'><value>moderators</value></option></field><field var='muc#roomconfig_roomowners' type='jid-multi' label='Owners'><value>alice@a.example</value></field><field var='muc#roomconfig_roomadmins' type='jid-multi' label='Admins'/></x></query></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_new_room_that_its_owner_does_not_want_is_closed_and_one_that_is_destroyed_says_where_to_go() {
    let mut chat = inside();
    let owner = |inner: &str| {
        format!(
            "<iq type='set' id='o' to='rust@rooms.a.example'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'>{inner}</query></iq>"
        )
    };
    let mut locked = view_with(Rank::Founder);
    Arc::make_mut(&mut locked.state).flags.insert(Flag::Locked);
    chat.send(&owner("<x xmlns='jabber:x:data' type='cancel'/>"));
    chat.answer(Ok(Reply::Room(Some(Arc::new(locked)))));
    chat.answer(Ok(Reply::Done));
    chat.send(&owner("<destroy jid='go@rooms.a.example'><reason>moved</reason></destroy>"));
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Founder))))));
    let old = Arc::clone(&view(false).state);
    let closed = Closed { reason: "moved".into(), venue: "go@rooms.a.example".into(), password: String::new() };
    let new = RoomState { closed: Some(closed), ..RoomState::clone(&old) };
    chat.event(Event::RoomChanged {
        room: room("rust"),
        by: author(1, "alice", true),
        id: msg_id(5),
        acts: Vec::new(),
        old,
        new: Arc::new(new),
        ranks: Vec::new(),
    });
    chat.answer(Ok(Reply::Done));
    expect![[r#"
            RoomInfo(rust)
            Act(rust, [SetClosed(Some(Closed { reason: "", venue: "", password: "" }))])
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='result'/>
            RoomInfo(rust)
            Act(rust, [SetClosed(Some(Closed { reason: "moved", venue: "go@rooms.a.example", password: "" }))])
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none'/><status code='110'/><destroy jid='go@rooms.a.example'><reason>moved</reason></destroy></x></presence>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='o' type='result'/>
    "#]].assert_eq(&chat.take());
}

#[test]
fn real_addresses_of_a_semi_anonymous_room_are_for_its_moderators() {
    for (rank, seen) in [(Rank::None, false), (Rank::Operator, true)] {
        let mut chat = Chat::bound();
        chat.send(JOIN);
        let mut view = view_with(rank);
        Arc::make_mut(&mut view.state).flags.insert(Flag::Anonymous);
        chat.answer(Ok(Reply::Joined(Arc::new(view), true)));
        let shown = chat.take();
        assert_eq!(shown.contains("bob@a.example"), seen, "{shown}");
        assert!(shown.contains("jid='alice@a.example/r1'") && !shown.contains("code='100'"), "{shown}");
        chat.event(Event::Joined { room: room("rust"), occupant: occupant(4, "dave", Some("d"), Rank::None) });
        chat.answer(Ok(page(Vec::new())));
        assert_eq!(chat.take().contains("dave@a.example"), seen);
    }
}

#[test]
fn a_visitor_asks_for_voice_and_a_moderator_gives_it() {
    let mut room = view(false);
    Arc::make_mut(&mut room.state).flags.insert(Flag::Moderated);
    let mut chat = Chat::bound();
    let form = |more: &str| {
        format!(
            "<message to='rust@rooms.a.example'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>\
             <field var='muc#role'><value>participant</value></field>{more}</x></message>"
        )
    };
    chat.send(&form(""));
    chat.answer(Ok(Reply::Room(Some(Arc::new(room.clone())))));
    let Some((_, Command::Whisper(to, stanza))) = chat.asked.pop_front() else { panic!("nobody is asked") };
    assert_eq!(to, crate::command::Target::Occupant(super::room("rust"), nick("bob")));
    let mut moderator = Chat::bound();
    let via = Some((super::room("rust"), nick("carol")));
    moderator.event(Event::Whisper { from: person(3, "carol", Some("desk")), via, stanza });
    expect![[r#"
        <message to='alice@a.example/r1' from='rust@rooms.a.example'><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#request</value></field><field var='muc#role' type='list-single' label='Requested role'><value>participant</value><option label='participant'><value>participant</value></option></field><field var='muc#jid' type='jid-single' label='User ID'><value>alice@a.example/r1</value></field><field var='muc#roomnick' type='text-single' label='Room Nickname'><value>alice</value></field><field var='muc#request_allow' type='boolean' label='Grant voice to this person?'><value>0</value></field></x></message>
    "#]].assert_eq(&moderator.take());

    let allow = "<field var='muc#roomnick'><value>carol</value></field>\
                 <field var='muc#request_allow'><value>true</value></field>";
    moderator.send(&form(allow));
    moderator.answer(Ok(Reply::Room(Some(Arc::new(room.clone())))));
    assert!(moderator.take().contains("<forbidden "), "only moderators give voice");
    let mut senior = view_with(Rank::Operator);
    Arc::make_mut(&mut senior.state).flags.insert(Flag::Moderated);
    moderator.send(&form(allow));
    moderator.answer(Ok(Reply::Room(Some(Arc::new(senior)))));
    let log = moderator.take();
    assert!(log.contains("SetRank { who: Guest(") && log.contains("rank: Voice"), "{log}");
}
