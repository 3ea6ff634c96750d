//! Nodes that do not belong here.

use crate::node::{DEADLINE, config, key, start};
use lavina_quic::DialError;
use libp2p_identity::Keypair;
use quinn::crypto::rustls::QuicClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// A QUIC client with a valid libp2p certificate, which says `words` on a stream of an ALPN and reads until it is closed: how many
/// frames with application data it was sent.
async fn answers(address: SocketAddr, alpn: &[u8], words: &[u8]) -> u64 {
    let mut tls = libp2p_tls::make_client_config(&Keypair::generate_ed25519(), None).unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let connection = endpoint.connect_with(config, address, "x").unwrap().await.unwrap();
    if let Ok((mut send, _recv)) = connection.open_bi().await {
        // The other side may have closed already.
        let _ = send.write_all(words).await;
    }
    let closed = timeout(DEADLINE, connection.closed()).await.unwrap();
    match closed {
        quinn::ConnectionError::ApplicationClosed(close) => assert!(close.reason.is_empty(), "{close}"),
        other => panic!("closed otherwise: {other}"),
    }
    let seen = connection.stats().frame_rx;
    seen.stream + seen.datagram
}

#[tokio::test]
async fn an_unadmitted_node_gets_no_answer_whatever_it_says() {
    let a = start(config(1));
    assert_eq!(answers(a.address, b"lavina/1", b"").await, 0);
    assert_eq!(answers(a.address, b"lavina/1", &[0xff; 4096]).await, 0);
    assert_eq!(a.endpoint.counters().strangers_refused, 2);
}

#[tokio::test]
async fn who_holds_no_ticket_gets_no_answer_whatever_it_says() {
    let a = start(config(1));
    a.endpoint.set_tickets([[3; 16]]);
    assert_eq!(answers(a.address, b"lavina-join/1", &[0xff; 64]).await, 0);
    let mut proof = vec![0, 0, 0, 80];
    proof.extend_from_slice(&[0; 80]);
    assert_eq!(answers(a.address, b"lavina-join/1", &proof).await, 0);
    assert_eq!(a.endpoint.counters().strangers_refused, 2);
}

#[tokio::test]
async fn another_alpn_fails_in_the_handshake() {
    let a = start(config(1));
    let mut tls = libp2p_tls::make_client_config(&Keypair::generate_ed25519(), None).unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    endpoint.connect_with(config, a.address, "x").unwrap().await.unwrap_err();
}

#[tokio::test]
async fn a_peer_with_another_key_than_dialled_is_refused() {
    let (a, impostor) = (start(config(1)), start(config(3)));
    let expected = lavina_quic::identity::node_id(&key(2));
    a.endpoint.set_admitted([expected, impostor.id]);
    impostor.endpoint.set_admitted([a.id]);
    match a.endpoint.connect(expected, &impostor.addresses()).await {
        Err(DialError::NotReached(reason)) => assert!(reason.contains("certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_that_is_not_admitted_is_not_dialled() {
    let (a, b) = (start(config(1)), start(config(2)));
    let refused = a.endpoint.connect(b.id, &b.addresses()).await;
    assert!(matches!(refused, Err(DialError::NotAdmitted)), "{refused:?}");
}

#[tokio::test]
async fn being_unadmitted_at_the_other_side_is_said_plainly_here() {
    let (a, b) = (start(config(1)), start(config(2)));
    a.endpoint.set_admitted([b.id]);
    let error = a.endpoint.connect(b.id, &b.addresses()).await.unwrap_err();
    assert!(error.to_string().contains("not admitted there"), "{error}");
}
