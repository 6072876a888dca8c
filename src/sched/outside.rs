//! What threads without a core write when they spawn: kept together, and apart from what workers read all the time.
//!
//! Their cells come from a pool that workers keep filled. A cell spawned here is freed by the worker that ran it, and given
//! to the allocator it would go back to the arena of the thread that spawned it, whose lock then goes to and fro: 600,000
//! tasks made 230,000 futex calls. So a worker that takes tasks out of its inbox brings as many blocks back as it took
//! (1,400 futex calls, and 298 → 147 ns a task where one thread spawns onto a runtime with one).
//!
//! - **O1** Nobody waits for the pool. Who finds it locked asks the allocator, or keeps what it brought.

use super::owned::Census;
use crate::base::atomic::{AtomicU64, Mutex, Ordering};
use crate::task::{Birth, CellPool, JoinHandle, POOL, Queued, Schedule, spawn_cell};

/// So many blocks stand ready at least: 256 small cells are 53 kB.
const CELLS_READY: usize = 256;
/// And no more than this, however many tasks were taken at once: the pool is locked while they are brought.
const CELLS_READY_MAX: usize = 4_096;

/// On cache lines of its own; two, since processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Outside {
    /// Memory for cells; workers fill it.
    cells: Mutex<CellPool>,
    /// The next block of task numbers.
    next_id: AtomicU64,
    /// Tasks spawned without a core; `run` waits by this and the next. Both only grow.
    pub(super) spawned: AtomicU64,
    /// Tasks finished without a core.
    pub(super) finished: AtomicU64,
    /// Cells that point at a worker of this runtime (T7); those of cores are counted there.
    pub(super) census: Census,
}

impl Outside {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            cells: Mutex::new(CellPool::new()),
            next_id: AtomicU64::new(1),
            spawned: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            census: Census::new(cores),
        }
    }

    /// A block of task numbers.
    pub(super) fn take_ids(&self, count: u64) -> u64 {
        // ORDER: Relaxed, only that numbers are taken once each matters.
        self.next_id.fetch_add(count, Ordering::Relaxed)
    }

    /// A task of the home given. The lock is held while the future is moved into its place, which runs no user code.
    pub(super) fn make<F, S>(&self, future: F, home: &S, birth: Birth) -> (Queued, JoinHandle<F::Output>)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
        S: Schedule + Sync,
    {
        match self.cells.try_lock() {
            Some(cells) => POOL.scope(&*cells, || spawn_cell(future, home, birth)),
            None => spawn_cell(future, home, birth),
        }
    }

    /// A worker has taken `count` tasks out of its inbox, and brings blocks for the next ones.
    pub(super) fn bring_cells(&self, count: usize, from: &CellPool) {
        if let Some(cells) = self.cells.try_lock() {
            cells.top_up(count.clamp(CELLS_READY, CELLS_READY_MAX), from);
        }
    }
}
