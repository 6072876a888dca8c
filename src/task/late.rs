//! Late wakes: made when the present batch of polls is over, and not before.
//!
//! A worker polls in batches: so many tasks as are ready, at most 61, and at most a millisecond long if they let it. Whoever is
//! woken late comes after all of them. So while there is other work a late wake costs the woken task that much, and where there is
//! none it costs nothing, for then the batch ends at once. Those who pass on a lock use it (`sync::passing`).
//!
//! - **B1** A late wake is made by the worker that was asked, after the poll in which it was asked and before it sleeps; or by
//!   whoever gets its core; or, if it is stuck in that poll, by the sibling that looks after it (`sched::rescue`).
//! - **B2** Only a task of the worker's own runtime is woken late ([`home_of`]), which cannot go on before its worker does, or a
//!   sibling. Somebody else could: a thread, a task of another runtime, a stranger's executor inside that very poll. Then the poll may
//!   stop the worker to wait for him, and nobody be left to wake him.

use super::budget::TIME_SLICE;
use super::waker::is_our_waker;
use crate::base::atomic::{AtomicBool, AtomicU32, Mutex, Ordering, UNDER_LOOM};
use crate::base::inject::trim;
use crate::base::quiet::quietly;
use std::collections::VecDeque;
use std::task::Waker;

/// One worker's.
#[derive(Debug)]
pub(crate) struct Late {
    /// The number of the present batch. Those of two workers begin far from each other.
    batch: AtomicU32,
    /// Is anybody to be woken? Written under the lock.
    any: AtomicBool,
    wakers: Mutex<VecDeque<Waker>>,
}

impl Late {
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            batch: AtomicU32::new((worker as u32).wrapping_shl(24) + 1),
            any: AtomicBool::new(false),
            wakers: Mutex::new(VecDeque::new()),
        }
    }

    /// The number of the present batch; while it stands still, the worker is in one poll after the other, or in one.
    pub(crate) fn number(&self) -> u32 {
        // ORDER: Relaxed, one writer, the core's holder; others only ask whether it stands still.
        self.batch.load(Ordering::Relaxed)
    }

    /// The batch is over.
    #[inline]
    pub(crate) fn end_batch(&self) {
        // ORDER: Relaxed, one writer, the core's holder.
        self.batch.store(self.number().wrapping_add(1), Ordering::Relaxed);
        self.wake_all();
    }

    /// Makes the late wakes; true if there were any.
    #[inline]
    pub(crate) fn wake_all(&self) -> bool {
        // ORDER: Relaxed, what this thread has written it sees; another thread's look is made again.
        let any = self.any.load(Ordering::Relaxed);
        if any {
            self.wake_some();
        }
        any
    }

    /// Those that there are now: whoever is woken may ask for others.
    #[inline(never)]
    fn wake_some(&self) {
        let count = self.wakers.lock().len();
        for waker in (0..count).map_while(|_| self.pop()) {
            quietly(|| waker.wake());
        }
    }

    fn push(&self, waker: Waker) {
        let mut wakers = self.wakers.lock();
        wakers.push_back(waker);
        // ORDER: Relaxed, as in `wake_all`.
        self.any.store(true, Ordering::Relaxed);
    }

    fn pop(&self) -> Option<Waker> {
        let mut wakers = self.wakers.lock();
        let first = wakers.pop_front();
        if wakers.is_empty() {
            trim(&mut wakers);
        }
        // ORDER: Relaxed, as in `wake_all`.
        self.any.store(!wakers.is_empty(), Ordering::Relaxed);
        first
    }
}

/// The number of the batch in which this thread is; 0 where there are none.
pub(crate) fn batch() -> u32 {
    TIME_SLICE.with(|slice| slice.map_or(0, |slice| slice.late.number()))
}

/// Is this thread in that batch?
pub(crate) fn is_batch(number: u32) -> bool {
    number != 0 && number == batch()
}

/// The runtime whose worker this thread is; 0 if it is none's.
fn here() -> usize {
    TIME_SLICE.with(|slice| slice.map_or(0, |slice| slice.runtime))
}

/// The runtime by whose workers alone this may be woken late: the present one, if it is a task's that waits now; otherwise 0 (B2).
pub(crate) fn home_of(waker: &Waker) -> usize {
    match is_our_waker(waker) {
        _ if UNDER_LOOM => 1, // models have no tasks
        true => here(),
        false => 0,
    }
}

/// Is this thread a worker of that runtime?
pub(crate) fn is_home(runtime: usize) -> bool {
    runtime != 0 && runtime == here()
}

/// Wakes when the present batch is over; at once where there is none.
pub(crate) fn wake_late(waker: Waker) {
    let now = TIME_SLICE.with(|slice| match slice {
        Some(slice) => {
            slice.late.push(waker);
            None
        }
        None => Some(waker),
    });
    now.into_iter().for_each(Waker::wake);
}
