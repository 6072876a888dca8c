//! What a task waits for: written by the leaf that registers it, read by whoever asks.
//!
//! Two relaxed stores a wait, and one a poll that takes the last note away: which is what it costs to be able to answer
//! "where is everybody?" at any time. With the two counts and what the worker publishes about itself that makes 10
//! instructions a poll (tests/always_on.sh).
//!
//! A leaf calls [`note`] just before it returns `Pending`. Each poll begins without a note, so that a task which now waits
//! for a stranger's future is not said to wait for what came before.

use super::budget::TIME_SLICE;
use super::header::{CURRENT, Header};
use crate::base::atomic::Ordering;
use std::cell::Cell;
use std::panic::Location;
use std::{fmt, ptr};

/// What kind of thing a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WaitKind {
    /// It has not waited yet, or for something that is none of ours. No leaf notes this.
    Other = 0,
    Sleep,
    Read,
    Write,
    Accept,
    Connect,
    Readable,
    Writable,
    Join,
    Yield,
    Lookup,
    Signal,
    Exit,
    /// A job of the pool that does something with files.
    Files,
    /// Its turn at a file.
    Turn,
    Lock,
    ReadLock,
    WriteLock,
    /// Permits of a semaphore.
    Permit,
    Notified,
    Barrier,
    /// The value of a cell that another task is making.
    Once,
    Condvar,
    /// Room in a channel.
    Send,
    /// A message.
    Receive,
    /// The other end of a channel to go away.
    Closed,
    /// A new value in a watched place.
    Changed,
    /// The end of all the work in a queue.
    QueueJoin,
    /// The children of a scope.
    Children,
    /// A cancel.
    Cancel,
    /// Room in a scope that has a limit.
    Room,
    /// The next output of a `map_on`.
    Output,
    /// Its turn, and room in the window, to work ahead for one.
    Window,
    /// A place in the queue of blocking jobs.
    Place,
    /// The first of several futures.
    Race,
    /// All of several futures.
    Gather,
    /// An answer, of one of two copies.
    Hedge,
}

/// The names, in the order of the numbers.
const KINDS: [WaitKind; 37] = [
    WaitKind::Other,
    WaitKind::Sleep,
    WaitKind::Read,
    WaitKind::Write,
    WaitKind::Accept,
    WaitKind::Connect,
    WaitKind::Readable,
    WaitKind::Writable,
    WaitKind::Join,
    WaitKind::Yield,
    WaitKind::Lookup,
    WaitKind::Signal,
    WaitKind::Exit,
    WaitKind::Files,
    WaitKind::Turn,
    WaitKind::Lock,
    WaitKind::ReadLock,
    WaitKind::WriteLock,
    WaitKind::Permit,
    WaitKind::Notified,
    WaitKind::Barrier,
    WaitKind::Once,
    WaitKind::Condvar,
    WaitKind::Send,
    WaitKind::Receive,
    WaitKind::Closed,
    WaitKind::Changed,
    WaitKind::QueueJoin,
    WaitKind::Children,
    WaitKind::Cancel,
    WaitKind::Room,
    WaitKind::Output,
    WaitKind::Window,
    WaitKind::Place,
    WaitKind::Race,
    WaitKind::Gather,
    WaitKind::Hedge,
];

/// One wait: what for, on which object, and the user's line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) kind: WaitKind,
    /// The object's number: a descriptor, a task's id, or what [`next_object`] gave. The low 56 bits are kept.
    pub(crate) object: u64,
    pub(crate) at: &'static Location<'static>,
}

/// Numbers for objects that have none by nature, such as locks. Every core has its own, so that nothing is shared, no two
/// cores of a runtime give the same, and two runs of one seed agree.
pub(crate) struct Objects {
    /// The next one.
    next: Cell<u64>,
    /// How many cores there are.
    step: u64,
}

impl Objects {
    /// Those of one core among so many.
    pub(crate) fn of_core(index: usize, cores: usize) -> Self {
        Self { next: Cell::new(index as u64 + 1), step: cores as u64 }
    }

    fn next(&self) -> u64 {
        self.next.replace(self.next.get() + self.step)
    }
}

/// A number that no other object of this runtime has; 0 where no core is at hand.
pub(crate) fn next_object() -> u64 {
    TIME_SLICE.with(|slice| slice.map_or(0, |slice| slice.objects.next()))
}

/// The object's number stands above the kind. So a wait without an object is a number that fits into the instruction
/// which stores it.
const OBJECT_SHIFT: u32 = 8;

/// The task being polled is about to wait for this. Outside a task it does nothing.
#[inline]
pub(crate) fn note(wait: Wait) {
    CURRENT.with(|header| {
        if let Some(header) = header {
            let word = (wait.object << OBJECT_SHIFT) | wait.kind as u64;
            // ORDER: Relaxed, for people; a reader may see the two words of two waits.
            header.wait_for.store(word, Ordering::Relaxed);
            // ORDER: Relaxed, as above.
            header.wait_at.store(ptr::from_ref(wait.at).cast_mut(), Ordering::Relaxed);
        }
    });
}

/// What the present poll waits for, it waits for at this line: a composite's user wants to see his own, not the composite's.
pub(crate) fn place(at: &'static Location<'static>) {
    CURRENT.with(|header| {
        if let Some(header) = header {
            // ORDER: Relaxed, as in `note`.
            header.wait_at.store(ptr::from_ref(at).cast_mut(), Ordering::Relaxed);
        }
    });
}

/// Kind and object in one word, as the last poll noted them; 0 if it waits for something that is none of ours.
#[inline]
pub(super) fn word(header: &Header) -> u64 {
    // ORDER: Relaxed, as in `note`.
    header.wait_for.load(Ordering::Relaxed)
}

/// What a task waits or last waited for, for a report.
pub(crate) fn of(header: &Header) -> Waiting {
    // ORDER: Relaxed, as in `note`.
    let word = header.wait_for.load(Ordering::Relaxed);
    // ORDER: Relaxed, as in `note`.
    let at = header.wait_at.load(Ordering::Relaxed);
    let at = if word == 0 { None } else { super::header::location(at) };
    let kind = KINDS.get((word & 0xff) as usize).copied().unwrap_or(WaitKind::Other);
    Waiting { kind, object: word >> OBJECT_SHIFT, at }
}

/// A wait as a report shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) kind: WaitKind,
    pub(crate) object: u64,
    /// None if the last poll waited for something that is none of ours.
    pub(crate) at: Option<&'static Location<'static>>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else { return f.write_str("something that is none of ours") };
        let object = self.object;
        match self.kind {
            WaitKind::Other => write!(f, "something at {at}"),
            WaitKind::Sleep => write!(f, "a timer, at {at}"),
            WaitKind::Exit => write!(f, "the end of a process, at {at}"),
            WaitKind::Signal => write!(f, "a signal, at {at}"),
            WaitKind::Yield => write!(f, "its next turn, at {at}"),
            WaitKind::Lookup => write!(f, "the addresses of a host, at {at}"),
            WaitKind::Join => write!(f, "task {object}, at {at}"),
            WaitKind::Files => write!(f, "blocking job {object} on files, at {at}"),
            WaitKind::Children => write!(f, "the end of {object} children of the scope at {at}"),
            WaitKind::Cancel => write!(f, "a cancel, at {at}"),
            WaitKind::Output => write!(f, "the next output of a `map_on`, at {at}"),
            WaitKind::Window => write!(f, "room in the window of the `map_on` at {at}"),
            WaitKind::Room => write!(f, "room for one more child of a scope, at {at}"),
            WaitKind::Race => write!(f, "the first of {object} in the race at {at}"),
            WaitKind::Gather => write!(f, "{object} of those that are gathered at {at}"),
            WaitKind::Hedge => write!(f, "the first answer of {object} copies, hedged at {at}"),
            WaitKind::Place => write!(f, "a place in the queue of blocking jobs, at {at}"),
            WaitKind::Turn => write!(f, "its turn at a file, at {at}"),
            WaitKind::Read => write!(f, "data on descriptor {object}, at {at}"),
            WaitKind::Write => write!(f, "room on descriptor {object}, at {at}"),
            WaitKind::Accept => write!(f, "a connection on descriptor {object}, at {at}"),
            WaitKind::Connect => write!(f, "a peer's answer on descriptor {object}, at {at}"),
            WaitKind::Readable => write!(f, "readability of descriptor {object}, at {at}"),
            WaitKind::Writable => write!(f, "writability of descriptor {object}, at {at}"),
            WaitKind::Lock => write!(f, "lock {object}, at {at}"),
            WaitKind::ReadLock => write!(f, "lock {object} for reading, at {at}"),
            WaitKind::WriteLock => write!(f, "lock {object} for writing, at {at}"),
            WaitKind::Permit => write!(f, "permits of semaphore {object}, at {at}"),
            WaitKind::Notified => write!(f, "a notification of {object}, at {at}"),
            WaitKind::Barrier => write!(f, "the others at barrier {object}, at {at}"),
            WaitKind::Once => write!(f, "the value of cell {object}, at {at}"),
            WaitKind::Condvar => write!(f, "condition {object}, at {at}"),
            WaitKind::Send => write!(f, "room in channel {object}, at {at}"),
            WaitKind::Receive => write!(f, "a message on channel {object}, at {at}"),
            WaitKind::Closed => write!(f, "the end of channel {object}, at {at}"),
            WaitKind::Changed => write!(f, "a change of watched value {object}, at {at}"),
            WaitKind::QueueJoin => write!(f, "the end of the work in queue {object}, at {at}"),
        }
    }
}
