//! Copies of files on other nodes: who is asked for a file that it does not have asks the others, and who has taken one tells them to do so.
//!
//! Nobody's certificate is asked for: what a peer says of a file is believed for a proof that only nodes of the mesh can make, and the file itself
//! because its bytes have the hash that was proven.

mod ask;

pub(crate) use ask::Peer;

use super::files::FileService;
use crate::files::{FileError, Record};
use crate::shell::clock::wall_ms;
use ask::Answer;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lavina_protocols::slot::{file_path, parse_id};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

/// Proves in a request that a node asks: it is told more than others, and nobody else is asked for it in turn.
const COPY: HeaderName = HeaderName::from_static("lavina-copy");
/// What is known of the file, in the answer to such a request.
const RECORD: HeaderName = HeaderName::from_static("lavina-file");
/// That a node of the mesh has said so.
const PROOF: HeaderName = HeaderName::from_static("lavina-proof");

/// Files fetched at once: anybody can ask for files that are nowhere, and each such request costs one to every peer.
const FETCHES_MAX: usize = 16;
/// Longest that a peer may take to begin to answer, and then for each piece.
const PEER_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked whether a file that is coming already has come.
const COMING_LOOK: Duration = Duration::from_millis(200);
/// How many times.
const COMING_LOOKS_MAX: usize = 50;

/// The other nodes.
#[derive(Debug)]
pub(crate) struct Peers {
    /// Where each serves its files.
    pub(crate) peers: Vec<Peer>,
    fetches: Semaphore,
}

impl Peers {
    /// These.
    pub(crate) fn new(peers: Vec<Peer>) -> Self {
        Self { peers, fetches: Semaphore::new(FETCHES_MAX) }
    }
}

/// Whether a node of the mesh asks.
pub(super) fn is_node(key: &[u8; 32], id: &str, headers: &HeaderMap) -> bool {
    let given = headers.get(COPY).and_then(|value| blake3::Hash::from_hex(value.as_bytes()).ok());
    given.is_some_and(|given| given == question(key, id))
}

fn question(key: &[u8; 32], id: &str) -> blake3::Hash {
    blake3::keyed_hash(key, format!("ask {id}").as_bytes())
}

/// Headers that let another node believe what is said of a file.
pub(super) fn told(key: &[u8; 32], id: &str, record: &Record) -> [(HeaderName, String); 2] {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(record).unwrap_or_default());
    let proof = proof(key, id, &text).to_hex().to_string();
    [(RECORD, text), (PROOF, proof)]
}

fn proof(key: &[u8; 32], id: &str, record: &str) -> blake3::Hash {
    // Neither can hold a space, so no part can pass for another.
    blake3::keyed_hash(key, format!("copy {id} {record}").as_bytes())
}

/// What a peer says of a file, when it proves that it is one.
fn believed(key: &[u8; 32], id: &str, headers: &HeaderMap) -> Option<Record> {
    let text = headers.get(RECORD)?.to_str().ok()?;
    let given = blake3::Hash::from_hex(headers.get(PROOF)?.as_bytes()).ok()?;
    // Comparing hashes takes the same time wherever they differ.
    if proof(key, id, text) != given {
        return None;
    }
    let record: Record = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    record.is_sound().then_some(record)
}

/// Brings a file here, from whichever peer has it. Afterwards it is here, or nowhere within reach.
pub(super) async fn fetch(service: &FileService, id: &str, name: &str) {
    let Some(bytes) = parse_id(id) else { return };
    let Ok(_turn) = service.peers.fetches.try_acquire() else { return };
    let path = file_path(&bytes, name);
    for peer in &service.peers.peers {
        match fetch_from(service, peer, id, &path).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, %peer, "a peer gives no file"),
        }
    }
}

async fn fetch_from(service: &FileService, peer: &Peer, id: &str, path: &str) -> anyhow::Result<bool> {
    let header = format!("{COPY}: {}\r\n", question(&service.upload.key, id).to_hex());
    let asked = tokio::time::timeout(PEER_WAIT, peer.ask("GET", path, &header)).await??;
    let Answer { status: 200, headers, mut body } = asked else { return Ok(false) };
    let Some(record) = believed(&service.upload.key, id, &headers) else {
        anyhow::bail!("it does not prove what it says");
    };
    if service.files.is_over(&record, wall_ms()) {
        return Ok(false);
    }
    let mut coming = match service.files.begin_copy(id, record) {
        Ok(coming) => coming,
        Err(FileError::Exists) => return Ok(has_come(service, id).await),
        Err(error) => return Err(error.into()),
    };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = tokio::time::timeout(PEER_WAIT, body.read(&mut buffer)).await??;
        if count == 0 {
            break;
        }
        coming.write(buffer.get(..count).unwrap_or_default())?;
    }
    tokio::task::spawn_blocking(move || coming.finish(wall_ms())).await??;
    Ok(true)
}

/// Waits for a file that somebody else has begun to fetch.
async fn has_come(service: &FileService, id: &str) -> bool {
    for _ in 0..COMING_LOOKS_MAX {
        if service.files.find(id, wall_ms()).is_some() {
            return true;
        }
        tokio::time::sleep(COMING_LOOK).await;
    }
    false
}

/// Tells the peers that there is a file, so that each fetches it: asked for one that it does not have, it does.
pub(super) fn offer(service: &Arc<FileService>, path: String) {
    let service = Arc::clone(service);
    tokio::spawn(async move {
        for peer in &service.peers.peers {
            if !matches!(tokio::time::timeout(PEER_WAIT, peer.ask("HEAD", &path, "")).await, Ok(Ok(_))) {
                // It will fetch the file when somebody asks it for it.
                tracing::debug!(%peer, "a peer is not told of a file");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_node_of_the_mesh_says_of_that_file_is_believed() {
        let record = Record {
            hash: "ab".repeat(32),
            size: 5,
            media: "text/plain".to_owned(),
            name: "a.txt".to_owned(),
            account: "alice".to_owned(),
            stored_ms: 7,
        };
        let headers: HeaderMap =
            told(&[1; 32], "id", &record).into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
        assert_eq!(believed(&[1; 32], "id", &headers), Some(record.clone()));
        assert_eq!(believed(&[2; 32], "id", &headers), None);
        assert_eq!(believed(&[1; 32], "other", &headers), None);
        let mut asks = HeaderMap::new();
        assert!(!is_node(&[1; 32], "id", &asks));
        asks.insert(COPY, question(&[1; 32], "id").to_hex().parse().unwrap());
        assert!(is_node(&[1; 32], "id", &asks) && !is_node(&[2; 32], "id", &asks) && !is_node(&[1; 32], "i", &asks));
        let mut changed = headers;
        let [(name, value), _] = told(&[2; 32], "id", &Record { size: 6, ..record });
        changed.insert(name, value.parse().unwrap());
        assert_eq!(believed(&[1; 32], "id", &changed), None);
    }
}
