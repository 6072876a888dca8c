//! Children that have outlived their `Child` and every runtime that could reap them.
//!
//! ```text
//!   orphan ──> the book ──pidfd──> epoll set of `mainspring-reaper` ──exit──> reaped ──none left──> the thread ends
//!                 └── no thread to be had: looked through at every spawn and drop of a child
//! ```
//!
//! Somebody has to wait for the exit, or the child is a zombie for as long as this process lives. Where a runtime lives that
//! is one of its tasks, so this thread exists only when a child outlives them; it has a name, and ends with the last orphan.
//!
//! INSTEAD OF: leaving them to the next spawn or drop of a child, which may never come.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use super::running::Grouped;
use crate::base::atomic::{Mutex, MutexGuard};
use crate::base::sys::{self, Ear, PerProcess};

/// All of them. A forked process has none: its parent's orphans are its siblings.
static BOOK: PerProcess<Mutex<Book>> = PerProcess::new();

/// Enough for a loop over system calls.
const STACK: usize = 128 << 10;

/// See the chapter above.
struct Book {
    /// Those that still run, and those that have exited since the last look.
    orphans: Vec<Orphan>,
    /// The way to the thread. None while there is none.
    watch: Option<Watch>,
}

/// The ends of the thread's epoll set that others hold.
struct Watch {
    /// For adding an orphan while the thread sleeps.
    registry: Registry,
    /// For telling it that none is left.
    waker: Arc<mio::Waker>,
}

/// A child that nobody waits for.
struct Orphan {
    /// The child.
    grouped: Grouped,
    /// SIGCHLD's bell, where there is no pidfd.
    ear: Option<Ear>,
}

impl Orphan {
    fn fd(&self) -> Option<RawFd> {
        self.ear.as_ref().map(AsRawFd::as_raw_fd).or_else(|| self.grouped.exit_fd())
    }
}

fn book() -> MutexGuard<'static, Book> {
    BOOK.get_or_make(|| Mutex::new(Book { orphans: Vec::new(), watch: None })).lock()
}

/// Takes over a child that runs. No runtime will reap it.
pub(super) fn adopt(grouped: Grouped, ear: Option<Ear>) {
    let mut book = book();
    let orphan = Orphan { grouped, ear };
    if book.watch.is_none() {
        book.watch = start_watching().ok(); // else it is left to the next spawn or drop
    }
    if let (Some(watch), Some(fd)) = (&book.watch, orphan.fd()) {
        // An exit before this moment is reported now. An error leaves it to the next look, whatever that is for.
        let _ = watch.registry.register(&mut SourceFd(&fd), Token(0), Interest::READABLE);
    }
    book.orphans.push(orphan);
}

/// Reaps those that have exited since the last look.
pub(super) fn reap_orphans() {
    let mut book = book();
    if book.orphans.is_empty() {
        return;
    }
    book.look();
    if let (true, Some(watch)) = (book.orphans.is_empty(), &book.watch) {
        let _ = watch.waker.wake(); // only a thread that idles on is at stake
    }
}

impl Book {
    /// A dropped orphan closes its descriptor, which takes it out of the epoll set.
    fn look(&mut self) {
        self.orphans.retain(|orphan| !orphan.grouped.is_gone());
    }
}

fn start_watching() -> io::Result<Watch> {
    let poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    let waker = Arc::new(mio::Waker::new(&registry, Token(1))?);
    let kept = waker.clone();
    sys::spawn_thread("mainspring-reaper".into(), Some(STACK), move || watch(poll, &kept))?;
    Ok(Watch { registry, waker })
}

/// The thread's body. `_waker` belongs to the epoll set, and must not be closed before it.
fn watch(mut poll: Poll, _waker: &mio::Waker) {
    let mut events = Events::with_capacity(64);
    loop {
        let outcome = poll.poll(&mut events, None);
        let mut book = book();
        book.look();
        let is_broken = outcome.is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        if is_broken || book.orphans.is_empty() {
            book.watch = None; // under the lock: who comes now starts another
            return;
        }
    }
}
