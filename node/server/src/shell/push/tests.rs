//! A push service on loopback that reads what it is sent as a device would.

use super::*;
use lavina_core::node::Device;
use lavina_crdt::content::{Author, Content, Principal};
use lavina_crdt::ids::{MsgId, NodeId, SessionId};
use lavina_crdt::names::{AccountName, Nick};
use lavina_protocols::event::Conversation;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const AUTH: [u8; 16] = [9; 16];

fn device_key() -> SecretKey {
    SecretKey::from_slice(&[5; 32]).unwrap()
}

fn said(text: &str) -> Said {
    let session = SessionId { node: NodeId([1; 32]), number: 1 };
    let alice = AccountName::new("alice").unwrap();
    let author = Author {
        session,
        account: None,
        nick: Nick::new("bob").unwrap(),
        user: "b".to_owned(),
        host: "host".to_owned(),
    };
    Said {
        id: MsgId([0; 20]),
        conversation: Conversation::Direct {
            from: Principal::Guest(session),
            to: Principal::Account(alice),
            to_nick: Nick::new("alice").unwrap(),
        },
        author: Arc::new(author),
        content: Content::text(text).into(),
        late: false,
        by_bot: false,
        redacted: None,
    }
}

/// Takes one connection, answers with that status, and gives what it was sent.
async fn service(listener: TcpListener, acceptor: TlsAcceptor, status: u16) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut way = BufReader::new(acceptor.accept(stream).await.unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        way.read_line(&mut head).await.unwrap();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    way.read_exact(&mut body).await.unwrap();
    way.write_all(format!("HTTP/1.1 {status} Well\r\n\r\n").as_bytes()).await.unwrap();
    way.flush().await.unwrap();
    (head, body)
}

async fn pushed(status: u16) -> (Pusher, String, Vec<u8>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["push.localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(service(listener, TlsAcceptor::from(Arc::new(config)), status));

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let vapid = Vapid::new(&[3; 16]).unwrap();
    let mut pusher = Pusher::new(vapid, "example.org", "node".to_owned(), Arc::default(), Arc::default()).unwrap();
    pusher.connector = connector(roots).unwrap();
    pusher.at = Some(std::net::Ipv4Addr::LOCALHOST.into());
    let public = device_key().public_key().to_encoded_point(false).as_bytes().to_vec();
    let endpoint = format!("https://push.localhost:{port}/abc");
    let register = Subscription::plain(&endpoint, public, AUTH).unwrap().encode();
    let account = AccountName::new("alice").unwrap();
    pusher.tell(Device { account, key: "client/push/x".to_owned(), value: register }, &said("hello")).await;
    let (head, body) = serving.await.unwrap();
    (pusher, head, body)
}

#[tokio::test]
async fn a_device_reads_what_was_said_and_its_service_knows_who_sent_it() {
    let (pusher, head, body) = pushed(201).await;
    assert_eq!(pusher.metrics.pushes.get(), 1);
    let text = web_push_native::decrypt(body, &device_key(), &AUTH.into()).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), ":bob!b@host PRIVMSG alice :hello");
    assert!(head.starts_with("POST /abc HTTP/1.1\r\nHost: push.localhost:"), "{head}");
    let authorization = head.lines().find_map(|line| line.strip_prefix("Authorization: vapid t=")).unwrap();
    let (token, key) = authorization.split_once(", k=").unwrap();
    assert_eq!(key, Vapid::new(&[3; 16]).unwrap().public, "the same on every node");
    let mut validation = jsonwebtoken::Validation::new(Algorithm::ES256);
    let origin = head.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap();
    validation.set_audience(&[format!("https://{origin}")]);
    let point = URL_SAFE_NO_PAD.decode(key).unwrap();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let public = jsonwebtoken::DecodingKey::from_ec_components(&x, &y).unwrap();
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &public, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "https://example.org");
}

#[tokio::test]
async fn a_device_that_is_gone_is_forgotten() {
    let (pusher, _, _) = pushed(410).await;
    let taken = pusher.inbox.take(None, false);
    let gone = taken.inbound.into_iter().find_map(|inbound| match inbound {
        Inbound::Inputs(inputs) => inputs.into_iter().next(),
        Inbound::Admin(..) => None,
    });
    assert!(matches!(gone, Some(Input::DeviceGone(_, key)) if key == "client/push/x"));
    assert_eq!(pusher.metrics.pushes.get(), 0);
}

#[tokio::test]
async fn a_name_that_leads_into_the_own_network_is_not_called() {
    let vapid = Vapid::new(&[3; 16]).unwrap();
    let pusher = Pusher::new(vapid, "example.org", "node".to_owned(), Arc::default(), Arc::default()).unwrap();
    assert!(pusher.address("localhost", 443).await.is_err());
    assert!(pusher.address("192.168.1.1", 443).await.is_err());
    assert_eq!(pusher.address("1.1.1.1", 443).await.unwrap(), "1.1.1.1:443".parse().unwrap());
}
