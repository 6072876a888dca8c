//! Running a child to its end: for its status alone, or with all it says.

use std::future::Future;
use std::io;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll, ready};

use super::Child;
use crate::io::stream::{Reads, poll_to_end};

/// A child, or why there is none; the reason is given once.
type Started = Result<Child, Option<io::Error>>;

fn child_of(started: &mut Started) -> io::Result<&mut Child> {
    match started {
        Ok(child) => Ok(child),
        Err(reason) => Err(reason.take().unwrap_or_else(|| io::Error::other("this future has given its error already"))),
    }
}

/// Future of [`Child::wait_with_output`] and [`Command::output`](super::Command::output).
///
/// # Cancellation
/// **Lossy.** What was read is lost, and the child is dropped.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WaitWithOutput {
    /// Whom to wait for.
    started: Started,
    /// What it wrote so far.
    stdout: Vec<u8>,
    /// What it wrote to its error stream.
    stderr: Vec<u8>,
    /// The user's line, for the wait reason.
    at: &'static Location<'static>,
}

impl WaitWithOutput {
    pub(super) fn of(child: io::Result<Child>, at: &'static Location<'static>) -> Self {
        Self { started: child.map_err(Some), stdout: Vec::new(), stderr: Vec::new(), at }
    }
}

impl Future for WaitWithOutput {
    type Output = io::Result<Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { started, stdout, stderr, at } = self.get_mut();
        let child = child_of(started)?;
        drop(child.stdin.take());
        // Both at once, or a child that fills the one pipe while we read the other would wait for ever.
        let stdout_ended = drain(child.stdout.as_ref(), stdout, at, cx)?;
        let stderr_ended = drain(child.stderr.as_ref(), stderr, at, cx)?;
        if stdout_ended {
            child.stdout = None;
        }
        if stderr_ended {
            child.stderr = None;
        }
        let ended = stdout_ended && stderr_ended;
        // The end of a child with a group is the end of whoever holds its pipes, so it is waited for before theirs.
        if !ended && child.ends_its_group() {
            let _ = child.poll_wait(at, cx)?;
        }
        if !ended {
            return Poll::Pending;
        }
        let status = ready!(child.poll_wait(at, cx))?;
        Poll::Ready(Ok(Output { status, stdout: mem::take(stdout), stderr: mem::take(stderr) }))
    }
}

/// Reads what is there; true at the end, or if there is no pipe.
fn drain<S: Reads>(
    pipe: Option<&S>,
    into: &mut Vec<u8>,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(true) };
    match poll_to_end(pipe, at, cx, into) {
        Poll::Ready(outcome) => outcome.map(|()| true),
        Poll::Pending => Ok(false),
    }
}

/// Future of [`Command::status`](super::Command::status).
///
/// # Cancellation
/// **Lossy.** The child is dropped.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Status {
    /// Whom to wait for.
    started: Started,
    /// The user's line, for the wait reason.
    at: &'static Location<'static>,
}

impl Status {
    /// Pipes that were asked for are closed: nobody will read or write them.
    pub(super) fn of(child: io::Result<Child>, at: &'static Location<'static>) -> Self {
        let started = child.map_err(Some).map(|mut child| {
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            child
        });
        Self { started, at }
    }
}

impl Future for Status {
    type Output = io::Result<ExitStatus>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { started, at } = self.get_mut();
        child_of(started)?.poll_wait(at, cx)
    }
}
