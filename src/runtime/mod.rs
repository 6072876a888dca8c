//! The runtime as users hold it: build it, run a future on it, spawn onto it, shut it down.
//!
//! ```text
//!    Builder ──build──> Runtime ──handle──> Handle (any number, any thread)
//!                          │ block_on, run, spawn, enter
//!                          └ drop or shutdown_timeout ──> ShutdownReport
//! ```
//!
//! Nothing is decided here; this ring gives names to what `sched` does.

mod blocking;
mod builder;
mod enter;
mod handle;
mod reserve;
mod shutdown;
mod spawn;

pub use crate::sched::report::{ShutdownReport, TaskInfo, UnhandledPanic};
pub use builder::Builder;
pub use enter::EnterGuard;
pub use handle::{Handle, Runtime, TryCurrentError};
#[doc(hidden)] // FACE: shown in `task`, beside the handles they return.
pub use blocking::{QueueFull, block_in_place, spawn_blocking, try_spawn_blocking};
#[doc(hidden)] // FACE: as above.
pub use reserve::{BlockingPermit, ReserveBlocking, reserve_blocking};
pub(crate) use spawn::current;
#[doc(hidden)] // FACE: as above.
pub use spawn::{Builder as TaskBuilder, SpawnLocalError, spawn, spawn_local};
