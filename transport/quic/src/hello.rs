//! The version handshake: what two admitted nodes tell one another first, on the connection's only two-way stream.
//!
//! The dialler speaks first; the acceptor answers with its own hello once it takes the connection, or closes it with a
//! reason. **Invariant:** nobody that TLS has not shown to be admitted is sent a hello.

use crate::close::Code;
use crate::wire::{self, WireError};
use lavina_gossip::versions::Versions;
use quinn::{RecvStream, SendStream};
use serde::{Deserialize, Serialize};

/// Largest hello: a name and some numbers, with room for what newer versions add.
const HELLO_BYTES_MAX: usize = 4 * 1024;

/// Fields are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The versions of frames that it speaks.
    pub(crate) versions: Versions,
    /// Which mesh.
    pub(crate) mesh: [u8; 16],
    /// Random number of this run of the process: tells a restart from a second connection.
    pub(crate) boot: u64,
    /// The node's name, for logs.
    pub(crate) name: String,
}

/// Why two nodes cannot talk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelloError {
    /// Their versions do not overlap.
    #[error("no common version of frames: here {0} to {1}, there {2} to {3}")]
    Versions(u16, u16, u16, u16),
    /// They belong to different meshes.
    #[error("the nodes belong to different meshes")]
    Mesh,
    /// What came is no hello.
    #[error("no hello: {0}")]
    Wire(#[from] WireError),
}

impl HelloError {
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Versions(..) | Self::Mesh => Code::Mismatch,
            Self::Wire(_) => Code::Malformed,
        }
    }
}

impl Hello {
    /// The newest version that both speak.
    pub(crate) fn agree(&self, other: &Self) -> Result<u16, HelloError> {
        if self.mesh != other.mesh {
            return Err(HelloError::Mesh);
        }
        let (here, there) = (self.versions, other.versions);
        here.common(there).ok_or(HelloError::Versions(here.oldest, here.newest, there.oldest, there.newest))
    }

    pub(crate) async fn write(&self, send: &mut SendStream) -> Result<(), HelloError> {
        Ok(wire::write(send, self, HELLO_BYTES_MAX).await?)
    }

    pub(crate) async fn read(recv: &mut RecvStream) -> Result<Self, HelloError> {
        Ok(wire::read(recv, HELLO_BYTES_MAX).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello((oldest, newest): (u16, u16), mesh: u8) -> Hello {
        Hello { versions: Versions { oldest, newest }, mesh: [mesh; 16], boot: 0, name: String::new() }
    }

    #[test]
    fn the_newest_common_version_is_taken() {
        assert_eq!(hello((1, 2), 0).agree(&hello((2, 3), 0)), Ok(2));
        assert_eq!(hello((1, 1), 0).agree(&hello((1, 1), 0)), Ok(1));
    }

    #[test]
    fn versions_that_do_not_overlap_and_other_meshes_are_refused_with_a_reason() {
        let apart = hello((1, 1), 0).agree(&hello((2, 3), 0)).unwrap_err();
        assert_eq!(apart.to_string(), "no common version of frames: here 1 to 1, there 2 to 3");
        assert_eq!(hello((1, 1), 0).agree(&hello((1, 1), 9)), Err(HelloError::Mesh));
    }
}
