//! Tickets, right and wrong.

use crate::node::{Node, config, key, start};
use lavina_crdt::mesh::Place;
use lavina_quic::Event;
use lavina_quic::identity::node_id;
use lavina_quic::join::{Invitation, JOIN_ANSWER_BYTES_MAX, JoinError, JoinInfo, JoinRefusal, JoinRequest, redeem};

const SECRET: [u8; 16] = [3; 16];

fn info() -> JoinInfo {
    let place = Place { region: "eu".to_owned(), zone: "a".to_owned() };
    JoinInfo { name: "eu-2".to_owned(), place, addresses: vec!["192.0.2.1:7000".to_owned()] }
}

async fn join(invitation: Invitation<'_>) -> Result<Vec<u8>, JoinError> {
    redeem(&key(5), invitation, info()).await
}

async fn show(inviter: &Node, secret: &[u8; 16]) -> Result<Vec<u8>, JoinError> {
    let addresses = inviter.addresses();
    join(Invitation { inviter: inviter.id, addresses: &addresses, secret }).await
}

async fn asked(inviter: &mut Node) -> JoinRequest {
    match inviter.next().await {
        Event::Join(request) => request,
        other => panic!("instead of a join: {other:?}"),
    }
}

#[tokio::test]
async fn the_holder_of_a_ticket_is_heard_and_answered() {
    let (mut inviter, joiner) = (start(config(1)), node_id(&key(5)));
    inviter.endpoint.set_tickets([[4; 16], SECRET]);
    let addresses = inviter.addresses();
    let invitation = Invitation { inviter: inviter.id, addresses: &addresses, secret: &SECRET };
    let answer = vec![6; JOIN_ANSWER_BYTES_MAX / 2];
    let shell = async {
        let request = asked(&mut inviter).await;
        assert_eq!((request.secret, request.node, &request.info), (SECRET, joiner, &info()));
        assert!(!format!("{request:?}").contains("secret"));
        request.responder.accept(answer.clone());
    };
    let (result, ()) = tokio::join!(join(invitation), shell);
    assert_eq!(result.unwrap(), answer);
}

#[tokio::test]
async fn a_wrong_secret_is_not_answered_and_not_told() {
    let inviter = start(config(1));
    inviter.endpoint.set_tickets([SECRET]);
    assert!(matches!(show(&inviter, &[8; 16]).await, Err(JoinError::Unknown)));
    assert_eq!(inviter.endpoint.counters().strangers_refused, 1);
    inviter.endpoint.set_tickets([]);
    assert!(matches!(show(&inviter, &SECRET).await, Err(JoinError::Unknown)));
}

#[tokio::test]
async fn a_ticket_that_is_not_good_any_more_gets_one_word() {
    let mut inviter = start(config(1));
    inviter.endpoint.set_tickets([SECRET]);
    let addresses = inviter.addresses();
    let invitation = Invitation { inviter: inviter.id, addresses: &addresses, secret: &SECRET };
    let shell = async { asked(&mut inviter).await.responder.refuse(JoinRefusal::Used) };
    let (result, ()) = tokio::join!(join(invitation), shell);
    assert_eq!(result.unwrap_err().to_string(), "the ticket is refused: used");
    let shell = async { drop(asked(&mut inviter).await) };
    let (result, ()) = tokio::join!(join(invitation), shell);
    assert!(matches!(result, Err(JoinError::Refused(JoinRefusal::Unavailable))));
}

#[tokio::test]
async fn another_node_at_the_inviters_address_learns_nothing() {
    let (inviter, impostor) = (start(config(1)), start(config(2)));
    impostor.endpoint.set_tickets([SECRET]);
    let addresses = impostor.addresses();
    let invitation = Invitation { inviter: inviter.id, addresses: &addresses, secret: &SECRET };
    let result = join(invitation).await;
    assert!(matches!(result, Err(JoinError::Dial(_))), "{result:?}");
}
