#![allow(unsafe_code, reason = "forks, and watches and ends the children")]
//! Forking, for the cases of PRC-10: children that are watched and heard, and the places in a runtime where a fork can happen.

use mainspring::runtime::Runtime;
use mainspring::signal::SignalKind;
use mainspring::task::{block_in_place, spawn_local};
use std::future::Future;
use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::ExitStatus;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child may take; all of them take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A child, and what it says on stderr.
pub(crate) struct Forked {
    pid: libc::pid_t,
    says: PipeReader,
}

impl Forked {
    /// Waits for its end; a child that does not end is killed. Gives its status, and what it has said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = wait_for(self.pid);
        let mut said = String::new();
        self.says.read_to_string(&mut said).expect("it is a pipe");
        (status.unwrap_or_else(|| panic!("the child hangs; it said: {said}")), said)
    }

    #[track_caller]
    pub(crate) fn assert_fine(self) -> String {
        let (status, said) = self.end();
        assert_eq!(status.code(), Some(0), "{status}: {said}");
        said
    }
}

/// Reaps a child; one that does not end in time is killed, and then there is no status.
fn wait_for(pid: libc::pid_t) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        let (is_over, mut status) = (started.elapsed() > PATIENCE, 0);
        if is_over {
            // SAFETY: two integers; the child is not reaped, so the number means it.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        // SAFETY: integers, and one of ours that lives across the call.
        let reaped = unsafe { libc::waitpid(pid, &raw mut status, if is_over { 0 } else { libc::WNOHANG }) };
        assert!(reaped >= 0, "it is our child, and nobody else waits for it");
        if reaped == pid {
            return (!is_over).then(|| ExitStatus::from_raw(status));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Forks; `None` in the child, whose stderr is a pipe from here on.
pub(crate) fn fork() -> Option<Forked> {
    let (says, to_say) = std::io::pipe().expect("descriptors are to be had");
    // SAFETY: the child does what these cases are about, and ends before it returns from `main`.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: two descriptors that are open.
            unsafe { libc::dup2(to_say.as_raw_fd(), libc::STDERR_FILENO) };
            None
        }
        pid => {
            assert!(pid > 0, "a process is to be had");
            Some(Forked { pid, says })
        }
    }
}

/// Forks a child that does this and exits, with 101 for a panic.
pub(crate) fn fork_to(body: impl FnOnce()) -> Forked {
    fork().unwrap_or_else(|| {
        let is_fine = catch_unwind(AssertUnwindSafe(body)).is_ok();
        exit(if is_fine { 0 } else { 101 });
    })
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process, without what the parent has set up for its own end.
    unsafe { libc::_exit(code) }
}

pub(crate) fn raise(kind: SignalKind) {
    let process = i32::try_from(std::process::id()).expect("process ids are positive");
    // SAFETY: two integers; the signal goes to this process, which has a handler for it.
    assert_eq!(unsafe { libc::kill(process, kind.as_raw_value()) }, 0);
}

/// What a closure panics with.
pub(crate) fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).err().expect("it panics");
    payload.downcast_ref::<String>().cloned().expect("with a message that was put together")
}

pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Where a fork can happen: each runs this closure there, once.
pub(crate) type Place = fn(&Runtime, fn() -> Option<Forked>) -> Option<Forked>;

fn in_a_task(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    runtime.block_on(runtime.spawn(async move { fork() })).expect("no panic")
}

fn in_main(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    runtime.block_on(async move { fork() })
}

fn in_a_local_task(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    runtime.block_on(async move { spawn_local(async move { fork() }).await }).expect("no panic")
}

fn in_a_job(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    runtime.block_on(runtime.handle().spawn_blocking(fork)).expect("no panic")
}

fn in_a_dedicated_thread(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    let spawn = async move { mainspring::thread::spawn(fork).expect("threads are to be had").await };
    runtime.block_on(spawn).expect("no panic")
}

pub(crate) fn in_place(runtime: &Runtime, fork: fn() -> Option<Forked>) -> Option<Forked> {
    runtime.block_on(runtime.spawn(async move { block_in_place(fork) })).expect("no panic")
}

pub(crate) const PLACES: [Place; 5] = [in_a_task, in_a_job, in_a_dedicated_thread, in_main, in_a_local_task];
/// Of the first of these the message always knows the task. The last two run without a core while all workers are busy.
pub(crate) const KNOWN: usize = 3;
