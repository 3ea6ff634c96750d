//! What a configuration says when it is wrong.

use super::{Config, Listen, REPLICAS, render};
use expect_test::{Expect, expect};
use lavina_gossip::versions::Versions;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

const GOOD: &str = r#"domain = "chat.example"
name = "eu-1"
region = "eu"
zone = "a"
data = "data"
irc = "127.0.0.1:6667"
"#;

fn check(text: &str, expected: Expect) {
    let said = match Config::parse(Path::new("/etc/lavina/lavina.toml"), text) {
        Ok(config) => format!("{config:#?}"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&said);
}

#[test]
fn a_small_file_is_enough() {
    check(
        GOOD,
        expect![[r#"
            Config {
                file: Some(
                    "/etc/lavina/lavina.toml",
                ),
                domain: "chat.example",
                name: "eu-1",
                irc_name: "eu-1.chat.example",
                network: "chat.example",
                place: Place {
                    region: "eu",
                    zone: "a",
                },
                data: "/etc/lavina/data",
                registration: false,
                invitations: false,
                always_on: false,
                listen: Listen {
                    irc: [
                        Tcp(
                            127.0.0.1:6667,
                        ),
                    ],
                    irc_tls: [],
                    xmpp: [],
                    xmpp_tls: [],
                    xmpp_server: [],
                    xmpp_server_tls: [],
                    xmpp_component: [],
                    http: [],
                    https: [],
                    mesh: None,
                    admin: None,
                },
                connections_per_address: 256,
                room_days: None,
                proxy_from: Networks {
                    networks: [],
                    unix: false,
                },
                webirc: WebIrc {
                    from: Networks {
                        networks: [],
                        unix: false,
                    },
                    password: None,
                },
                greeting: Greeting {
                    password: None,
                    motd: [],
                },
                sts_days: None,
                irc_without_tls: false,
                xmpp_advertise: None,
                servers: Servers {
                    allow: [],
                    block: [],
                    dialback: false,
                    authority: None,
                    hosts: [],
                    components: {},
                },
                contacts: [],
                external_services: [],
                web: WebConfig {
                    url: None,
                    origins: [],
                    forwarded_from: Networks {
                        networks: [],
                        unix: false,
                    },
                    files: FileLimits {
                        bytes_max: 50000000,
                        quota: 1000000000,
                        keep_ms: 2592000000,
                    },
                    peers: [],
                },
                advertise: [],
                discovery: Discovery {
                    is_on: false,
                    relay: false,
                },
                replicas: Some(
                    3,
                ),
                frames: Versions {
                    oldest: 1,
                    newest: 2,
                },
                operators: [],
                web_push: false,
                oauth: [],
                certificate: None,
            }"#]],
    );
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    check(
        &format!("{GOOD}ircs-tls = \"127.0.0.1:6697\"\n"),
        expect!["/etc/lavina/lavina.toml:7:1: ircs-tls: there is no such key; did you mean `irc-tls`?"],
    );
    check(
        &format!("{GOOD}colour = \"red\"\n"),
        expect![
            "/etc/lavina/lavina.toml:7:1: colour: there is no such key; the keys are: domain, name, network, region, zone, data, registration, invitations, always-on, irc, irc-tls, xmpp, xmpp-tls, xmpp-advertise, xmpp-server, xmpp-server-tls, xmpp-component, server-allow, server-block, server-dialback, server-authority, server, component, address, direct-tls, secret, contact, abuse, feedback, sales, security, status, support, external-service, type, transport, username, http, https, http-url, http-origins, proxy-from, webirc-from, webirc-password, irc-password, motd, sts-days, irc-without-tls, forwarded-from, file-megabytes, file-quota-megabytes, file-days, file-peers, connections-per-address, room-days, mesh, mesh-advertise, mesh-discovery, mesh-relay, mesh-replicas, mesh-frames, admin, operator, password, account, title, web-push, oauth, issuer, audience, algorithm, key, claim, certificate, certificate-key"
        ],
    );
}

#[test]
fn who_lets_others_meet_takes_part_itself() {
    check(
        &format!("{GOOD}mesh-relay = true\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:14: mesh-relay: nodes meet only where one takes part in discovery; `mesh-discovery = true` is expected beside it"#
        ]],
    );
}

#[test]
fn a_missing_key_shows_an_example() {
    check(
        &GOOD.replace("region = \"eu\"\n", ""),
        expect![[r#"/etc/lavina/lavina.toml: region: the key is missing; for example: region = "eu""#]],
    );
}

#[test]
fn a_wrong_address_shows_what_is_expected() {
    check(
        &GOOD.replace("127.0.0.1:6667", "localhost:6667"),
        expect![[
            r#"/etc/lavina/lavina.toml:6:7: irc: "localhost:6667" is not an address to listen on; IP:PORT is expected, such as "127.0.0.1:6667" or "[::1]:6667", or unix:PATH; leave the key out to switch it off"#
        ]],
    );
    check(
        &format!("{GOOD}admin = \"0.0.0.0:7680\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:9: admin: "0.0.0.0:7680" is not a loopback address; the admin page has no encryption: use "127.0.0.1:7680" and reach it through a tunnel"#
        ]],
    );
    check(
        &format!("{GOOD}mesh-advertise = [\"10.0.0.1:7667\", \"0.0.0.0:7667\"]\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:36: mesh-advertise: "0.0.0.0:7667" is not an address that can be dialled; HOST:PORT that others reach is expected, such as "203.0.113.1:7667""#
        ]],
    );
}

#[test]
fn a_wrong_type_names_the_key() {
    check(
        &format!("{GOOD}registration = \"yes\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:16: registration: invalid type: string "yes", expected a boolean; for example: registration = true"#
        ]],
    );
}

#[test]
fn a_broken_line_is_pointed_at() {
    check(
        &format!("{GOOD}xmpp = \n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:8: xmpp: string values must be quoted, expected literal string; for example: xmpp = "0.0.0.0:5222""#
        ]],
    );
}

#[test]
fn names_and_domains_are_checked() {
    check(
        &GOOD.replace("eu-1", "Eu 1"),
        expect![[
            r#"/etc/lavina/lavina.toml:2:8: name: "Eu 1" is not usable in a host name; a short word of a-z, 0-9 and `-` is expected, such as "eu-1""#
        ]],
    );
    check(
        &GOOD.replace("chat.example", "chat..example"),
        expect![[
            r#"/etc/lavina/lavina.toml:1:10: domain: "chat..example" is not a domain name; labels of a-z, 0-9 and `-`, parted by dots, are expected, such as "chat.example""#
        ]],
    );
    check(
        &format!("{GOOD}certificate = \"a.pem\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:15: certificate: "a.pem" has no key; set `certificate-key` as well, or leave both out"#
        ]],
    );
}

#[test]
fn what_init_writes_is_read_back_and_has_at_most_fifteen_lines() {
    let mut config = Config::loopback(PathBuf::from("/srv/data"));
    config.file = Some(PathBuf::from("/srv/lavina.toml"));
    config.network.clone_from(&config.domain);
    config.listen = Listen::customary(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let text = render(&config, Path::new("data"));
    assert!(text.lines().count() <= 15, "{text}");
    assert_eq!(Config::parse(Path::new("/srv/lavina.toml"), &text).unwrap(), config);
}

#[test]
fn operators_have_a_name_and_a_way_to_show_who_they_are() {
    check(
        &format!("{GOOD}[[operator]]\nname = \"root\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:8:8: name: "root" can show in no way who they are; set `password` (from `lavina operator hash`), `account`, or both"#
        ]],
    );
    check(
        &format!("{GOOD}[[operator]]\nname = \"root\"\npassword = \"hunter2\"\n"),
        expect![
            "/etc/lavina/lavina.toml:9:12: password: is not a hashed password; the line that `lavina operator hash` prints is expected"
        ],
    );
    check(
        &format!("{GOOD}[[operator]]\nname = \"root\"\npasword = \"x\"\n"),
        expect!["/etc/lavina/lavina.toml:9:1: pasword: there is no such key; did you mean `password`?"],
    );
    let text = format!("{GOOD}[[operator]]\nname = \"root\"\naccount = \"Alice\"\ntitle = \"is in charge\"\n");
    let config = Config::parse(Path::new("lavina.toml"), &text).unwrap();
    assert_eq!(config.operators.len(), 1);
    assert_eq!(config.operators[0].account.as_ref().map(|name| name.as_str()), Some("alice"));
}

#[test]
fn what_clients_come_to_may_be_lists_and_files() {
    let text = GOOD.replace("\"127.0.0.1:6667\"", "[\"127.0.0.1:6667\", \"[::1]:6667\", \"unix:irc.sock\"]");
    let config = Config::parse(Path::new("/etc/lavina/lavina.toml"), &text).unwrap();
    let shown: Vec<String> = config.listen.irc.iter().map(super::Bind::to_string).collect();
    assert_eq!(shown, ["127.0.0.1:6667", "[::1]:6667", "unix:/etc/lavina/irc.sock"]);
    check(
        &format!("{GOOD}https = [\"0.0.0.0:443\", \"unix:\"]\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:9: https: "unix:" is not an address to listen on; IP:PORT is expected, such as "127.0.0.1:6667" or "[::1]:6667", or unix:PATH; leave the key out to switch it off"#
        ]],
    );
    check(
        &format!("{GOOD}proxy-from = \"10.0.0.0/40\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:14: proxy-from: "10.0.0.0/40" is not a network; addresses and networks are expected, such as ["127.0.0.1", "10.0.0.0/8"], or "unix" for Unix sockets"#
        ]],
    );
    check(
        &format!("{GOOD}http-origins = [\"https://chat.example/\"]\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:16: http-origins: "https://chat.example/" is not an origin; what browsers call so is expected, such as "https://chat.example" or "http://localhost:8080""#
        ]],
    );
    check(
        &format!("{GOOD}http-url = \"chat.example\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:12: http-url: "chat.example" is not where HTTP is spoken; a URL without a slash at its end is expected, such as "https://chat.example""#
        ]],
    );
}

#[test]
fn irc_in_clear_is_for_this_machine_unless_somebody_says_otherwise() {
    let public = GOOD.replace("127.0.0.1", "0.0.0.0");
    check(
        &public,
        expect![
            "/etc/lavina/lavina.toml:6:7: irc: others read along where IRC is spoken in clear; listen on 127.0.0.1, or set `irc-tls` and `sts-days = 30` to send clients there, or `irc-without-tls = true`"
        ],
    );
    let sts = |more: &str| {
        let config = Config::parse(Path::new("lavina.toml"), &format!("{public}{more}")).unwrap();
        config.sts(&config.listen.irc[0]).map(|sts| (sts.port, sts.seconds, sts.required))
    };
    let tls = "irc-tls = \"0.0.0.0:6697\"\nsts-days = 1\n";
    assert_eq!(sts(tls), Some((Some(6697), Some(86_400), true)));
    assert_eq!(sts(&format!("{tls}irc-without-tls = true\n")), Some((Some(6697), Some(86_400), false)));
    assert_eq!(sts("irc-without-tls = true\n"), None);
    let local = Config::parse(Path::new("lavina.toml"), &format!("{GOOD}{tls}")).unwrap();
    assert_eq!(local.sts(&local.listen.irc[0]).map(|sts| (sts.port, sts.required)), Some((None, false)));
    check(
        &format!("{GOOD}webirc-from = \"127.0.0.1\"\n"),
        expect![
            "/etc/lavina/lavina.toml:7:15: webirc-from: gateways need a password; set `webirc-password` as well (from `lavina operator hash`), or leave both out"
        ],
    );
    check(
        &format!("{GOOD}webirc-from = \"127.0.0.1\"\nwebirc-password = \"hunter2\"\n"),
        expect![
            "/etc/lavina/lavina.toml:8:19: webirc-password: is not a hashed password; the line that `lavina operator hash` prints is expected"
        ],
    );
}

#[test]
fn how_irc_greets_is_a_password_and_a_file() {
    check(
        &format!("{GOOD}irc-password = \"hunter2\"\n"),
        expect![
            "/etc/lavina/lavina.toml:7:16: irc-password: is not a hashed password; the line that `lavina operator hash` prints is expected"
        ],
    );
    check(
        &format!("{GOOD}motd = \"nowhere.txt\"\n"),
        expect![
            "/etc/lavina/lavina.toml:7:8: motd: cannot be read: No such file or directory (os error 2); a text file is expected, relative to this one"
        ],
    );
    let dir = tempfile::tempdir().unwrap();
    let parse = || Config::parse(&dir.path().join("lavina.toml"), &format!("{GOOD}motd = \"motd.txt\"\n"));
    std::fs::write(dir.path().join("motd.txt"), "Welcome!\n\n  to here\n").unwrap();
    assert_eq!(parse().unwrap().greeting.motd, ["Welcome!", "", "  to here"]);
    std::fs::write(dir.path().join("motd.txt"), format!("a\n{}", "x".repeat(401))).unwrap();
    let error = parse().unwrap_err().to_string();
    assert!(
        error.contains(":7:8: motd: line 2 does not fit into a line of IRC; lines of at most 400 bytes are expected"),
        "{error}"
    );
}

#[test]
fn names_of_hosts_may_have_capitals_and_irc_shows_them() {
    let text = GOOD.replace("chat.example", "Chat.Example").replace("eu-1", "EU-1");
    let config = Config::parse(Path::new("/etc/lavina/lavina.toml"), &text).unwrap();
    assert_eq!((config.name.as_str(), config.domain.as_str()), ("eu-1", "chat.example"));
    assert_eq!((config.host_name().as_str(), config.irc_name.as_str()), ("eu-1.chat.example", "EU-1.Chat.Example"));
}

#[test]
fn rooms_are_kept_for_ever_or_for_some_days() {
    let of = |more: &str| Config::parse(Path::new("/etc/lavina/lavina.toml"), &format!("{GOOD}{more}"));
    assert_eq!(of("").unwrap().room_days, None);
    assert_eq!(of("room-days = 30\n").unwrap().room_days.map(NonZeroU32::get), Some(30));
    expect!["/etc/lavina/lavina.toml:7:13: room-days: invalid value: integer `0`, expected a nonzero u32; for example: room-days = 365"].assert_eq(&of("room-days = 0\n").unwrap_err().to_string());
}

#[test]
fn other_servers_are_off_until_a_line_turns_them_on() {
    let parse = |more: &str| Config::parse(Path::new("/etc/lavina/lavina.toml"), &format!("{GOOD}{more}"));
    assert!(!parse("").unwrap().listen.is_abroad());
    let config = parse(
        "xmpp-server = \"127.0.0.1:5269\"\nserver-block = [\"spam.example\"]\n\
         [[server]]\ndomain = \"b.example\"\naddress = \"[::1]:5269\"\n",
    )
    .unwrap();
    assert!(config.listen.has_servers() && config.servers.block == ["spam.example"]);
    let host = &config.servers.hosts[0];
    assert_eq!(
        (host.domain.as_str(), host.host.as_str(), host.port, host.direct_tls),
        ("b.example", "::1", 5269, false)
    );
    let component = "[[component]]\ndomain = \"echo.chat.example\"\nsecret = ";
    let with_component = parse(&format!("xmpp-component = \"127.0.0.1:5347\"\n{component}\"s\"\n")).unwrap();
    assert!(with_component.listen.is_abroad() && !with_component.listen.has_servers());
    check(
        &format!("{GOOD}{component}\"\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:9:10: secret: anybody could guess it; the secret that the component is configured with is expected"#
        ]],
    );
    check(
        &format!("{GOOD}[[server]]\ndomain = \"b.example\"\naddress = \"b.example\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:9:11: address: "b.example" is not where a server can be; HOST:PORT is expected, such as "192.0.2.9:5269""#
        ]],
    );
    check(
        &format!("{GOOD}server-allow = [\"not a domain\"]\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:7:16: server-allow: "not a domain" is not a domain name; domains of other servers are expected, such as ["example.org"]"#
        ]],
    );
}

#[test]
fn relays_of_calls_are_where_they_say_and_take_one_sort_of_credentials() {
    use lavina_protocols::session::ServiceAccess;
    let entry = |more: &str| format!("{GOOD}[[external-service]]\n{more}");
    let parse = |more: &str| Config::parse(Path::new("/etc/lavina/lavina.toml"), &entry(more)).unwrap();
    let of = |more: &str| parse(more).external_services.remove(0);
    let stun = of("type = \"stun\"\naddress = \"[2001:db8::1]:3478\"\n");
    assert_eq!((stun.host.as_str(), stun.port, stun.transport, stun.access), ("2001:db8::1", 3478, "udp", None));
    let turn = of("type = \"turns\"\naddress = \"turn.chat.example:5349\"\nsecret = \"s\"\n");
    assert_eq!((turn.transport, turn.access), ("tcp", Some(ServiceAccess::Shared("s".to_owned()))));
    check(
        &entry("type = \"ftp\"\naddress = \"a.example:21\"\n"),
        expect![[r#"/etc/lavina/lavina.toml:8:8: type: "ftp" is not taken; stun, stuns, turn or turns is expected"#]],
    );
    check(
        &entry("type = \"turn\"\naddress = \"a.example\"\n"),
        expect![[
            r#"/etc/lavina/lavina.toml:9:11: address: "a.example" is not where a service can be; HOST:PORT is expected, such as "turn.chat.example:3478""#
        ]],
    );
    check(
        &entry("type = \"turn\"\naddress = \"a.example:3478\"\nsecret = \"s\"\npassword = \"p\"\n"),
        expect![
            "/etc/lavina/lavina.toml:11:12: password: does not stand alone or beside a secret; `secret` alone, or `username` with `password`, or none of them is expected"
        ],
    );
}

#[test]
fn a_room_has_some_homes_or_is_everywhere() {
    let of = |value: &str| {
        let text = format!("{GOOD}mesh-replicas = {value}\n");
        Config::parse(Path::new("/etc/lavina/lavina.toml"), &text).map(|config| config.replicas.map(NonZeroUsize::get))
    };
    assert_eq!((of("5").unwrap(), of("\"all\"").unwrap()), (Some(5), None));
    let silent = Config::parse(Path::new("/etc/lavina/lavina.toml"), GOOD).unwrap();
    assert_eq!(silent.replicas, Some(REPLICAS), "rooms have homes unless it is said that they are everywhere");
    for wrong in ["0", "101", "\"some\""] {
        expect![[r#"/etc/lavina/lavina.toml:7:17: mesh-replicas: rooms cannot have so many homes; a number from 1 to 100 is expected, the same on all nodes, or "all""#]]
            .assert_eq(&of(wrong).unwrap_err().to_string());
    }
}

#[test]
fn a_node_may_be_held_to_the_version_of_frames_before() {
    let of = |value: &str| {
        let text = format!("{GOOD}mesh-frames = {value}\n");
        Config::parse(Path::new("/etc/lavina/lavina.toml"), &text).map(|config| config.frames)
    };
    let all = Versions::SPOKEN;
    assert_eq!(of(&all.oldest.to_string()).unwrap(), Versions { newest: all.oldest, ..all });
    assert_eq!(of(&all.newest.to_string()).unwrap(), all);
    expect!["/etc/lavina/lavina.toml:7:15: mesh-frames: this version of Lavina does not speak frames of version 3; 1 or 2 is expected; leave the key out for the newest"].assert_eq(&of("3").unwrap_err().to_string());
    expect![[r#"/etc/lavina/lavina.toml:7:15: mesh-frames: invalid type: string "old", expected u16; for example: mesh-frames = 1"#]].assert_eq(&of("\"old\"").unwrap_err().to_string());
}
