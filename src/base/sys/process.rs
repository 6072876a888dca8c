//! A child process that is not reaped yet: looking after it, killing it, reaping it.
//!
//! As long as a child is not reaped its number, and that of the group it leads, belong to nobody else. That is what makes it
//! safe to signal them. A stranger's `waitpid(-1)` can take the child away from us; so it is known by a pidfd where there is
//! one, and where there is none every signal is preceded by the question whether the child is still ours.

#![allow(unsafe_code, reason = "waits for and signals child processes through libc")]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use super::{Origin, PidFd};

/// A child of this process, until it is reaped.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number, which is that of its group too, if it leads one.
    pid: libc::pid_t,
    /// The better way to name it.
    pidfd: Option<PidFd>,
    /// Whose child it is: not that of a process that was forked off since, whatever descriptors that has.
    origin: Origin,
}

impl Process {
    /// Takes over a child that was just started. Nobody of ours has waited for it, so the number still means this child.
    pub(crate) fn adopt(child: &Child) -> Self {
        let pid = libc::pid_t::try_from(child.id()).expect("the system's process ids are positive and fit its own type");
        Self { pid, pidfd: PidFd::open(pid), origin: Origin::here() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// ECHILD where it is a child of the process that this one was forked from.
    pub(crate) fn require_ours(&self) -> io::Result<()> {
        if self.origin.is_here() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ECHILD)) }
    }

    /// Becomes readable when the child exits, if there is such a descriptor.
    pub(crate) fn exit_fd(&self) -> Option<RawFd> {
        self.pidfd.as_ref().map(PidFd::fd)
    }

    /// Reaps the child if it has exited. ECHILD: somebody else has.
    pub(crate) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        self.wait(libc::WEXITED | libc::WNOHANG)
    }

    /// Has the child exited? Either way it is not reaped. ECHILD: somebody else has reaped it.
    pub(crate) fn has_exited(&self) -> io::Result<bool> {
        Ok(self.wait(libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)?.is_some())
    }

    /// Blocks until the child has exited and reaps it.
    pub(crate) fn reap(&self) -> io::Result<Option<ExitStatus>> {
        self.wait(libc::WEXITED)
    }

    fn wait(&self, how: libc::c_int) -> io::Result<Option<ExitStatus>> {
        let by_number = (libc::P_PID, self.pid.cast_unsigned());
        let by_fd = self.pidfd.as_ref().map(PidFd::to_wait_for);
        match wait_id(by_fd.unwrap_or(by_number), how) {
            // A kernel that opens such descriptors and cannot wait for them (5.3).
            Err(error) if by_fd.is_some() && error.raw_os_error() == Some(libc::EINVAL) => wait_id(by_number, how),
            outcome => outcome,
        }
    }

    /// SIGKILL to this child. One that has exited, or was reaped by somebody else, is left alone.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.require_ours()?;
        match &self.pidfd {
            Some(pidfd) => match pidfd.kill() {
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                outcome => outcome,
            },
            None => self.signal(self.pid),
        }
    }

    /// SIGKILL to everybody in the group that this child leads.
    pub(crate) fn kill_group(&self) -> io::Result<()> {
        self.signal(-self.pid)
    }

    /// SIGKILL by number, as long as the number is ours.
    fn signal(&self, whom: libc::pid_t) -> io::Result<()> {
        match self.has_exited() {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            outcome => outcome?,
        };
        // SAFETY: two integers. The child is not reaped, so its number means it, or the group it leads, and nobody else.
        if unsafe { libc::kill(whom, libc::SIGKILL) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
    }

    /// Blocks until the child has exited or the time is over; not at all where there is no descriptor to wait for.
    pub(crate) fn await_exit(&self, timeout_ms: u16) {
        let Some(fd) = self.exit_fd() else { return };
        let mut wanted = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: all zeros is a valid set of signals, the empty one.
        let mut all: libc::sigset_t = unsafe { mem::zeroed() };
        let mut before = all;
        // SAFETY: the set is ours.
        unsafe { libc::sigfillset(&raw mut all) };
        // With every signal put off: a storm of them must not end the wait, and leave a zombie.
        // SAFETY: two sets of ours that live across the call.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        // SAFETY: one entry, ours, that lives across the call.
        unsafe { libc::poll(&raw mut wanted, 1, timeout_ms.into()) };
        // SAFETY: as above; the set is what the first call has filled in.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    }
}

/// `waitid`, which unlike `waitpid` knows pidfds and can look without reaping.
fn wait_id((kind, id): (libc::idtype_t, libc::id_t), how: libc::c_int) -> io::Result<Option<ExitStatus>> {
    // SAFETY: all zeros is a valid value of this structure, and says that no child has changed.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    loop {
        // SAFETY: integers, and a structure of ours that lives across the call, which fills it.
        if unsafe { libc::waitid(kind, id, &raw mut info, how) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: the structure is all zeros, or what `waitid` has filled in for a child: either has this field.
    if unsafe { info.si_pid() } == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    // The word that `wait` would give, which is what std makes a status of.
    Ok(Some(ExitStatus::from_raw(match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    })))
}
