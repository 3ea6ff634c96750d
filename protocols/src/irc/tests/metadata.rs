//! METADATA in both of its specifications.

use super::fake_core::*;
use super::*;
use expect_test::expect;

#[test]
fn notes_are_set_read_and_refused() {
    let mut client = Client::in_room("batch draft/metadata-3");
    expect![[r#"
        :node 761 alice alice url * :http://a b
        :node 766 alice alice url :Key not set
        :node BATCH +b3 metadata bob
        @batch=b3 :node 761 alice bob url * :http://bob
        @batch=b3 :node 766 alice bob nope :Key not set
        @batch=b3 :node WARN METADATA INVALID_KEY $x :Invalid key
        :node BATCH -b3
        :node BATCH +b4 metadata bob
        @batch=b4 :node 761 alice bob url * :http://bob
        :node BATCH -b4
        :node FAIL METADATA INVALID_TARGET nobody :Invalid metadata target
        :node FAIL METADATA KEY_NO_PERMISSION bob url :Permission denied
        :node FAIL METADATA INVALID_KEY $url$ :Invalid key
        :node 761 alice #r url * :x
        :node FAIL METADATA INVALID_TARGET #nowhere :Invalid metadata target
        :node BATCH +b5 metadata alice
        :node BATCH -b5
        :node FAIL METADATA KEY_NO_PERMISSION bob * :Permission denied
        :node FAIL METADATA INVALID_PARAMS * :Invalid parameters
        :node FAIL METADATA INVALID_PARAMS GET :Invalid parameters
        :node FAIL METADATA INVALID_PARAMS SNEEZE :Invalid parameters
        :node FAIL METADATA INVALID_PARAMS * :Invalid parameters
    "#]].assert_eq(&client.said_to(
        "METADATA * SET url :http://a b\nMETADATA * SET url\nMETADATA bob GET url nope $x\nMETADATA bob LIST\nMETADATA nobody LIST\nMETADATA bob SET url x\n\
         METADATA * SET $url$ x\nMETADATA #r SET url x\nMETADATA #nowhere GET url\nMETADATA * CLEAR\nMETADATA bob CLEAR\n\
         METADATA\nMETADATA #r GET\nMETADATA #r SNEEZE\nMETADATA #r :: hi!",
    ));
}

#[test]
fn keys_are_subscribed_to_and_changes_of_them_told() {
    let mut client = Client::in_room("batch draft/metadata-3");
    expect![[r#"
        :node WARN METADATA INVALID_KEY $x :Invalid key
        :node 770 alice url avatar
        :node 774 alice *ALL 0 :Please synchronize metadata now
        :node BATCH +b3 metadata-subs
        @batch=b3 :node 772 alice url avatar
        :node BATCH -b3
        :node 771 alice avatar
        :node FAIL METADATA INVALID_TARGET bob :Invalid metadata target
        :node BATCH +b4 metadata #r
        @batch=b4 :node 761 alice bob url * :http://bob
        :node BATCH -b4
        :node BATCH +b5 metadata *ALL
        @batch=b5 :node 761 alice bob url * :http://bob
        :node BATCH -b5
        :node 730 alice :bob!ubob@far
        :node BATCH +b6 metadata bob
        @batch=b6 :node 761 alice bob url * :http://bob
        :node BATCH -b6
    "#]].assert_eq(&client.said_to(
        "METADATA * SUB url $x avatar url\nMETADATA * SUBS\nMETADATA * UNSUB avatar\nMETADATA bob SUB url\nMETADATA #r SYNC\nMETADATA *ALL SYNC\nMONITOR + bob",
    ));
    let noted = |key: &str, value: Option<&str>| Event::Noted {
        person: person("bob"),
        key: key.to_owned(),
        value: value.map(str::to_owned),
    };
    client.event(noted("url", Some("http://new")));
    client.event(noted("avatar", Some("x")));
    client.event(noted("url", None));
    client.event(Event::Watched { nick: nick("bob"), person: Some(person("bob")) });
    expect![[r#"
        :node 761 alice bob url * :http://new
        :node 766 alice bob url :Key not set
        :node 730 alice :bob!ubob@far
        :node BATCH +b7 metadata bob
        @batch=b7 :node 761 alice bob url * :http://bob
        :node BATCH -b7
    "#]]
    .assert_eq(&client.take());
    let many: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let answers: String =
        many.chunks(10).map(|keys| client.said_to(&format!("METADATA * SUB {}", keys.join(" ")))).collect();
    assert!(answers.contains(":node FAIL METADATA LIMIT_REACHED SUB k49 50 :Metadata limit reached\n"), "{answers}");
}

#[test]
fn the_earlier_specification_has_its_own_words() {
    let mut client = Client::in_room("batch draft/metadata-2");
    expect![[r#"
        :node 770 alice url
        :node 774 alice #r 0 :Please synchronize metadata now
        :node FAIL METADATA KEY_NOT_SET alice nope :Key not set
        :node FAIL METADATA KEY_INVALID $x :Invalid key
        :node BATCH +b2 metadata #r
        @batch=b2 :node METADATA bob url * :http://bob
        :node BATCH -b2
        :node FAIL METADATA SUBCOMMAND_INVALID SNEEZE :Invalid subcommand
        :node CAP alice NAK :draft/metadata-3
    "#]].assert_eq(&client.said_to(
        "METADATA * SUB url\nMETADATA * SET nope\nMETADATA * SET $x y\nMETADATA #r SYNC\nMETADATA #r SNEEZE\nCAP REQ draft/metadata-3",
    ));
    client.event(Event::Noted { person: person("bob"), key: "url".to_owned(), value: Some("x".to_owned()) });
    assert_eq!(client.take(), ":bob!ubob@far METADATA bob url * :x\n");
}

#[test]
fn what_is_noted_before_the_welcome_holds_from_it_on() {
    let mut client = Client::connect();
    client.shows_commands = true;
    client.send("CAP REQ :batch draft/metadata-3\nMETADATA * SET url :http://a\nMETADATA * LIST\nMETADATA bob LIST\nNICK alice\nUSER al 0 * :Alice A");
    expect![[r#"
        :node CAP * ACK :batch draft/metadata-3
        :node 761 * * url * :http://a
        :node BATCH +b1 metadata *
        @batch=b1 :node 761 * * url * :http://a
        :node BATCH -b1
        :node FAIL METADATA INVALID_TARGET bob :Invalid metadata target
    "#]]
    .assert_eq(&client.take());
    client.send("CAP END");
    let welcome = client.take();
    assert!(welcome.contains("? SetNote(\"url\", Some(\"http://a\"))\n"), "{welcome}");
    let (batch, motd) = (welcome.find("metadata alice"), welcome.find(" 422 "));
    assert!(batch.is_some() && batch < motd, "{welcome}");
}
