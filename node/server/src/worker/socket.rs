//! The socket of a client: TCP, or a Unix socket on this machine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// A socket on its way to a worker, non-blocking.
#[derive(Debug)]
pub(crate) enum Socket {
    /// From anywhere.
    Tcp(std::net::TcpStream),
    /// From this machine.
    Unix(std::os::unix::net::UnixStream),
}

/// What a connection's task reads from.
#[derive(Debug)]
pub(super) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// What is written to; dropping it says that nothing more comes.
#[derive(Debug)]
pub(super) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Socket {
    /// Both halves, watched by the runtime that this is called in.
    pub(super) fn split(self) -> io::Result<(ReadHalf, WriteHalf)> {
        Ok(match self {
            Self::Tcp(stream) => {
                let (read, write) = TcpStream::from_std(stream)?.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Unix(stream) => {
                let (read, write) = UnixStream::from_std(stream)?.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        })
    }
}

impl ReadHalf {
    /// The socket of both halves, on its way to another worker; `None` when they are not of one, or the runtime does not let go of it.
    pub(super) fn reunite(self, write: WriteHalf) -> Option<Socket> {
        match (self, write) {
            (Self::Tcp(read), WriteHalf::Tcp(write)) => read.reunite(write).ok()?.into_std().ok().map(Socket::Tcp),
            (Self::Unix(read), WriteHalf::Unix(write)) => read.reunite(write).ok()?.into_std().ok().map(Socket::Unix),
            (Self::Tcp(_), WriteHalf::Unix(_)) | (Self::Unix(_), WriteHalf::Tcp(_)) => None,
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(read) => Pin::new(read).poll_read(context, buffer),
            Self::Unix(read) => Pin::new(read).poll_read(context, buffer),
        }
    }
}

impl WriteHalf {
    /// Writes what the socket takes at once; an error of kind `WouldBlock` when that is nothing.
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(write) => write.try_write_vectored(slices),
            Self::Unix(write) => write.try_write_vectored(slices),
        }
    }

    /// Waits until the socket takes bytes again.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(write) => write.writable().await,
            Self::Unix(write) => write.writable().await,
        }
    }
}
