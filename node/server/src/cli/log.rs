//! `lavina log`: looks at the log in the store of a node that does not run.

use super::{ConfigFile, Out};
use crate::identity::{DataDir, Identity};
use crate::shell::open_store;
use anyhow::{Result, bail};
use clap::Subcommand;
use lavina_core::store::Store;
use lavina_crdt::chain;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{Origin, Scope};
use serde::Serialize;

/// Most bytes of entries read at once.
const READ_BYTES: usize = 1024 * 1024;
/// Most faults that are told; the others are counted.
const FAULTS_TOLD_MAX: usize = 100;

/// Work with the log
#[derive(Subcommand)]
pub(super) enum Log {
    /// Check all that the store of a stopped node holds: rows, hash chains, signatures
    Verify(ConfigFile),
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Found {
    scopes: u64,
    chains: u64,
    entries: u64,
    bytes: u64,
    faults: u64,
    told: Vec<Fault>,
}

/// What is wrong with the entries of an origin in a scope.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Fault {
    scope: String,
    origin: String,
    /// The entry up to which all is well.
    seq: u64,
    fault: String,
}

impl Log {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let Self::Verify(file) = self;
        let data = DataDir::new(&file.load()?.data);
        if !data.store().exists() {
            bail!("there is no store in {}", data.store().display());
        }
        let found = verify(&open_store(&data, &Identity::load(&data)?)?)?;
        out.say(&found, || render(&found))?;
        if found.faults > 0 {
            bail!(
                "{} of {} chains are damaged; move the store away and let the peers fill the node",
                found.faults,
                found.chains
            );
        }
        Ok(())
    }
}

fn render(found: &Found) -> String {
    let mut text = format!(
        "{} entries ({} bytes) in {} chains of {} scopes: rows, hashes and signatures checked",
        found.entries, found.bytes, found.chains, found.scopes
    );
    for fault in &found.told {
        text.push_str(&format!("\n{} of {}, from entry {} on: {}", fault.scope, fault.origin, fault.seq, fault.fault));
    }
    text
}

fn verify(store: &impl Store) -> Result<Found> {
    let mut found = Found::default();
    for (scope, vector) in store.vectors()? {
        found.scopes += 1;
        for (origin, end) in vector.iter().filter(|(_, end)| *end > 0) {
            found.chains += 1;
            if let Err((seq, fault)) = verify_chain(store, &scope, origin, end, &mut found) {
                found.faults += 1;
                if found.told.len() < FAULTS_TOLD_MAX {
                    found.told.push(Fault { scope: format!("{scope:?}"), origin: format!("{origin:?}"), seq, fault });
                }
            }
        }
    }
    Ok(found)
}

/// Follows one chain from its first entry to its last.
fn verify_chain(
    store: &impl Store,
    scope: &Scope,
    origin: Origin,
    end: u64,
    found: &mut Found,
) -> Result<(), (u64, String)> {
    let (mut seq, mut head) = (0, Hash::default());
    while seq < end {
        let run = store.run(scope, origin, seq, READ_BYTES).map_err(|error| (seq, error.to_string()))?;
        let Some(run) = run.filter(|run| run.first == seq && !run.entries.is_empty()) else {
            return Err((seq, "no signed entry follows".to_owned()));
        };
        let (entries, newest) = chain::verify(&run, head).map_err(|error| (seq, error.to_string()))?;
        head = newest;
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        seq = seq.saturating_add(count);
        found.entries += count;
        found.bytes += run.entries.iter().map(|sealed| u64::try_from(sealed.len()).unwrap_or(0)).sum::<u64>();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use lavina_core::store::memory::MemoryStore;
    use lavina_core::store::{Batch, BatchId, Commit};
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::entry::{Entry, Run};
    use lavina_crdt::ids::{NodeId, OriginKey};
    use lavina_crdt::seals::Seals;

    fn store(damage: impl Fn(&mut Run)) -> MemoryStore {
        let key = SigningKey::from_bytes(&[7; 32]);
        let origin = OriginKey { node: NodeId(key.verifying_key().to_bytes()), epoch: 1 };
        let mut run = Run { scope: Scope::Mesh, origin, first: 0, entries: Vec::new() };
        let mut prev = Hash::default();
        for seq in 0..3 {
            let (sealed, hash) = chain::seal(&Entry {
                origin: origin.origin(),
                seq,
                hlc: Hlc((seq + 1) << 16),
                prev,
                after: Vec::new(),
                link: None,
                author: None,
                heads: None,
                kind: 999,
                body: vec![1, 2, 3],
            });
            run.entries.push(sealed);
            prev = hash;
        }
        chain::sign_at(&key, &mut run, 2, &Seals::default());
        damage(&mut run);
        let store = MemoryStore::new(origin);
        store.commit(&[Batch { id: BatchId(1), runs: vec![run], ..Batch::default() }]).unwrap();
        store
    }

    #[test]
    fn a_sound_store_is_counted() {
        let found = verify(&store(|_| {})).unwrap();
        assert_eq!((found.scopes, found.chains, found.entries, found.faults), (1, 1, 3, 0));
    }

    #[test]
    fn a_signature_that_is_not_the_origins_is_found() {
        let found = verify(&store(|run| {
            run.entries[2].signature.as_mut().unwrap().0[5] ^= 1;
        }))
        .unwrap();
        assert_eq!((found.chains, found.faults), (1, 1));
        assert_eq!(found.told[0].seq, 0);
    }
}
