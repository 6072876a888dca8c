#![allow(unsafe_code, reason = "reads a source line that is kept as a pointer in an atomic")]
//! Who holds a lock, and who waits for it: written by them, read by whoever asks.

use crate::base::atomic::{AtomicPtr, AtomicU64, Ordering, const_outside_models};
use crate::task;
use std::panic::Location;
use std::{fmt, ptr};

/// The task that got the lock last, and where. Two plain stores each time; it says nothing about whether the lock is held.
pub(super) struct Holder {
    /// Its number; 0 for a plain thread or a stranger's executor.
    task: AtomicU64,
    /// The line of the user's code; null before the first time.
    at: AtomicPtr<Location<'static>>,
}

/// A task and a line of the user's code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The task's number; 0 for a plain thread or a stranger's executor.
    pub(crate) task: u64,
    pub(crate) at: &'static Location<'static>,
}

/// Who waits, as a dump shows it: the first few, and how many there are.
pub(crate) struct Waiters {
    pub(super) shown: Vec<Place>,
    pub(super) count: usize,
}

impl Waiters {
    /// More than these nobody reads.
    pub(super) const SHOWN_MAX: usize = 8;
}

impl Holder {
    const_outside_models! {
        pub(super) const fn new() -> Self {
            Self { task: AtomicU64::new(0), at: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// The running task has it now, by this line.
    #[inline]
    pub(super) fn set(&self, at: &'static Location<'static>) {
        let task = task::try_id().map_or(0, task::Id::as_u64);
        // ORDER: Relaxed, for people; a reader may see the two words of two holders.
        self.task.store(task, Ordering::Relaxed);
        self.at.store(ptr::from_ref(at).cast_mut(), Ordering::Relaxed);
    }

    /// Who had it last, if anybody ever had.
    pub(super) fn get(&self) -> Option<Place> {
        // ORDER: Relaxed, as in `set`.
        let (task, at) = (self.task.load(Ordering::Relaxed), self.at.load(Ordering::Relaxed));
        // SAFETY: null, or written by `set` from a `&'static Location`.
        Some(Place { task, at: unsafe { at.as_ref() }? })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            0 => write!(f, "no task of ours, at {}", self.at),
            task => write!(f, "task {task}, at {}", self.at),
        }
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(&self.shown);
        match self.count - self.shown.len() {
            0 => list.finish(),
            more => list.entry(&format_args!("and {more} more")).finish(),
        }
    }
}
