//! The halves of a connection, by the names under which one looks for them, and what they can do that others cannot.

use std::panic::Location;

use super::{Peek, TcpStream};
use crate::io::stream;

/// The reading half of a stream that [`TcpStream::split`] lends.
pub type ReadHalf<'a> = stream::ReadHalf<'a, TcpStream>;

/// The writing half of a stream that [`TcpStream::split`] lends.
pub type WriteHalf<'a> = stream::WriteHalf<'a, TcpStream>;

/// The reading half of a stream that [`TcpStream::into_split`] took apart.
pub type OwnedReadHalf = stream::OwnedReadHalf<TcpStream>;

/// The writing half of a stream that [`TcpStream::into_split`] took apart.
pub type OwnedWriteHalf = stream::OwnedWriteHalf<TcpStream>;

impl ReadHalf<'_> {
    /// Reads without taking: [`TcpStream::peek`], on this half.
    ///
    /// # Cancellation
    /// **Strict.** Nothing is taken at all.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek::new(self.as_ref(), buf, Location::caller())
    }
}

impl OwnedReadHalf {
    /// Reads without taking: [`TcpStream::peek`], on this half.
    ///
    /// # Cancellation
    /// **Strict.** Nothing is taken at all.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek::new(self.as_ref(), buf, Location::caller())
    }
}
