//! A child that is not reaped: its exit as a source, and what becomes of it when nobody wants it any more.
//!
//! ```text
//!   Child dropped ──> orphan ──in a runtime──> Reaper, a daemon task ──exit──> reaped
//!                        └──else, or at the runtime's end──> the book of `orphans` ──exit──> reaped
//! ```

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};

use mio::Interest;

use super::orphans::{adopt, reap_orphans};
use crate::base::sys::{Ear, Process};
use crate::driver::source::{Purpose, SourceHandle};
use crate::runtime::{Handle, TaskBuilder};
use crate::task::wait::WaitKind;

/// So long the end of a runtime waits for a child that was sent SIGKILL: that takes microseconds, unless the child hangs in
/// the kernel.
const KILLED_MS: u16 = 1_000;

/// A child, and whether its group ends with it.
#[derive(Debug)]
pub(super) struct Grouped {
    /// The child.
    process: Process,
    /// Everybody in the group that it leads is killed when it is reaped.
    kill_group: bool,
}

impl Grouped {
    /// Reaps the child if it has exited, its group before (P3).
    fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        if self.kill_group {
            if !self.process.has_exited()? {
                return Ok(None);
            }
            // Whoever of the group belongs to another user stays; the child is reaped all the same.
            let _ = self.process.kill_group();
        }
        self.process.try_reap()
    }

    fn kill(&self) -> io::Result<()> {
        // The child itself in any case: it may have left the group, or never led one.
        let of_group = if self.kill_group { self.process.kill_group() } else { Ok(()) };
        self.process.kill().and(of_group)
    }

    /// Becomes readable when the child exits, if there is such a descriptor.
    pub(super) fn exit_fd(&self) -> Option<RawFd> {
        self.process.exit_fd()
    }

    /// Was it reaped, now or by somebody else?
    pub(super) fn is_gone(&self) -> bool {
        !matches!(self.try_reap(), Ok(None))
    }
}

/// A child that is not reaped, and how its exit is heard of.
#[derive(Debug)]
pub(super) struct Running {
    /// Has an edge when the child may have exited. Dropped before the descriptors below are closed.
    source: SourceHandle,
    /// The child.
    grouped: Grouped,
    /// SIGCHLD's bell, where there is no pidfd: one edge for every child's exit.
    ear: Option<Ear>,
    /// Where it was started, for the task that reaps it.
    home: Option<Handle>,
}

impl Running {
    /// Takes over a child that was just started; none if it is gone already, reaped by the system (SIGCHLD is ignored) or by a
    /// stranger. If there is no way to hear of its exit it is killed and reaped.
    pub(super) fn new(child: &std::process::Child, kill_group: bool) -> io::Result<Option<Self>> {
        let process = Process::adopt(child);
        // Its number may be a stranger's by now, and so may the pidfd: neither is signalled before this was asked.
        if process.has_exited().is_err_and(|error| error.raw_os_error() == Some(libc::ECHILD)) {
            return Ok(None);
        }
        let ear = match process.exit_fd() {
            Some(_) => None,
            None => match Ear::new(libc::SIGCHLD) {
                Ok(ear) => Some(ear),
                Err(error) => {
                    process.kill()?;
                    process.reap()?;
                    return Err(error);
                }
            },
        };
        let source = source_of(&process, ear.as_ref());
        Ok(Some(Self { source, grouped: Grouped { process, kill_group }, ear, home: Handle::try_current().ok() }))
    }

    pub(super) fn kills_group(&self) -> bool {
        self.grouped.kill_group
    }

    pub(super) fn id(&self) -> u32 {
        self.grouped.process.id()
    }

    /// Waits for the exit, and reaps.
    pub(super) fn poll_exit(&self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        self.grouped.process.require_ours()?;
        let purpose = Purpose { kind: WaitKind::Exit, at };
        self.source.poll(purpose, cx, |_| self.grouped.try_reap()?.ok_or_else(|| io::ErrorKind::WouldBlock.into()))
    }

    /// Looks, and reaps.
    pub(super) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        self.grouped.try_reap()
    }

    /// Kills the child; with its group, if that is to end with it.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.grouped.kill()
    }

    /// Nobody will wait for it any more: sees to it that it is reaped all the same (P1).
    pub(super) fn abandon(mut self, kill: bool) {
        // An error says that it is another user's by now (a set-uid program): then it is left to run.
        let killed = kill && self.kill().is_ok();
        reap_orphans();
        if self.grouped.is_gone() {
            return;
        }
        // The runtime in which it was waited for may have ended, and its source with it.
        self.source = source_of(&self.grouped.process, self.ear.as_ref());
        let home = Handle::try_current().ok().or_else(|| self.home.clone());
        let reaper = Reaper { running: Some(self), killed, at: Location::caller() };
        // Without a runtime it is dropped here, and its drop does what is left to do; so it is in one that has shut down.
        if let Some(home) = home {
            drop(TaskBuilder::new().name("reaper").daemon(true).spawn_on(reaper, &home));
        }
    }
}

/// What is registered to hear of its exit, with whoever waits first.
fn source_of(process: &Process, ear: Option<&Ear>) -> SourceHandle {
    match (process.exit_fd(), ear) {
        // The first thing to do about it is to wait, and an exit before that is reported when it is registered.
        (Some(fd), _) => SourceHandle::connecting(fd, Interest::READABLE),
        // Bells ring once: it may have exited before we listened, so the first wait looks by itself.
        (None, Some(ear)) => SourceHandle::new(ear.as_raw_fd(), Interest::READABLE),
        (None, None) => unreachable!("a child without a pidfd was given an ear"),
    }
}

/// Waits for a child that nobody else waits for.
struct Reaper {
    /// Until it is reaped.
    running: Option<Running>,
    /// It was sent SIGKILL, so it will not run for long.
    killed: bool,
    /// The wait reason.
    at: &'static Location<'static>,
}

impl Future for Reaper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &self.running else { return Poll::Ready(()) };
        let outcome = std::task::ready!(running.poll_exit(self.at, cx));
        if outcome.is_ok() {
            self.running = None;
        }
        Poll::Ready(()) // with the child, if it could not be waited for; then the drop goes on
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let Some(Running { source, grouped, ear, home }) = self.running.take() else { return };
        drop((source, home));
        if self.killed {
            grouped.process.await_exit(KILLED_MS);
        }
        if !grouped.is_gone() {
            adopt(grouped, ear);
        }
    }
}
