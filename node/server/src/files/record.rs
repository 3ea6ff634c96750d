//! What is known of a file.

use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::Path;

/// An entry of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// BLAKE3 of its bytes, in hexadecimal: the name of the blob.
    pub(crate) hash: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// Its media type.
    pub(crate) media: String,
    /// Its name.
    pub(crate) name: String,
    /// Who has put it.
    pub(crate) account: String,
    /// When, milliseconds since the Unix epoch.
    pub(crate) stored_ms: u64,
}

impl Record {
    /// Reads one.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let record: Self = serde_json::from_slice(&std::fs::read(path)?)?;
        if record.is_sound() { Ok(record) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Whether its hash can be the name of a blob.
    pub(crate) fn is_sound(&self) -> bool {
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        self.hash.len() == 2 * blake3::OUT_LEN && self.hash.bytes().all(is_digit)
    }

    /// Writes it so that it is durable.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()
    }
}
