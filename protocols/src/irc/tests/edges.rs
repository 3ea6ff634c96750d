//! How a client comes in: gateways, and being told to use TLS.

use super::*;
use crate::sasl::{parse_verifier, write_verifier};
use crate::session::Sts;
use crate::slot::{Pass, Upload};

fn sts(port: Option<u16>, seconds: Option<u64>, required: bool) -> SessionConfig {
    SessionConfig { sts: Some(Sts { port, seconds, required }), ..config() }
}

fn with_gateways() -> SessionConfig {
    let kept = crate::sasl::derive_credentials_with("hunter2", [3; 16], 1).unwrap().sha256;
    SessionConfig { webirc: parse_verifier(&write_verifier(&kept)), ..config() }
}

#[test]
fn who_comes_in_clear_is_told_where_tls_is_and_who_has_it_to_keep_it() {
    let config = sts(Some(6697), Some(2_592_000), false);
    let mut clear = Client::over(config.clone(), None, false);
    clear.send("CAP LS 302\nCAP REQ :sts\nCAP LS");
    let said = clear.take();
    assert!(said.contains(" sts=port=6697\n") && !said.contains("duration"), "{said}");
    assert!(said.contains("NAK :sts"), "{said}");
    assert_eq!(said.matches("sts=").count(), 1, "only where it has a value: {said}");
    let mut secure = Client::over(config, Some(Tls::default()), false);
    secure.send("CAP LS 302");
    assert!(secure.take().contains(" sts=duration=2592000\n"));
    let mut other = Client::over(super::config(), None, false);
    other.send("CAP LS 302");
    assert!(!other.take().contains("sts="));
}

#[test]
fn where_tls_is_required_nobody_registers_without() {
    let config = sts(Some(6697), None, true);
    let mut clear = Client::over(config.clone(), None, false);
    clear.send("NICK alice\nUSER a 0 * :a");
    let said = clear.take();
    assert!(said.contains("ERROR :This network takes encrypted connections only: use TLS on port 6697"), "{said}");
    assert!(said.contains("<close>"));
    let mut secure = Client::over(config, Some(Tls::default()), false);
    secure.send("NICK alice\nUSER a 0 * :a");
    assert!(secure.take().contains(" 001 alice "));
}

#[test]
fn a_gateway_says_for_whom_it_connects() {
    let mut client = Client::over(with_gateways(), Some(Tls::default()), true);
    client.send("WEBIRC hunter2 web host.example 0::ffff:192.0.2.1 :local-port=6697 secure=yes");
    assert_eq!(client.take(), "<relayed 192.0.2.1 true>\n");
    client.session.handle_host("cloak.ip".to_owned());
    client.send("NICK alice\nUSER a 0 * :a\nJOIN #r");
    assert!(client.take().contains(":alice!a@cloak.ip JOIN #r"));
    for (tls, options, secure) in [(false, " secure", false), (true, "", false), (true, " :insecure", false)] {
        let mut client = Client::over(with_gateways(), tls.then(Tls::default), true);
        client.send(&format!("WEBIRC hunter2 web host 2001:db8::1{options}"));
        assert_eq!(client.take(), format!("<relayed 2001:db8::1 {secure}>\n"));
    }
}

#[test]
fn nobody_else_does() {
    let relay = "WEBIRC hunter2 web host 192.0.2.1";
    for (config, gateway, lines, error) in [
        (with_gateways(), false, relay, "Invalid WebIRC password"),
        (config(), true, relay, "Invalid WebIRC password"),
        (with_gateways(), true, "WEBIRC wrong web host 192.0.2.1", "Invalid WebIRC password"),
        (with_gateways(), true, "WEBIRC hunter2 web host nowhere", "Invalid WebIRC address"),
        (with_gateways(), true, "NICK a\nWEBIRC hunter2 web host 192.0.2.1", "WEBIRC comes first"),
        (with_gateways(), true, "CAP LS\nWEBIRC hunter2 web host 192.0.2.1", "WEBIRC comes first"),
    ] {
        let mut client = Client::over(config, None, gateway);
        client.send(lines);
        let said = client.take();
        assert!(said.contains(&format!("ERROR :{error}")) && said.ends_with("<close>\n"), "{said}");
        assert!(!said.contains("<relayed"), "{said}");
    }
    let mut client = Client::over(with_gateways(), None, true);
    client.send("WEBIRC hunter2 web host");
    assert!(client.take().contains(" 461 * WEBIRC "));
}

#[test]
fn who_is_logged_in_and_not_overheard_is_told_where_files_go() {
    let upload = Upload { url: "https://web.example".to_owned(), key: [1; 32], bytes_max: 1000 };
    let config = SessionConfig { upload: Some(upload.clone()), ..config() };
    let log_in =
        "CAP REQ sasl\nAUTHENTICATE PLAIN\nAUTHENTICATE AGFsaWNlAHNlY3JldA==\nNICK alice\nUSER a 0 * :a\nCAP END";
    let mut guest = Client::with(config.clone());
    guest.send("NICK alice\nUSER a 0 * :a");
    assert!(!guest.take().contains("FILEHOST"));
    let mut alice = Client::with(config);
    alice.send(log_in);
    let said = alice.take();
    let url = said.split("draft/FILEHOST=https://web.example/upload/").nth(1).unwrap().split(' ').next().unwrap();
    let words: Vec<&str> = url.split('/').collect();
    let pass = Pass::read(&upload.key, words[0], words[1], words[2], alice.now.wall_ms / 1000).unwrap();
    assert_eq!(pass.account.as_str(), "alice");
}
