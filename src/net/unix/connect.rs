//! Connecting to a Unix listener.
//!
//! The kernel answers at once: connected, or an error. There is no "in progress". What a non-blocking socket gets when the
//! backlog is full (`EAGAIN`, and no event later) is not that either, although it looks like it: a socket that is then
//! waited for becomes writable at once, and is not connected. So it is tried again after a moment.
//!
//! Cases of the catalogue: NET-12.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{SockAddr, Socket, Type};

use super::UnixStream;
use super::retry::Retry;
use crate::base::sys;
use crate::driver::source::Purpose;
use crate::net::sock::refuse_in_a_simulation;
use crate::task::wait::{self, Wait};

/// Future of [`UnixStream::connect`].
///
/// # Cancellation
/// **Strict.** Nothing has reached the listener before the poll that returns the stream.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    /// The user's line, for the wait reason.
    purpose: Purpose,
    /// To whom; taken when it is an error, or done.
    target: Option<io::Result<SockAddr>>,
    /// The socket, from the first poll on.
    socket: Option<Socket>,
    /// The moments between tries, while the backlog is full.
    retry: Retry,
}

impl Connect {
    pub(super) fn to(target: io::Result<SockAddr>, purpose: Purpose) -> Self {
        Self { purpose, target: Some(target), socket: None, retry: Retry::default() }
    }
}

impl Future for Connect {
    type Output = io::Result<UnixStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        refuse_in_a_simulation()?;
        let target = match self.target.take().expect("a future is not polled after its end") {
            Ok(target) => target,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => sys::unix_socket(Type::STREAM)?,
        };
        loop {
            if self.retry.poll("connect", cx)?.is_pending() {
                wait::note(Wait { kind: self.purpose.kind, object: 0, at: self.purpose.at });
                (self.target, self.socket) = (Some(Ok(target)), Some(socket));
                return Poll::Pending;
            }
            match socket.connect(&target) {
                Ok(()) => return Poll::Ready(Ok(UnixStream::of(socket.into()))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.retry.begin(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
