//! Waiting for readiness alone, which is the same for everything that can be waited for.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::driver::source::{Purpose, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// Future of `readable`, of whatever can be read.
///
/// # Cancellation
/// **Strict.** It only looks.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Readable<'a>(Waiter<'a>);

impl<'a> Readable<'a> {
    pub(crate) fn new(source: &'a SourceHandle, at: &'static Location<'static>) -> Self {
        Self(source.waiter(Purpose { kind: WaitKind::Readable, at }))
    }
}

impl Future for Readable<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_ready(cx).map_ok(drop)
    }
}

/// Future of `writable`, of whatever can be written.
///
/// # Cancellation
/// **Strict.** It only looks.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Writable<'a>(Waiter<'a>);

impl<'a> Writable<'a> {
    pub(crate) fn new(source: &'a SourceHandle, at: &'static Location<'static>) -> Self {
        Self(source.waiter(Purpose { kind: WaitKind::Writable, at }))
    }
}

impl Future for Writable<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_ready(cx).map_ok(drop)
    }
}
