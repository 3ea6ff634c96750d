//! WebSocket, HTTP, and what shares a port with them, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test of processes and sockets fails where it stands"
)]

mod node;

use node::{Client, Node, Web, stdout, tls};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const XMPP_OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='chat.example' version='1.0'/>";

#[test]
fn an_invitation_from_the_command_line_lets_one_account_in() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    assert!(stdout(&node.command(&["invite", "list"], "")).contains("no invitations"));
    let made: serde_json::Value =
        serde_json::from_str(&stdout(&node.command(&["invite", "--name", "juliet", "--json"], ""))).unwrap();
    let (uri, id) = (made["uri"].as_str().unwrap(), made["id"].as_str().unwrap());
    let token = uri.strip_prefix("xmpp:juliet@chat.example?register;preauth=").unwrap();
    let taken = node.command(&["account", "add", "juliet"], "pencil\n");
    assert!(String::from_utf8_lossy(&taken.stderr).contains("kept for who is invited"), "{taken:?}");
    let mut juliet = Web::connect(tls(node.https, dir.path(), &[]), "/xmpp-websocket", &["xmpp"], "").unwrap();
    juliet.send(XMPP_OPEN);
    juliet.until("urn:xmpp:ibr-token:0");
    juliet.send(&format!(
        "<iq xmlns='jabber:client' type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>"
    ));
    juliet.until("id='p' type='result'");
    juliet.send(
        "<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'><username>juliet</username>\
         <password>pencil</password></query></iq>",
    );
    juliet.until("id='r' type='result'");
    assert!(stdout(&node.command(&["invite", "list"], "")).contains(&format!("{id} for juliet  used by juliet")));
    let refused = node.command(&["invite", "revoke", id], "");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("juliet was registered with it already"), "{refused:?}");
    let page = made["page"].as_str().unwrap();
    let path = page.find("/invite/").and_then(|at| page.get(at..)).unwrap();
    let shown = ask(tls(node.https, dir.path(), &[]), &format!("GET {path} HTTP/1.1"));
    assert!(shown.contains(&format!("href=\"{uri}\"")) && shown.contains("referrer-policy: no-referrer"), "{shown}");
    let none = ask(tls(node.https, dir.path(), &[]), "GET /invite/t/meet/a%3Cb HTTP/1.1");
    assert!(none.starts_with("HTTP/1.1 404"), "{none}");
    let wrong = node.command(&["invite", "--name", "a b"], "");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("cannot be an account's name"), "{wrong:?}");
    let nobody = node.command(&["invite", "--by", "nobody"], "");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no such account"), "{nobody:?}");
}

/// An answer to a request that is no WebSocket, whole.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(format!("{request}\r\nHost: chat.example\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    // TLS may end without a word of its own.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn irc_over_websocket_is_irc() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let mut plain = Client::connect(node.irc).enter("alice");
    let mut text = Web::connect(node::socket(node.http), "/", &["text.ircv3.net"], "").unwrap();
    text.send("NICK bob");
    text.send("USER bob 0 * :bob");
    text.send("JOIN #lobby");
    text.until(" 366 ");
    plain.until("bob!");
    text.send("PRIVMSG #lobby :gr\u{fc}\u{df}e");
    assert!(plain.until("PRIVMSG").ends_with(":gr\u{fc}\u{df}e"));
    let mut binary = Web::connect(tls(node.https, dir.path(), &[]), "/irc", &["binary.ircv3.net"], "").unwrap();
    binary.send("NICK carol\r\n");
    binary.send("USER carol 0 * :carol");
    binary.send("JOIN #lobby");
    binary.until(" 366 ");
    text.send("PRIVMSG #lobby :hello");
    assert!(binary.until("PRIVMSG").ends_with("PRIVMSG #lobby :hello"));
    text.send(&"x".repeat(600));
    text.until(" 417 ");
    text.send("QUIT :bye");
    text.until("ERROR");
    assert_eq!(text.line(), "", "closed with the closing handshake");
    assert!(binary.until(" QUIT ").ends_with("bye"));
}

#[test]
fn xmpp_over_websocket_is_xmpp() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    node.command(&["account", "add", "alice"], "correct horse\n");
    let mut irc = Client::connect(node.irc).enter("bob");
    let stream = tls(node.https, dir.path(), &[]);
    let mut alice = Web::connect(stream, "/xmpp-websocket", &["xmpp"], "Origin: https://other.example\r\n").unwrap();
    alice.send(XMPP_OPEN);
    assert!(alice.line().starts_with("<open "));
    assert!(alice.line().contains("SCRAM-SHA-256-PLUS"), "channels are bound below WebSocket");
    // NUL alice NUL correct horse (RFC 4616).
    alice.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAGNvcnJlY3QgaG9yc2U=</auth>");
    alice.until("<success");
    alice.send(XMPP_OPEN);
    alice.until("<bind");
    alice.send("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    alice.until("<jid>");
    alice.send(
        "<presence xmlns='jabber:client' to='lobby@rooms.chat.example/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    alice.until("<subject");
    irc.send("PRIVMSG #lobby :from over there");
    assert!(alice.until("from over there").starts_with("<message xmlns='jabber:client' "));
    alice.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    alice.until("<close ");
    assert_eq!(alice.line(), "");
}

#[test]
fn handshakes_that_are_not_wanted_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with(dir.path(), "http-origins = [\"https://chat.example\"]\n");
    let refused = |path: &str, protocols: &[&str], headers: &str| {
        Web::connect(node::socket(node.http), path, protocols, headers).map(|_| ()).unwrap_err()
    };
    assert!(refused("/", &["text.ircv3.net"], "Origin: https://evil.example\r\n").contains(" 403 "));
    assert!(refused("/", &["soap"], "").contains(" 400 "));
    assert!(refused("/irc", &["xmpp"], "").contains(" 400 "));
    assert!(refused("/xmpp-websocket", &[], "").contains(" 400 "));
    assert!(refused("/nothing", &["xmpp"], "").contains(" 404 "));
    assert!(ask(node::socket(node.http), "GET /xmpp-websocket HTTP/1.1").contains(" 426 "));
    let origin = "Origin: https://chat.example\r\n";
    Web::connect(node::socket(node.http), "/xmpp-websocket", &["xmpp"], origin).unwrap();
    Web::connect(node::socket(node.http), "/irc", &[], origin).unwrap();
}

#[test]
fn web_clients_find_their_way() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with(dir.path(), "http-url = \"https://web.chat.example\"\n");
    let xml = ask(node::socket(node.http), "GET /.well-known/host-meta HTTP/1.1");
    assert!(
        xml.contains("application/xrd+xml") && xml.to_lowercase().contains("access-control-allow-origin: *"),
        "{xml}"
    );
    assert!(
        xml.contains("rel='urn:xmpp:alt-connections:websocket' href='wss://web.chat.example/xmpp-websocket'"),
        "{xml}"
    );
    let json = ask(tls(node.https, dir.path(), &["http/1.1"]), "GET /.well-known/host-meta.json HTTP/1.1");
    let value: serde_json::Value = serde_json::from_str(json.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(value["links"][0]["href"], "wss://web.chat.example/xmpp-websocket");
}

#[test]
fn one_port_is_for_all_that_a_client_may_choose() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let mut alice = Client::over(tls(node.https, dir.path(), &["irc"])).enter("alice");
    alice.send("PING :here");
    alice.until("PONG");
    let mut xmpp = tls(node.https, dir.path(), &["xmpp-client"]);
    xmpp.write_all(b"<stream:stream to='chat.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>").unwrap();
    let mut xmpp = Client::over(xmpp);
    xmpp.send("<nonsense/>");
    assert!(xmpp.until("stream:error").contains("SCRAM-SHA-256-PLUS"));
    assert!(ask(tls(node.https, dir.path(), &[]), "GET / HTTP/1.1").contains(" 426 "));
}

#[test]
fn a_unix_socket_is_a_listener_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("irc.sock");
    let mut node = Node::with(dir.path(), "irc = [\"{irc}\", \"unix:irc.sock\"]\n");
    let mut alice = Client::over(UnixStream::connect(&path).unwrap()).enter("alice");
    let mut bob = Client::connect(node.irc).enter("bob");
    alice.until("bob!");
    bob.send("PRIVMSG #lobby :hello");
    alice.until(":hello");
    node.kill();
    node.start();
    Client::over(UnixStream::connect(&path).unwrap()).enter("alice");
}

/// The host of a nick as others see it.
fn host_of(client: &mut Client<impl Read + Write>, nick: &str) -> String {
    client.send(&format!("USERHOST {nick}"));
    client.until(" 302 ").rsplit('@').next().unwrap().to_owned()
}

#[test]
fn a_proxy_says_whose_connection_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with(dir.path(), "proxy-from = \"127.0.0.0/8\"\nirc = [\"{irc}\", \"unix:irc.sock\"]\n");
    let unix = || UnixStream::connect(dir.path().join("irc.sock")).unwrap();
    let mut alice = Client::over(unix()).enter("alice");
    let line = b"PROXY TCP4 192.0.2.1 127.0.0.1 56324 6667\r\n";
    let mut block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x10".to_vec();
    block.extend_from_slice(&[192, 0, 2, 1, 127, 0, 0, 1, 1, 2, 26, 11, 0x20, 0, 1, 0]);
    let mut bob = node::socket(node.irc);
    bob.write_all(line).unwrap();
    let _bob = Client::over(bob).enter("bob");
    let mut carol = node::socket(node.irc_tls);
    for byte in &block {
        carol.write_all(&[*byte]).unwrap();
    }
    let _carol = Client::over(node::tls_over(carol, dir.path(), &["irc"])).enter("carol");
    let mut dave = node::socket(node.https);
    dave.write_all(&line[..20]).unwrap();
    dave.write_all(&line[20..]).unwrap();
    let dave = node::tls_over(dave, dir.path(), &["http/1.1"]);
    let mut dave = Web::connect(dave, "/irc", &["text.ircv3.net"], "").unwrap();
    dave.send("NICK dave");
    dave.send("USER dave 0 * :dave");
    dave.until(" 001 ");
    let hosts = ["bob", "carol", "dave"].map(|nick| host_of(&mut alice, nick));
    assert!(hosts.iter().all(|host| *host == hosts[0]), "{hosts:?}");
    assert_ne!(hosts[0], host_of(&mut alice, "alice"));
    // Without a header nobody comes from there, and with one nobody from elsewhere.
    assert_eq!(Client::connect(node.irc).after("NICK eve"), "");
    let mut stranger = Client::over(unix());
    stranger.send("PROXY TCP4 192.0.2.1 127.0.0.1 56324 6667");
    stranger.until("ERROR");
    let metrics = node.http("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(metrics.contains("\nlavina_proxy_failures 1\n"), "{metrics}");
}

#[test]
fn a_gateway_and_a_reverse_proxy_say_for_whom_they_ask() {
    let dir = tempfile::tempdir().unwrap();
    let printed = node::stdout(&node::run(&["operator", "hash"], "hunter2\n"));
    let hash = printed.split('"').find(|part| part.starts_with("SCRAM")).unwrap().trim();
    let more = format!(
        "forwarded-from = \"127.0.0.1\"\nwebirc-from = \"127.0.0.1\"\nwebirc-password = \"{}\"\nconnections-per-address = 2\n",
        hash
    );
    let node = Node::with(dir.path(), &more);
    let mut alice = Client::connect(node.irc).enter("alice");
    let mut bob = Client::connect(node.irc);
    bob.send("WEBIRC hunter2 web host.example 192.0.2.1");
    let _bob = bob.enter("bob");
    let forwarded = "X-Forwarded-For: 198.51.100.1, 192.0.2.1\r\n";
    let mut carol = Web::connect(node::socket(node.http), "/irc", &["text.ircv3.net"], forwarded).unwrap();
    carol.send("NICK carol");
    carol.send("USER carol 0 * :carol");
    carol.until(" 001 ");
    assert_eq!(host_of(&mut alice, "bob"), host_of(&mut alice, "carol"));
    assert_ne!(host_of(&mut alice, "bob"), host_of(&mut alice, "alice"));
    // That address has its two connections.
    let refused = Web::connect(node::socket(node.http), "/irc", &["text.ircv3.net"], forwarded).map(|_| ());
    assert!(refused.unwrap_err().contains(" 429 "));
    let mut dave = Client::connect(node.irc);
    dave.send("WEBIRC hunter2 web host.example 192.0.2.1");
    dave.until("ERROR :Too many connections");
    let mut eve = Client::connect(node.irc);
    eve.send("WEBIRC wrong web host.example 192.0.2.2");
    eve.until("ERROR :Invalid WebIRC password");
}

/// A request with a body, and the answer, whole.
fn send(node: &Node, request: &str, headers: &str, body: &str) -> String {
    let mut stream = node::socket(node.http);
    let head = format!("{request} HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n{headers}");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Where the account may put files, as IRC says it.
fn filehost(node: &Node) -> String {
    let mut alice = Client::connect(node.irc);
    alice.send("CAP REQ sasl\r\nAUTHENTICATE PLAIN");
    alice.until("AUTHENTICATE +");
    alice.send("AUTHENTICATE AGFsaWNlAGNvcnJlY3QgaG9yc2U=");
    alice.until(" 903 ");
    alice.send("NICK alice\r\nUSER a 0 * :a\r\nCAP END");
    let line = alice.until("draft/FILEHOST=https://chat.example:");
    let url = line.split("draft/FILEHOST=").nth(1).unwrap().split(' ').next().unwrap();
    url[url.find("/upload").unwrap()..].to_owned()
}

#[test]
fn files_are_put_and_got_and_are_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::with(dir.path(), "file-megabytes = 1\nfile-quota-megabytes = 1\n");
    node.command(&["account", "add", "alice"], "correct horse\n");
    let place = filehost(&node);
    let typed = "Content-Type: text/html\r\nContent-Disposition: attachment; filename=\"my page.html\"\r\n";
    let made = send(&node, &format!("POST {place}"), typed, "<script>alert(1)</script>");
    assert!(made.contains(" 201 "), "{made}");
    let lower = made.to_lowercase();
    assert!(lower.contains("access-control-allow-origin: *"), "{made}");
    let location = made.lines().find(|line| line.to_lowercase().starts_with("location:")).unwrap();
    let path = location[location.find("/files/").unwrap()..].trim().to_owned();
    assert!(path.ends_with("/my_page.html"), "{path}");
    node.kill();
    node.start();
    let got = send(&node, &format!("GET {path}"), "", "").to_lowercase();
    assert!(got.ends_with("\r\n\r\n<script>alert(1)</script>"), "{got}");
    for header in [
        "content-type: application/octet-stream\r\n",
        "content-disposition: attachment; filename=\"my_page.html\"",
        "content-security-policy: default-src 'none';",
        "x-content-type-options: nosniff",
        "content-length: 25\r\n",
        "access-control-allow-origin: *",
    ] {
        assert!(got.contains(header), "{header}: {got}");
    }
    let part = send(&node, &format!("GET {path}"), "Range: bytes=1-6\r\n", "");
    assert!(part.contains(" 206 ") && part.ends_with("\r\n\r\nscript"), "{part}");
    let head = send(&node, &format!("HEAD {path}"), "", "");
    assert!(head.contains(" 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(send(&node, &format!("GET {path}x"), "", "").contains(" 404 "));
    assert!(send(&node, &format!("GET {}", path.replace("my_", "your_")), "", "").contains(" 404 "));
    assert!(send(&node, &format!("POST {}x", &place[..place.len() - 1]), "", "text").contains(" 403 "));
    assert!(send(&node, &format!("PUT {path}"), "", "text").contains(" 403 "));
    assert!(send(&node, &format!("OPTIONS {place}"), "", "").contains(" 204 "));
    let claim =
        |length: usize| ask(node::socket(node.http), &format!("POST {place} HTTP/1.1\r\nContent-Length: {length}"));
    assert!(claim(1_000_001).contains(" 413 "), "longer than a file may be");
    assert!(claim(999_000).contains(" 413 "), "more than the account may have");
    assert!(claim(0).contains(" 411 "));
    assert!(send(&node, &format!("POST {place}"), "", &"x".repeat(900_000)).contains(" 201 "));
}

#[test]
fn a_file_is_on_other_nodes_too_and_outlives_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Node::first(&dir.path().join("first"));
    let ticket = node::stdout(&first.command(&["ticket"], ""));
    let second = dir.path().join("second");
    let joined = ["join", ticket.trim(), "--region", "us", "--zone", "a", "--dir", second.to_str().unwrap()];
    node::stdout(&node::run(&joined, ""));
    first.kill();
    let peers = format!("file-peers = [\"https://{}\"]\n", first.https);
    let second = Node::changed(&second, &peers);
    // The first knows nothing of the second: it is the second that asks.
    first.start();
    first.command(&["account", "add", "alice"], "correct horse\n");
    let place = filehost(&first);
    let made = send(&first, &format!("POST {place}"), "Content-Type: image/png\r\n", "picture");
    let location = made.lines().find(|line| line.to_lowercase().starts_with("location:")).unwrap();
    let path = location[location.find("/files/").unwrap()..].trim().to_owned();
    let whoever = send(&first, &format!("GET {path}"), "Lavina-Copy: 1\r\n", "");
    assert!(whoever.ends_with("picture") && !whoever.contains("lavina-file"), "{whoever}");
    let got = send(&second, &format!("GET {path}"), "", "");
    assert!(got.contains(" 200 ") && got.ends_with("\r\n\r\npicture"), "{got}");
    first.kill();
    let got = send(&second, &format!("GET {path}"), "", "");
    assert!(got.to_lowercase().contains("content-type: image/png") && got.ends_with("picture"), "{got}");
    assert!(send(&second, &format!("GET {path}x"), "", "").contains(" 404 "));
}
