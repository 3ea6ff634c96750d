//! Where a node listens and what to type in a client.

use crate::config::{Bind, Config, first_tcp};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The address that a client on this machine uses for what listens on `address`.
fn local(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

/// For programs.
pub(super) fn value(config: &Config) -> Value {
    let listen: serde_json::Map<String, Value> =
        config.listen.listing().map(|(key, binds)| (key.to_owned(), json!(binds))).collect();
    json!({ "event": "listening", "node": config.name, "domain": config.domain, "listen": listen })
}

/// For people.
pub(super) fn text(config: &Config) -> String {
    let listen = &config.listen;
    let mut text = format!(
        "Lavina {}: {} of {} (region {}, zone {})\n\n",
        env!("CARGO_PKG_VERSION"),
        config.name,
        config.domain,
        config.place.region,
        config.place.zone
    );
    let nodes: Vec<Bind> = listen.mesh.map(Bind::Tcp).into_iter().collect();
    let rows = [
        ("IRC", &listen.irc, ""),
        ("IRC, TLS", &listen.irc_tls, ""),
        ("XMPP", &listen.xmpp, "STARTTLS"),
        ("XMPP, TLS", &listen.xmpp_tls, ""),
        ("HTTP", &listen.http, "WebSocket"),
        ("HTTP, TLS", &listen.https, "WebSocket"),
        ("nodes", &nodes, "QUIC"),
    ];
    for (what, binds, how) in rows {
        for bind in binds {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "  {what:10} {bind} {how}");
        }
    }
    if let Some(admin) = listen.admin {
        let _ = writeln!(text, "  {:10} http://{admin}/", "admin page");
    }
    text.push_str("\nType in a client on this machine:\n");
    if let Some(irc) = first_tcp(&listen.irc).map(local) {
        let _ = writeln!(text, "  irssi      /connect {} {}", irc.ip(), irc.port());
        let _ = writeln!(text, "  weechat    /server add lavina {}/{} -notls", irc.ip(), irc.port());
        text.push_str("             /connect lavina\n");
    } else if let Some(irc) = first_tcp(&listen.irc_tls).map(local) {
        let _ = writeln!(text, "  irssi      /connect -tls -notls_verify {} {}", irc.ip(), irc.port());
    }
    if let Some(xmpp) = first_tcp(&listen.xmpp).map(local) {
        let (domain, ip, port) = (&config.domain, xmpp.ip(), xmpp.port());
        let _ = writeln!(text, "  profanity  /connect YOU@{domain} server {ip} port {port} tls trust");
    }
    let config_option = config.file.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
    let _ = write!(text, "An account for both: lavina account add YOU{config_option}");
    text
}
