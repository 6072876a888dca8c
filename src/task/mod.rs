//! Tasks: a future in a cell of its own, one word of state, and the handles that refer to it.
//!
//! ```text
//!     JoinHandle ──┐                        ┌───────── cell, one allocation ─────────┐
//!     AbortHandle ─┼── references ────────> │ header: state, vtable, home, links, id,│
//!     Waker ───────┘                        │         name, spawn place, wait reason │
//!     registry (of the home worker) ──────> ├────────────────────────────────────────┤
//!     run queue ── plain pointer (T1) ────> │ future, then Result<output, JoinError> │
//!                                           └────────────────────────────────────────┘
//! ```
//!
//! Invariants T1 to T5 stand in `state`. What is added by the types here:
//!
//! - **T6** A `Queued` is the right and the duty to run a task once; it cannot be copied, so a task is in at most
//!   one queue.
//! - **T7** The home a header points at outlives the cell: `cell_born` and `cell_freed` keep count.
//! - **T8** User code (poll, drop, wake) runs outside every lock, and a panic in it ends that task alone.
//!
//! Read in this order: the state machine, the header, the cell and what runs it, wakers, handles.

mod state;

mod extra;
mod header;
mod pool;

mod birth;
mod cell;
mod waker;

mod error;
mod id;
mod join;

mod local;
mod local_state;

pub(crate) mod budget;
pub(crate) mod late;
pub(crate) mod wait;
mod yield_now;

#[cfg(test)]
mod model;

pub(crate) use birth::Birth;
pub(crate) use cell::{Dead, Finished, Queued, Ran, Schedule, abort, spawn_cell, spawn_cell_local};
pub(crate) use error::panic_message;
pub(crate) use header::{CURRENT, Flags, Header, IN_PLACE, may_block};
pub(crate) use pool::{CellPool, POOL};
pub(crate) use waker::is_our_waker;

pub use error::{CancelCause, JoinError};
pub use id::{Id, id, try_id};
pub use join::{AbortHandle, JoinHandle};
pub use local::{AccessError, LocalKey, TaskLocalFuture};
pub use local_state::Local;
pub use yield_now::{YieldNow, yield_now};

crate::base::atomic::above_sched! {
    // FACE: users look for these beside the handles they return; the code stands above, where the scheduler is known.
    pub use crate::runtime::{
        BlockingPermit, QueueFull, ReserveBlocking, SpawnLocalError, TaskBuilder as Builder, block_in_place, reserve_blocking, spawn, spawn_blocking, spawn_local, try_spawn_blocking,
    };
}
