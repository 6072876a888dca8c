//! What passes between a connection and the kernel.
//!
//! A short read or write empties (or fills) the socket, which saves the try that would only say so; see
//! `SourceHandle::fell_short`, and why that holds of no other stream.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};

use super::TcpStream;
use crate::base::sys;
use crate::driver::source::{Direction, Seen, SourceHandle};
use crate::io::stream::{Duplex, Reads, Writes, unless_gone};
use crate::io::{async_read, async_write};

impl Reads for TcpStream {
    fn reading(&self) -> &SourceHandle {
        self.source()
    }

    fn recv(&self, buf: &mut [u8], seen: Seen) -> io::Result<usize> {
        let count = self.stream().read(buf)?;
        self.judge(Direction::Read, count, buf.len(), seen);
        Ok(count)
    }

    fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], seen: Seen) -> io::Result<usize> {
        let count = self.stream().read_vectored(bufs)?;
        self.judge(Direction::Read, count, bufs.iter().map(|buf| buf.len()).sum(), seen);
        Ok(count)
    }

    fn origin(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stream().as_fd())
    }
}

impl Writes for TcpStream {
    fn writing(&self) -> &SourceHandle {
        self.source()
    }

    fn send(&self, buf: &[u8], seen: Seen) -> io::Result<usize> {
        let count = self.stream().write(buf)?;
        self.judge(Direction::Write, count, buf.len(), seen);
        Ok(count)
    }

    fn send_vectored(&self, bufs: &[IoSlice<'_>], seen: Seen) -> io::Result<usize> {
        let count = sys::send_vectored(self.stream(), bufs)?;
        self.judge(Direction::Write, count, bufs.iter().map(|buf| buf.len()).sum(), seen);
        Ok(count)
    }

    fn send_nothing(&self) -> io::Result<usize> {
        self.stream().write(&[])
    }

    fn close(&self) -> io::Result<()> {
        unless_gone(self.end_writing())
    }

    fn sink(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stream().as_fd())
    }
}

async_read!([] TcpStream);
async_write!([] TcpStream);

impl TcpStream {
    fn whole(&self) -> &Self {
        self
    }

    /// An operation that moved something, but not all it could have, has emptied (or filled) the socket. The end of
    /// the stream is no such thing: it stays readable for ever.
    fn judge(&self, direction: Direction, count: usize, asked: usize, seen: Seen) {
        if (1..asked).contains(&count) {
            self.source().fell_short(direction, seen);
        }
    }
}

impl Duplex for TcpStream {
    type Address = SocketAddr;

    fn peer(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
