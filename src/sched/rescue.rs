//! Looking after workers that are stuck: in a task that blocks, or held by a thread that is stuck elsewhere.
//!
//! A stuck worker is never robbed of its core, which its thread may touch at any instant. What is made for sharing is taken
//! care of: its driver is turned, timers included, its late wakes are made, and its ring, next-slot and inbox are emptied by half or
//! whole. Three look:
//! the guard, each time its nap ends (`idle`); a busy worker, every [`GUARD_NAP`](super::idle::GUARD_NAP) between two batches,
//! for when all others are busy nobody sleeps to stand guard; and a guest without a core, whose own timers stand with a worker.
//!
//! - **V1** Stuck is who is still in the same batch at the next look of the same watcher, and does not sleep in its driver. A
//!   batch is cut to a millisecond, and while it lasts nobody looks at that driver. So one that goes on for longer, with
//!   whatever polls, is a case for help; and a wrong guess does no harm: all that is touched is made for it.

use super::shared::{Shared, Worker};
use crate::base::wakers::Wakers;
use std::cell::RefCell;

/// One watcher's memory.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The workers' batches at the last look.
    seen: RefCell<Vec<u32>>,
}

impl Watch {
    pub(crate) fn new(workers: usize) -> Self {
        Self { seen: RefCell::new(vec![0; workers]) }
    }

    /// Shows every worker that is stuck, but for the watcher itself.
    pub(crate) fn for_each_stuck(&self, shared: &Shared, me: Option<usize>, mut rescue: impl FnMut(&Worker)) {
        for (index, worker) in shared.workers.iter().enumerate() {
            let batches = worker.late.number();
            let before = std::mem::replace(&mut self.seen.borrow_mut()[index], batches);
            if before == batches && Some(index) != me && !worker.driver.parker.is_asleep() {
                rescue(worker);
            }
        }
    }

    /// What a watcher without a core can do: make their late wakes and turn their drivers. The tasks that are woken go into inboxes.
    pub(crate) fn turn_stuck_drivers(&self, shared: &Shared) {
        let mut woken = Wakers::new();
        self.for_each_stuck(shared, None, |worker| {
            worker.late.wake_all();
            worker.driver.turn_for_owner(&mut woken);
        });
    }
}
