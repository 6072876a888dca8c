//! An async runtime that is small, fast, replayable and transparent.
//!
//! A small event loop on `mio` drives coroutine tasks. A task is a future that carries either a result or an error;
//! sockets and timers have non-blocking wrappers; the same program runs on the real loop or in a seeded simulation.
//!
//! ```
//! use mainspring::{runtime::Runtime, time};
//!
//! let runtime = Runtime::new()?;
//! let greeting = runtime.block_on(async {
//!     let task = mainspring::spawn(async {
//!         time::sleep(time::Duration::from_millis(1)).await;
//!         "hello"
//!     });
//!     task.await
//! });
//! assert_eq!(greeting.unwrap(), "hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How the source is laid out
//!
//! Folders are rings, and imports point down only:
//!
//! ```text
//!    macros                select!, join!, try_join!
//!    group                 structured concurrency: scopes, cancels, deadlines
//!    time  net  fs  thread what users call; a door holds no engine
//!    process  signal
//!    io                    what all that can be read and written has in common
//!    runtime               builder, handles, block_on, shutdown
//!    sched                 cores, the loop, stealing, sleeping
//!    driver                reactor, timer wheel, clock, simulation
//!    sync                  locks and the list of waiters
//!    task                  cell, state machine, wakers, handles
//!    base  world           atomics, context, system calls; the pure simulated world
//! ```
//!
//! # Features
//!
//! `fs`, `group`, `process`, `signal` and `sync` are the modules of these names; all are on unless `default-features = false`. Tasks,
//! timers, sockets, `io`, threads and the macros are always there.
//!
//! # Where unsafe lives
//!
//! Unsafe code is denied everywhere but in these files, each of which says at its top what it needs it for:
//!
//! ```text
//! src/base/context.rs
//! src/base/sys/linux.rs
//! src/base/sys/linux/splice.rs
//! src/base/sys/linux/unix.rs
//! src/base/sys/poll.rs
//! src/base/sys/process.rs
//! src/base/sys/fork.rs
//! src/base/sys/signals.rs
//! src/base/sys/linux/files.rs
//! src/task/header.rs
//! src/task/pool.rs
//! src/task/cell.rs
//! src/task/waker.rs
//! src/task/join.rs
//! src/task/local.rs
//! src/task/model/home.rs
//! src/sync/holder.rs
//! src/sync/wait_list.rs
//! src/sync/guard.rs
//! src/sync/mutex.rs
//! src/sync/rwlock.rs
//! src/sync/kit.rs
//! src/sched/owned.rs
//! src/sched/queue.rs
//! src/sched/in_place.rs
//! src/sched/local.rs
//! src/sched/shared.rs
//! src/runtime/enter.rs
//! src/time/timeout.rs
//! src/group/member.rs
//! src/group/block_on_scope.rs
//! ```

// What only an absent door would call is dead code; with all doors there is none.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports, unused_macros))]

mod base;
mod driver;
mod sched;
mod world;

#[cfg(feature = "group")]
pub mod group;
#[doc(hidden)]
pub mod macros;
#[cfg(feature = "sync")]
pub mod sync;
pub mod task;

base::atomic::above_sched! {
    #[cfg(feature = "fs")]
    pub mod fs;
    pub mod io;
    pub mod net;
    #[cfg(feature = "process")]
    pub mod process;
    pub mod runtime;
    pub mod thread;
    #[cfg(feature = "signal")]
    pub mod signal;
    pub mod time;

    #[doc(inline)]
    pub use runtime::{spawn, spawn_local};
}

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
