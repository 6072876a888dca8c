//! Forks: how a process finds out that it is a copy, and what in the copy is not its own.
//!
//! ```text
//!    parent   threads A B C ───> goes on
//!                      │ fork
//!    child             └──> B alone: copies of all memory, and the *same* epoll sets, eventfds, timers, sockets
//! ```
//!
//! An epoll set is shared between the two processes, so what the child adds, takes out or waits for there it does to the parent.
//! The threads that would run the parent's tasks are not in the child. So nothing of the parent's runtimes works there, and
//! nothing of theirs may be touched; but a new runtime has descriptors and threads of its own.
//!
//! - **F1** The generation is written in one place, the hook, which the C library calls in a child before `fork` returns there;
//!   then that process has one thread. It differs from those of all processes that this one's memory was copied from.
//! - **F2** Whoever holds descriptors or threads keeps the [`Origin`] of both, and asks it before he uses them.
//! - **F3** In a child nothing is current: the hook takes everything off the thread's context, its core, its runtime and its task.
//!   So who asks for those needs not ask about forks as well, and the hot paths (spawn, wake, timers, the loop after a poll) pay
//!   nothing for them.
//! - **F4** A value of the whole process that has a lock in it, or a descriptor, is a [`PerProcess`]: a lock that another thread held
//!   at the fork is held for ever in the child, for that thread is not there to give it back.
//!
//! A child of `Command` execs at once and is none of this; so is one that was made around the C library's `fork`, by `vfork`,
//! `_Fork` or a bare `clone`: the hook does not run, and nobody notices.
//!
//! INSTEAD OF: asking for the process id, which is a system call each time.

#![allow(unsafe_code, reason = "hooks into fork, and writes and ends a process as a forked child may")]

use std::io;
use std::panic::Location;
use std::ptr;

use crate::base::atomic::Ordering;
use crate::base::atomic::unmodelled::{AtomicPtr, AtomicU32};
use crate::base::context;

/// What to do, for all who meet something of the parent's.
pub(crate) const CURE: &str = "start programs with `process::Command`, or call exec or _exit in the child at once, or build a \
                               new runtime there";
/// The code with which a child ends that comes back from a poll: EX_SOFTWARE of sysexits.h.
const EXIT_CODE: libc::c_int = 70;

/// How many forks lie between this process and the first of ours (F1).
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// 1 once the hook is there.
static IS_HOOKED: AtomicU32 = AtomicU32::new(0);

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(u32);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        hook();
        Self(generation())
    }

    /// Is it still the same? One load and no more.
    #[inline(always)]
    pub(crate) fn is_here(self) -> bool {
        self.0 == generation()
    }

    /// Panics on the caller's line if not.
    #[inline]
    #[track_caller]
    pub(crate) fn require(self, what: &str) {
        if !self.is_here() {
            refuse(what);
        }
    }
}

#[inline(always)]
fn generation() -> u32 {
    // ORDER: Relaxed, F1: where it was written there was one thread, and all that came later were made by it.
    GENERATION.load(Ordering::Relaxed)
}

/// No lock and no `Once`: a child could find either held for ever (F4). Two threads that come at once hook twice, which counts by
/// two and is as good.
#[cold]
fn hook() {
    // ORDER: Acquire, pairs with the Release below: who sees it forks with the hook in place.
    if IS_HOOKED.load(Ordering::Acquire) == 1 {
        return;
    }
    // SAFETY: the function lives as long as the program, and does in a child only what a signal handler might: see there.
    let outcome = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    assert_eq!(outcome, 0, "out of memory for a dozen bytes");
    // ORDER: Release, pairs with the Acquire above.
    IS_HOOKED.store(1, Ordering::Release);
}

/// F1 and F3. Plain stores to static memory and to a thread-local that has no destructor: no lock, no allocation.
extern "C" fn in_child() {
    // ORDER: Relaxed, F1.
    GENERATION.fetch_add(1, Ordering::Relaxed);
    context::forget_all();
}

/// For what can fail: what was asked for is another process's.
pub(crate) fn inherited() -> io::Error {
    io::Error::other(format!("this belongs to the process that this one was forked from: {CURE}"))
}

/// For what cannot.
#[cold]
#[track_caller]
pub(crate) fn refuse(what: &str) -> ! {
    panic!("`{what}` in a forked process, and the runtime belongs to the process that it was forked from: {CURE}")
}

/// A poll has returned in a forked child, whose thread would now go on as a worker of its parent's. Nothing can be unwound here,
/// since whatever lies below on the stack belongs to the parent's runtime.
#[cold]
pub(crate) fn end_child(spawned_at: Option<&Location<'_>>) -> ! {
    match spawned_at {
        Some(at) => end(&format!("the poll of the task spawned at {at}")),
        None => end("the poll of a task"),
    }
}

/// The same of whatever else runs on a worker's thread.
#[cold]
pub(crate) fn end_worker() -> ! {
    end("user code on a worker's thread")
}

fn end(what: &str) -> ! {
    say(&format!(
        "mainspring: a forked process came back from {what}, and the runtime that would go on is its parent's; it ends here with \
         code {EXIT_CODE}: {CURE}"
    ));
    // SAFETY: ends the process, and runs nothing that the parent has registered for its own end.
    unsafe { libc::_exit(EXIT_CODE) }
}

/// One line to stderr, without std's lock, which the fork may have left held.
pub(crate) fn say(line: &str) {
    let line = format!("{line}\n");
    // SAFETY: reads so many bytes of a string that lives across the call. Who cannot write has nobody to tell.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// A value that a whole process shares, and that a forked child has anew (F4). What was made is never freed, so that anybody may
/// look at it at any moment, a signal handler too.
pub(crate) struct PerProcess<T: 'static> {
    /// The latest; null before the first.
    latest: AtomicPtr<Made<T>>,
}

/// A value, and the process in which it was made.
struct Made<T> {
    origin: Origin,
    value: T,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self { latest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The latest, be it this process's or one that it was forked from.
    pub(crate) fn latest(&self) -> Option<&'static T> {
        self.made().map(|made| &made.value)
    }

    /// This process's own.
    pub(crate) fn here(&self) -> Option<&'static T> {
        self.made().filter(|made| made.origin.is_here()).map(|made| &made.value)
    }

    /// This process's own; made if there is none. Nobody waits for anybody: of two that are made at once one is thrown away.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &'static T {
        self.here().unwrap_or_else(|| self.put(make()))
    }

    /// The same, if the value is there already.
    pub(crate) fn put(&self, value: T) -> &'static T {
        let new = Box::into_raw(Box::new(Made { origin: Origin::here(), value }));
        loop {
            // ORDER: Acquire, as in `made`.
            let before = self.latest.load(Ordering::Acquire);
            if let Some(first) = self.here() {
                // SAFETY: from `into_raw` just now, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                return first;
            }
            // ORDER: Release, pairs with the Acquire in `made`: publishes what `new` points at.
            if self.latest.compare_exchange(before, new, Ordering::Release, Ordering::Relaxed).is_ok() {
                // SAFETY: as in `made`: it is published now, and never freed.
                return unsafe { &(*new).value };
            }
        }
    }

    fn made(&self) -> Option<&'static Made<T>> {
        // ORDER: Acquire, pairs with the compare-exchange in `put`.
        let latest = self.latest.load(Ordering::Acquire);
        // SAFETY: null, or from `into_raw` in `put`, which published it; what was published is never freed.
        unsafe { latest.as_ref() }
    }
}
