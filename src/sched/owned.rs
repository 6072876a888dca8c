#![allow(unsafe_code, reason = "walks plain links inside the cells, and counts what keeps their home alive")]
//! The registry: every live task of one home, in a list whose links stand in the cells.
//!
//! It costs no lock and no allocation, because only one thread at a time may touch it: the holder of the core (or, for
//! local tasks, the thread they belong to).
//!
//! - **R1** A task is linked in exactly the list whose address its `home` names, from its first dequeueing (or its spawn
//!   on a core) until it is finished, and `flags.linked` says so.
//! - **R2** The list owns one reference to each of its tasks (T3), so every pointer in it is good.
//! - **R3** A list is touched by the holder of its core alone. It travels with the core, never shared.
//!
//! The [`Census`] stands here for the same reason: cells point at their home with a plain pointer, and the home must
//! outlive them (T7) without an atomic increment a spawn. Each holder counts births less deaths in a plain number; only
//! what happens elsewhere is atomic; the two are added when the holder leaves.
//!
//! Cases of the catalogue: SHD-02, TSK-08.

use crate::base::atomic::{AtomicIsize, Ordering};
use crate::task::{Dead, Finished, Header, Queued};
use std::cell::Cell;
use std::ptr;

/// One home's live tasks.
#[derive(Debug)]
pub(crate) struct Owned {
    /// The youngest task.
    head: Cell<*const Header>,
    len: Cell<usize>,
    /// The home whose tasks these are.
    home: *const (),
}

// SAFETY: R3: the list goes from holder to holder together with its core, and its cells are reached by the holder alone.
unsafe impl Send for Owned {}

impl Owned {
    /// An empty list for the tasks of `home`.
    pub(crate) fn new<S>(home: &S) -> Self {
        Self { head: Cell::new(ptr::null()), len: Cell::new(0), home: ptr::from_ref(home).cast() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Takes a task in that no list knows yet. The token says that nobody else is looking at its links.
    #[inline]
    pub(crate) fn link(&self, task: &Queued) {
        let header = task.header();
        let mut flags = header.flags.get();
        assert!(!flags.linked, "a task is linked once");
        flags.linked = true;
        header.flags.set(flags);
        header.set_home(self.home);
        let next = self.head.get();
        header.links.next.set(next);
        header.links.previous.set(ptr::null());
        // SAFETY: by R2 the head is null or a live task of this list, and by R3 we alone touch its links.
        if let Some(next) = unsafe { next.as_ref() } {
            next.links.previous.set(header);
        }
        self.head.set(header);
        self.len.set(self.len.get() + 1);
    }

    /// Is this task in this list?
    #[inline]
    pub(crate) fn holds(&self, header: &Header) -> bool {
        ptr::eq(header.home(), self.home) && header.flags.get().linked
    }

    /// Takes a finished task out; its reference goes with `complete`.
    #[inline]
    pub(crate) fn unlink(&self, task: &Finished) {
        self.remove(task.header());
    }

    /// Takes a task out that was finished elsewhere, and gives its reference back.
    pub(crate) fn bury(&self, dead: Dead) {
        self.remove(dead.header());
        dead.bury();
    }

    #[inline]
    fn remove(&self, header: &Header) {
        assert!(self.holds(header), "R1: a task is unlinked from the list it stands in");
        let mut flags = header.flags.get();
        flags.linked = false;
        header.flags.set(flags);
        let (previous, next) = (header.links.previous.get(), header.links.next.get());
        // SAFETY: by R2 a neighbour is null or a live task of this list, and by R3 we alone touch its links.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.links.next.set(next),
            None => self.head.set(next),
        }
        // SAFETY: as above.
        if let Some(next) = unsafe { next.as_ref() } {
            next.links.previous.set(previous);
        }
        self.len.set(self.len.get() - 1);
    }

    /// Shows every task, the youngest first. `look` must not link or unlink (it has no token to do so with).
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Header)) {
        let mut at = self.head.get();
        // SAFETY: by R2 every pointer of the list is a live task, and `look` cannot change the list.
        while let Some(header) = unsafe { at.as_ref() } {
            at = header.links.next.get();
            look(header);
        }
    }
}

/// How many cells still point at a home.
#[derive(Debug)]
pub(crate) struct Census {
    /// Open shares times [`SHARE`], plus what was counted elsewhere, plus what closed shares brought in.
    count: AtomicIsize,
}

/// More than there can ever be cells, so that the count is not near zero while a share is open; and 1,024 of them fit.
const SHARE: isize = isize::MAX >> 11;

impl Census {
    pub(crate) fn new(shares: usize) -> Self {
        let shares = isize::try_from(shares).expect("a small number of cores");
        Self { count: AtomicIsize::new(shares * SHARE) }
    }

    /// A death that happened where no share was at hand. True if nothing points at the home any more.
    #[must_use = "the last one gives the cells' strong count back"]
    pub(crate) fn add(&self, change: isize) -> bool {
        // ORDER: AcqRel, pairs with itself, as in `Arc`: the one who frees has seen all that the others did.
        self.count.fetch_add(change, Ordering::AcqRel) + change == 0
    }

    /// A birth where no share is at hand. True if it is the first since the count was zero: a handle may outlive the cores
    /// and spawn, and then the cells need a strong count again.
    #[must_use = "the first one takes a strong count for the cells"]
    pub(crate) fn born_outside(&self) -> bool {
        // ORDER: AcqRel, as in `add`.
        self.count.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// A holder leaves: what it counted comes in. True if nothing points at the home any more.
    #[must_use = "the last one frees the home"]
    pub(crate) fn close(&self, share: &Share) -> bool {
        self.add(share.0.get() - SHARE)
    }
}

/// One holder's plain count.
#[derive(Debug)]
pub(crate) struct Share(Cell<isize>);

impl Share {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(0))
    }

    #[inline]
    pub(crate) fn add(&self, change: isize) {
        self.0.set(self.0.get() + change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, model, model_thread};
    use std::sync::Arc;

    #[test]
    fn model_tsk_08_exactly_one_sees_the_last_cell_go() {
        model(|| {
            let census = Arc::new((Census::new(1), AtomicU32::new(0)));
            let share = Share::new();
            share.add(2);
            let elsewhere: Vec<_> = (0..2)
                .map(|_| {
                    let census = census.clone();
                    model_thread::spawn(move || {
                        if census.0.add(-1) {
                            census.1.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            if census.0.close(&share) {
                census.1.fetch_add(1, Ordering::AcqRel);
            }
            elsewhere.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert_eq!(census.1.load(Ordering::Acquire), 1);
        });
    }

    #[test]
    fn shd_02_a_birth_after_the_last_death_is_a_first_one_again() {
        let census = Census::new(1);
        assert!(!census.born_outside());
        assert!(!census.add(-1));
        assert!(census.close(&Share::new()));
        assert!(census.born_outside());
        assert!(!census.born_outside());
        assert!(!census.add(-1));
        assert!(census.add(-1));
    }
}
