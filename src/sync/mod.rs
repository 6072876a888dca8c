//! Locks, permits, notifications and channels: how tasks wait for each other.
//!
//! What `std::sync` is for threads, this is for tasks. A thread that waits for a lock sleeps, and nothing else runs on it. A task
//! shares its thread with other tasks: where it waits, the others run, and whoever releases the lock *wakes* it, so that it runs
//! again. So a function that waits here only gives a *future*, and does nothing before that is awaited; and whoever has waited long
//! enough drops the future, as [`timeout`](crate::time::timeout) and [`select!`](crate::select) do.
//!
//! | what is wanted | here | for threads |
//! |---|---|---|
//! | one at a time changes something | [`Mutex`] | `std::sync::Mutex` |
//! | many read it, or one changes it | [`RwLock`] | `std::sync::RwLock` |
//! | no more than so many at a time | [`Semaphore`] | - |
//! | somebody is told to look again | [`Notify`] | `park` and `unpark` |
//! | the same, for what a mutex protects | [`Condvar`] | `std::sync::Condvar` |
//! | nobody goes on before all have come | [`Barrier`] | `std::sync::Barrier` |
//! | whoever asks first makes a value | [`OnceCell`] | `std::sync::OnceLock` |
//! | one value, once: an answer | [`oneshot`] | - |
//! | values from many to one | [`mpsc`] | `std::sync::mpsc` |
//! | the latest value, for all | [`watch`] | - |
//! | every value, to all | [`broadcast`] | - |
//! | work that is done by whoever is free | [`queue`] | - |
//!
//! What may surprise who knows the locks of threads:
//!
//! - A guard may be held across an `.await`: while its task waits for something else, the lock stays held. std's guard must not be,
//!   for whoever wants the lock stops a whole thread, and the holder's task may be one that this thread should run. Where no guard is
//!   held across an await, std's locks do as well here as anywhere.
//! - First come, first served: a lock that is released goes to the one who has waited longest, even if somebody else is quicker. (A
//!   [`Mutex`] or [`Semaphore`] that changes hands within microseconds may be passed on among those who run for up to a
//!   millisecond; they say when.)
//! - A wait can be given up at any `.await`, by dropping its future. Then the place in line is lost; what had been given to it goes
//!   to the next. Each function says under *Cancellation* what else that costs: nothing (*strict*), what it names (*lossy*), or
//!   that the work goes on without you (*detached*).
//! - A guard or future that is forgotten ([`mem::forget`](std::mem::forget)) keeps what it has for ever, as a guard of std's would.
//! - There is no poisoning: a panic releases what was held, and the next one finds the data as the panic left them.
//! - Threads may take part: by the functions whose names begin with `blocking_`, which sleep. In a task they would stop all the tasks
//!   of its thread, so they panic there.
//!
//! # Examples
//! ```
//! use mainspring::sync::Mutex;
//! use std::sync::Arc;
//!
//! let total = Arc::new(Mutex::new(0));
//! let theirs = total.clone();
//! let thread = std::thread::spawn(move || *theirs.blocking_lock() += 1);
//! mainspring::runtime::Runtime::new()?.block_on(async { *total.lock().await += 1 });
//! thread.join().unwrap();
//! assert_eq!(*total.blocking_lock(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is built
//! Where several may wait there is one list of waiters and one future ([`Wait`]): first come first served, no allocation for a
//! waiter, wake-ups outside of every lock, and a grant to somebody who has gone away goes to the next. Where only one can wait
//! (the ends of a [`oneshot`], the receiver of an [`mpsc`] channel), only what wakes him is kept.
//!
//! - **Y1** Nothing here needs a runtime: a future wakes whoever polled it, by the [`Waker`](std::task::Waker) that he brought, be he
//!   a task of ours, a stranger's executor or a thread that sleeps in a `blocking_` function.
//! - **Y2** No lock of ours is held while code of a user's runs, save a closure that changes the value of a [`watch`] channel in its
//!   place (W3 there).
//! - **Y3** Who waits, for what, in which task and on which line, is written down; so is who holds a lock. `Debug` shows it.
//!
//! Read in this order: what is woken together, who holds what, the wait list, then what is built on it, from the simplest.

mod batch;
mod bringing;
mod holder;
mod wait_list;

mod blocking;
mod closing;
mod desk;
mod spare;

mod barrier;
mod notify;

mod passing;
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
