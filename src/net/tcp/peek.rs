//! Looking at what a connection brings without taking it: the one operation that other streams do not have.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TcpStream;
use crate::driver::source::{Purpose, Waiter};
use crate::task::wait::WaitKind;

/// Future of [`TcpStream::peek`].
///
/// # Cancellation
/// **Strict.** Nothing is taken at all.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Peek<'a> {
    /// Where to look.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put what is seen.
    buf: &'a mut [u8],
}

impl<'a> Peek<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.source().waiter(Purpose { kind: WaitKind::Read, at }), buf }
    }
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // What was seen is still there to be read, so a short look proves nothing.
        waiter.poll(cx, |_| stream.stream().peek(buf))
    }
}
