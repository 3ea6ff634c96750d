//! The binary as a process: clients over real sockets, commands as operators type them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test of processes and sockets fails where it stands"
)]

mod node;

use node::{Client, Node, run, stdout, tls};

#[test]
fn two_clients_talk_and_answers_keep_the_order_of_commands() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::first(dir.path());
    let mut alice = Client::connect(node.irc).enter("alice");
    let mut bob = Client::connect(node.irc).enter("bob");
    alice.until("bob!");
    bob.send("CAP REQ echo-message\r\nPRIVMSG #lobby :hello\r\nPING :after");
    assert!(alice.until("PRIVMSG").ends_with("PRIVMSG #lobby :hello"));
    bob.until("PRIVMSG #lobby :hello");
    bob.until("PONG");
    alice.send("QUIT :bye");
    alice.until("ERROR");
    assert_eq!(alice.line(), "", "the connection is closed");
    assert!(bob.until(" QUIT ").ends_with("bye"));
    assert!(node.stop(), "SIGTERM ends it well");
    bob.until("ERROR");
}

#[test]
fn tls_clients_are_served_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let mut alice = Client::over(tls(node.irc_tls, dir.path(), &["irc"])).enter("alice");
    let mut bob = Client::connect(node.irc).enter("bob");
    alice.until("bob!");
    for number in 0..50 {
        alice.send(&format!("PRIVMSG #lobby :{number} {}", "x".repeat(300)));
    }
    for number in 0..50 {
        assert!(bob.until("PRIVMSG").contains(&format!(":{number} ")));
    }
    bob.send("PRIVMSG #lobby :back");
    alice.until(":back");
}

#[test]
fn a_client_that_does_not_read_is_cut_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let mut alice = Client::connect(node.irc).enter("alice");
    let slow = Client::connect(node.irc).enter("slow");
    alice.until("slow!");
    // More than the kernel's buffers and the node's own bound hold together.
    let window = format!("PRIVMSG #lobby :{}\r\n", "x".repeat(440)).repeat(500) + "PING :window";
    let cut = |line: &str| line.contains(":slow!") && line.contains("Read too slowly");
    'flood: for _ in 0..200 {
        alice.send(&window);
        loop {
            let line = alice.line();
            if cut(&line) {
                break 'flood;
            }
            if line.contains(" PONG ") {
                break;
            }
        }
    }
    let metrics = node.http("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(metrics.contains("\nlavina_slow_readers 1\n"), "{metrics}");
    drop(slow);
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::first(dir.path());
    let added = node.command(&["account", "add", "alice"], "correct horse\n");
    assert!(stdout(&added).contains("alice@chat.example"));
    let log_in = |node: &Node| {
        let mut alice = Client::connect(node.irc);
        alice.send("CAP REQ :sasl echo-message batch draft/chathistory message-tags\r\nNICK alice\r\nUSER a 0 * :a");
        alice.send("AUTHENTICATE PLAIN");
        alice.until("AUTHENTICATE +");
        // NUL alice NUL correct horse (RFC 4616).
        alice.send("AUTHENTICATE AGFsaWNlAGNvcnJlY3QgaG9yc2U=");
        alice.until(" 903 ");
        alice.send("CAP END\r\nJOIN #lobby");
        alice.until(" 366 ");
        alice
    };
    let mut alice = log_in(&node);
    alice.send("PRIVMSG #lobby :remember this");
    alice.until(":remember this");
    node.kill();
    node.start();
    let mut alice = log_in(&node);
    alice.send("CHATHISTORY LATEST #lobby * 10");
    alice.until(":remember this");
}

#[test]
fn a_ticket_lets_one_node_in() {
    let dir = tempfile::tempdir().unwrap();
    let first = Node::first(&dir.path().join("first"));
    let ticket = stdout(&first.command(&["ticket"], ""));
    let second = dir.path().join("second");
    let join = |place: &str| {
        let path = dir.path().join(place);
        run(&["join", ticket.trim(), "--region", "us", "--zone", "a", "--dir", path.to_str().unwrap()], "")
    };
    assert!(stdout(&join("second")).contains("2 nodes"));
    let refused = join("third");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("used"), "{refused:?}");
    let second = Node::of(&second);
    let mut there = Client::connect(second.irc).enter("bob");
    let mut here = Client::connect(first.irc).enter("alice");
    // Presence crosses the mesh once the nodes are connected, then messages do.
    loop {
        here.send("NAMES #lobby");
        let names = here.until(" 353 ");
        here.until(" 366 ");
        if names.contains("bob") {
            break;
        }
    }
    here.send("PRIVMSG #lobby :over there");
    there.until(":over there");
}

#[test]
fn a_ticket_taken_back_lets_nobody_in_and_a_node_thrown_out_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let first = Node::first(&dir.path().join("first"));
    let join = |ticket: &str, name: &str| {
        let path = dir.path().join(name);
        let place = ["--region", "us", "--zone", "a", "--name", name, "--dir", path.to_str().unwrap()];
        run(&[&["join", ticket.trim()], place.as_slice()].concat(), "")
    };
    let ticket: serde_json::Value = serde_json::from_str(&stdout(&first.command(&["ticket", "--json"], ""))).unwrap();
    let id = ticket["id"].as_str().unwrap();
    assert!(stdout(&first.command(&["ticket", "list"], "")).contains(&format!("{id}  good for 60 minutes")));
    stdout(&first.command(&["ticket", "revoke", id], ""));
    assert!(stdout(&first.command(&["ticket", "list"], "")).contains("taken back"));
    let refused = join(ticket["ticket"].as_str().unwrap(), "us-1");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("revoked"), "{refused:?}");

    let ticket = stdout(&first.command(&["ticket"], ""));
    stdout(&join(&ticket, "us-2"));
    let second = Node::of(&dir.path().join("us-2"));
    let nodes = |wanted: &dyn Fn(&str) -> bool| {
        let started = std::time::Instant::now();
        loop {
            let list = stdout(&first.command(&["node", "list"], ""));
            if wanted(&list) {
                return;
            }
            assert!(started.elapsed() < std::time::Duration::from_secs(30), "{list}");
        }
    };
    nodes(&|list| list.contains("us-2") && list.contains(": connected"));
    assert!(String::from_utf8_lossy(&second.command(&["node", "revoke", "eu-1"], "").stderr).contains("root key"));
    assert!(String::from_utf8_lossy(&first.command(&["node", "revoke", "eu-1"], "").stderr).contains("itself"));
    assert!(String::from_utf8_lossy(&first.command(&["node", "revoke", "nobody"], "").stderr).contains("nobody"));
    stdout(&first.command(&["node", "revoke", "us-2"], ""));
    nodes(&|list| !list.contains("us-2"));
    let status = stdout(&first.command(&["status", "--json"], ""));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["peers"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_port_in_use_names_the_key_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let refused = node.command(&["serve"], "");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("change `irc` in the configuration"), "{said}");
}

#[test]
fn the_admin_interface_wants_its_token_and_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::first(dir.path());
    let request = |path: &str, headers: &str, body: &str| {
        let length = body.len();
        node.http(&format!(
            "{path} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    };
    let account = "{\"name\":\"eve\",\"password\":\"x\"}";
    let local = "Host: localhost\r\n";
    assert!(request("POST /accounts", local, account).contains(" 401 "));
    let wrong = format!("{local}Authorization: Bearer 00\r\n");
    assert!(request("POST /tickets", &wrong, "{\"seconds\":5}").contains(" 401 "));
    assert!(request("GET /status", "Host: evil.example\r\n", "").contains(" 403 "));
    assert!(request("GET /", local, "").contains("<h1>eu-1"));
    assert!(request("GET /metrics", local, "").contains("lavina_core_inputs"));
    let status = stdout(&node.command(&["status", "--json"], ""));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((status["name"].as_str(), status["peers"].as_array().map(Vec::len)), (Some("eu-1"), Some(0)));
}
