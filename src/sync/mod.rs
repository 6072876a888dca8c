//! Locks, permits, notifications: how tasks wait for each other.
//!
//! Everything here stands on one list of waiters and one future ([`Wait`]): first come first served, no allocation for a waiter,
//! wake-ups outside of every lock, and a grant to somebody who has gone away goes to the next.
//!
//! - **Y1** Nothing here needs a runtime: any executor's waker will do, and plain threads have the `blocking_` functions.
//! - **Y2** No lock is held while code of a user's runs.
//! - **Y3** Whoever waits has said for what, in which task and on which line; whoever holds a lock has, too. `Debug` shows it.
//!
//! Read in this order: what is woken together, who holds what, the wait list, then what is built on it, from the simplest.

mod batch;
mod bringing;
mod holder;
mod wait_list;

mod blocking;
mod closing;
mod desk;

mod barrier;
mod notify;
mod semaphore;

mod guard;
mod mutex;
mod rwlock;

mod condvar;
mod once_cell;

pub mod broadcast;
pub mod mpsc;
pub mod oneshot;
pub mod queue;
pub mod watch;

#[cfg(test)]
mod kit;

pub use barrier::{Barrier, BarrierWait, BarrierWaitResult};
pub use condvar::Condvar;
pub use mutex::{
    Lock, LockOwned, MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use notify::{Notified, Notify, OwnedNotified};
pub use once_cell::{OnceCell, SetError};
pub use rwlock::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, Read, ReadOwned, RwLock, RwLockMappedReadGuard,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Write, WriteOwned,
};
pub use semaphore::{
    Acquire, AcquireError, AcquireOwned, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
pub use wait_list::Wait;
