//! A client's connection while the front has it: to be read by it, and to be taken apart again for a worker.

use crate::worker::Socket;
use lavina_protocols::proxy;
use rustls::ServerConnection;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// The socket, and bytes that were read from it and not handled.
#[derive(Debug)]
pub(crate) struct Raw {
    carrier: Carrier,
    read: Vec<u8>,
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// With TLS or without.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Without.
    Plain(Raw),
    /// With.
    Tls(Box<TlsStream<Raw>>),
}

impl From<TcpStream> for Raw {
    fn from(stream: TcpStream) -> Self {
        Self { carrier: Carrier::Tcp(stream), read: Vec::new() }
    }
}

impl From<UnixStream> for Raw {
    fn from(stream: UnixStream) -> Self {
        Self { carrier: Carrier::Unix(stream), read: Vec::new() }
    }
}

impl Raw {
    /// Reads what a proxy puts before the client's bytes.
    ///
    /// # Errors
    /// When that is none, or the connection breaks.
    pub(crate) async fn read_proxy_header(&mut self) -> io::Result<proxy::Header> {
        let mut buffer = [0; 512];
        loop {
            match proxy::parse(&self.read).map_err(io::Error::other)? {
                Some(header) => {
                    self.read.drain(..header.length);
                    return Ok(header);
                }
                None => {
                    let count = match &mut self.carrier {
                        Carrier::Tcp(stream) => stream.read(&mut buffer).await?,
                        Carrier::Unix(stream) => stream.read(&mut buffer).await?,
                    };
                    if count == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.read.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
            }
        }
    }

    /// The socket, and what has been read and not handled.
    ///
    /// # Errors
    /// When the runtime does not let go of it.
    pub(crate) fn into_socket(self) -> io::Result<(Socket, Vec<u8>)> {
        let socket = match self.carrier {
            Carrier::Tcp(stream) => Socket::Tcp(stream.into_std()?),
            Carrier::Unix(stream) => Socket::Unix(stream.into_std()?),
        };
        Ok((socket, self.read))
    }
}

impl Stream {
    /// The socket, the TLS on it, and what has been read below TLS and not handled.
    ///
    /// # Errors
    /// When the runtime does not let go of it.
    pub(crate) fn into_parts(self) -> io::Result<(Socket, Option<Box<ServerConnection>>, Vec<u8>)> {
        let (raw, tls) = match self {
            Self::Plain(raw) => (raw, None),
            Self::Tls(stream) => {
                let (raw, tls) = stream.into_inner();
                (raw, Some(Box::new(tls)))
            }
        };
        let (socket, read) = raw.into_socket()?;
        Ok((socket, tls, read))
    }
}

impl AsyncRead for Raw {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.read.is_empty() {
            let length = this.read.len().min(buffer.remaining());
            buffer.put_slice(this.read.get(..length).unwrap_or_default());
            this.read.drain(..length);
            return Poll::Ready(Ok(()));
        }
        match &mut this.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Carrier::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Raw {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Carrier::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Carrier::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Carrier::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
