//! The operations of a datagram socket, as futures.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::driver::source::{Purpose, Seen, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// What passes between a datagram socket and the kernel. Public in name only, since its types show through the futures; nobody
/// outside can name it.
pub trait Datagrams {
    /// Where messages come from.
    type Address;

    fn send_now(&self, buf: &[u8]) -> io::Result<usize>;
    fn recv_now(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, Self::Address)>;
    /// From whom "nothing more" comes.
    fn nobody(&self) -> io::Result<Self::Address>;
}

/// What a try that followed `seen` comes to: nothing there, and reading was shut down before, is the end. (What was queued until
/// then was there; it is given first.)
pub(in crate::net) fn or_end<R>(outcome: io::Result<R>, seen: Seen, end: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && seen.is_read_closed() => end(),
        outcome => outcome,
    }
}

/// Future of `recv`.
///
/// # Cancellation
/// **Strict.** A message is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, S> {
    /// Where to receive.
    socket: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put the message.
    buf: &'a mut [u8],
}

impl<'a, S: Datagrams> Recv<'a, S> {
    pub(in crate::net) fn new(socket: &'a S, source: &'a SourceHandle, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { socket, waiter: source.waiter(Purpose { kind: WaitKind::Read, at }), buf }
    }
}

impl<S: Datagrams> Future for Recv<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, waiter, buf } = self.get_mut();
        waiter.poll(cx, |seen| or_end(socket.recv_now(buf), seen, || Ok(0)))
    }
}

/// Future of `recv_from`.
///
/// # Cancellation
/// **Strict.** A message is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvFrom<'a, S> {
    /// Where to receive.
    socket: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put the message.
    buf: &'a mut [u8],
}

impl<'a, S: Datagrams> RecvFrom<'a, S> {
    pub(in crate::net) fn new(socket: &'a S, source: &'a SourceHandle, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { socket, waiter: source.waiter(Purpose { kind: WaitKind::Read, at }), buf }
    }
}

impl<S: Datagrams> Future for RecvFrom<'_, S> {
    type Output = io::Result<(usize, S::Address)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, waiter, buf } = self.get_mut();
        waiter.poll(cx, |seen| or_end(socket.recv_from_now(buf), seen, || Ok((0, socket.nobody()?))))
    }
}

/// Future of `send`.
///
/// # Cancellation
/// **Strict.** The message is sent only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Send<'a, S> {
    /// Where to send.
    socket: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// The message.
    buf: &'a [u8],
}

impl<'a, S: Datagrams> Send<'a, S> {
    pub(in crate::net) fn new(socket: &'a S, source: &'a SourceHandle, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { socket, waiter: source.waiter(Purpose { kind: WaitKind::Write, at }), buf }
    }
}

impl<S: Datagrams> Future for Send<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, waiter, buf } = self.get_mut();
        waiter.poll(cx, |_| socket.send_now(buf))
    }
}
