//! The store as files: opened, or set aside when it is damaged, so that the node begins anew and its peers fill it.

use super::clock::Clock;
use crate::identity::{DataDir, Identity, id_of, random_u64};
use anyhow::{Context, Result};
use lavina_core::node::{Node, NodeConfig};
use lavina_core::store::redb::{CACHE_BYTES, Opener, Opening, RedbStore, Sealing};
use lavina_core::store::{StoreError, recover};
use lavina_crdt::ids::NodeId;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most damaged stores that are kept beside the one in use; above it somebody has to look at the disk.
const KEPT_MAX: u32 = 16;

/// Opens the store and the node upon it.
pub(super) fn open(data: &DataDir, config: &NodeConfig, clock: Clock) -> Result<(RedbStore, Node<RedbStore>)> {
    let path = data.store();
    let attempt = || {
        let store = open_at(&path, id_of(&config.key))?;
        let node = Node::open(config.clone(), store.clone(), clock.now(), random_u64())?;
        Ok((store, node))
    };
    let aside = |damage: &StoreError| {
        doubt(data);
        let to = set_aside(&path).map_err(|error| StoreError::Failed(format!("{damage}, and: {error}")))?;
        tracing::error!(%damage, kept = %to.display(), "the store is set aside; this node begins with an empty one and is filled by its peers");
        Ok(())
    };
    let recovered = recover(attempt, aside)
        .with_context(|| format!("cannot start from {} (is another node running on it?)", path.display()))?;
    Ok(recovered.opened)
}

/// Opens the store alone, of a node that does not run.
///
/// # Errors
/// When it cannot be read, is damaged, or a node runs on it.
pub(crate) fn open_store(data: &DataDir, identity: &Identity) -> Result<RedbStore> {
    let path = data.store();
    open_at(&path, id_of(&identity.key))
        .with_context(|| format!("cannot open {} (is a node running on it?)", path.display()))
}

fn open_at(path: &Path, node: NodeId) -> Result<RedbStore, StoreError> {
    let medium = medium(path).map_err(|error| StoreError::Failed(error.to_string()))?;
    let (known, now) = (fs::read_to_string(checked(path)).ok(), occasion(medium));
    let check = now.is_none() || known != now;
    let (new_epoch, sealing) = (random_u64(), Sealing::SERVER);
    let opening = Opening { node, new_epoch, medium, cache_bytes: CACHE_BYTES, sealing, check };
    let store = RedbStore::open(opener(path.to_owned()), opening)?;
    if let Some(now) = now.filter(|_| check) {
        // Where it cannot be written the next start reads everything again.
        let _ = fs::write(checked(path), now);
    }
    Ok(store)
}

/// The file that says on which occasion the store was read through.
fn checked(path: &Path) -> PathBuf {
    path.with_extension("checked")
}

/// The run of the machine, and the file. As long as both are the same, what was found whole has been in the hands of this system: a process that
/// was killed is back at once, however large its store. After a power cut, or on another disk, everything is read through first. `None` where the
/// system does not tell its runs apart.
fn occasion(medium: u64) -> Option<String> {
    let run = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{} {medium:016x}\n", run.trim()))
}

/// Something in the store was not what was written: the next start reads it through.
pub(super) fn doubt(data: &DataDir) {
    // Where there is none it does so anyway.
    let _ = fs::remove_file(checked(&data.store()));
}

fn open_file(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn opener(path: PathBuf) -> Opener {
    Box::new(move || {
        let backend = redb::backends::FileBackend::new(open_file(&path)?).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    })
}

/// Which file it is. A copy that is put back, on this machine or another, is another file.
fn medium(path: &Path) -> io::Result<u64> {
    let found = open_file(path)?.metadata()?;
    // Not every file system tells when a file was made; its number is told apart from the next one's by any odd factor.
    let made = found.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    let made = made.map_or(0, |made| made.as_secs().wrapping_mul(1_000_000_007) ^ u64::from(made.subsec_nanos()));
    Ok(found.ino().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ made)
}

/// Moves the store to the first free name beside it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let names = (1..=KEPT_MAX).map(|number| path.with_extension(format!("damaged-{number}")));
    let free = names.into_iter().find(|name| !name.exists());
    let to = free.ok_or_else(|| io::Error::other(format!("{KEPT_MAX} damaged stores lie beside it already")))?;
    fs::rename(path, &to)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(to)
}
