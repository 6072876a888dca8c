//! The operations that only UDP has, as futures: looking at a message without taking it, and sending to somebody whose
//! name may have to be looked up first.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::UdpSocket;
use crate::driver::source::{Purpose, Waiter};
use crate::net::ToSocketAddrs;
use crate::net::datagram::{Datagrams, or_end};
use crate::net::lookup::Resolve;
use crate::task::wait::WaitKind;

/// Future of [`UdpSocket::peek`].
///
/// # Cancellation
/// **Strict.** Nothing is taken at all.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Peek<'a> {
    /// Where to look, and how to put what is seen.
    from: PeekFrom<'a>,
}

impl<'a> Peek<'a> {
    pub(super) fn new(socket: &'a UdpSocket, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { from: PeekFrom::new(socket, buf, at) }
    }
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let PeekFrom { socket, waiter, buf } = &mut self.get_mut().from;
        waiter.poll(cx, |seen| or_end(socket.std().peek(buf), seen, || Ok(0)))
    }
}

/// Future of [`UdpSocket::peek_from`].
///
/// # Cancellation
/// **Strict.** Nothing is taken at all.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct PeekFrom<'a> {
    /// Where to look.
    socket: &'a UdpSocket,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put what is seen.
    buf: &'a mut [u8],
}

impl<'a> PeekFrom<'a> {
    pub(super) fn new(socket: &'a UdpSocket, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { socket, waiter: socket.source().waiter(Purpose { kind: WaitKind::Read, at }), buf }
    }
}

impl Future for PeekFrom<'_> {
    type Output = io::Result<(usize, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, waiter, buf } = self.get_mut();
        waiter.poll(cx, |seen| or_end(socket.std().peek_from(buf), seen, || Ok((0, socket.nobody()?))))
    }
}

/// Future of [`UdpSocket::send_to`].
///
/// # Cancellation
/// **Strict.** The message is sent only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendTo<'a> {
    /// Where to send.
    socket: &'a UdpSocket,
    /// The place in line.
    waiter: Waiter<'a>,
    /// The message.
    buf: &'a [u8],
    /// To whom.
    target: Target,
}

/// To whom a message goes.
#[derive(Debug)]
enum Target {
    /// That is being found out.
    Wanted(Resolve),
    /// To this address.
    Known(SocketAddr),
}

impl<'a> SendTo<'a> {
    pub(super) fn new<A: ToSocketAddrs>(
        socket: &'a UdpSocket,
        buf: &'a [u8],
        target: &A,
        at: &'static Location<'static>,
    ) -> Self {
        let waiter = socket.source().waiter(Purpose { kind: WaitKind::Write, at });
        Self { socket, waiter, buf, target: Target::Wanted(Resolve::of(target, at)) }
    }
}

impl Future for SendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, waiter, buf, target } = self.get_mut();
        let address = match target {
            Target::Known(address) => *address,
            Target::Wanted(resolve) => {
                let address = ready!(resolve.poll(cx))?.next().ok_or_else(nobody)?;
                *target = Target::Known(address);
                address
            }
        };
        waiter.poll(cx, |_| socket.std().send_to(buf, address))
    }
}

fn nobody() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "there is no address to send to")
}
