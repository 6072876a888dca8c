//! The runtime as users hold it: build it, run a future on it, spawn onto it, shut it down.
//!
//! ```text
//!    Builder ──build──> Runtime ──handle──> Handle (any number, any thread)
//!                          │ block_on, run, spawn, enter
//!                          └ drop or shutdown_timeout ──> ShutdownReport
//! ```
//!
//! # Forks
//! A child made by `libc::fork` has one thread, which is none of the runtime's, and shares its epoll sets and sockets with the
//! parent. So the parent's runtime is out of its reach, and the parent is not disturbed:
//!
//! - Where a task or a job forks, the child has until the end of that poll: exec, `_exit`, or live on in it. If it comes back from the
//!   poll, it ends with one line on stderr and code 70 (EX_SOFTWARE of `sysexits.h`), before any other task is polled.
//! - `block_on`, `spawn`, `enter`, `sleep` and their like panic with what to do. What returns `io::Result` gives an error: a socket or
//!   listener of the parent's that has to wait, a signal's listener. The parent's child processes are ECHILD, and are not killed
//!   by a drop. Wakers, aborts and drops do nothing.
//! - Dropping a [`Runtime`] of the parent's leaves everything as it is, and says so. Its tasks stay in memory, and their sockets open:
//!   whoever is at the other end of one sees its end only when the child has ended, too.
//! - A new runtime may be built in the child, also inside the poll, and has all that a runtime has; a listener, a connection or a timer
//!   of the parent's that waits in it stands in it from then on. Handlers of signals are inherited, as POSIX has it: the default
//!   action is off, and a new listener hears what comes to the child.
//!
//! Not promised: whatever another thread had locked at the moment of the fork is locked in the child for ever, so an object shared with
//! the parent's tasks (a channel, a mutex, the pool's queue) may hang there, and what was to come from one of these tasks never comes.
//! Two such locks are not ours, and a new runtime needs them: std's, which each thread takes when it begins and when it ends (if one
//! did just then, the new runtime's threads hang), and `parking_lot`'s table of all who queue for a lock (if any did, it may hang
//! or crash). So a parent that forks for a new runtime does it while its other threads sleep. POSIX promises less: nothing but what a
//! signal handler may do. A fork around the C library (`_Fork`, a bare `clone`) is not noticed.
//!
//! ```
//! let runtime = mainspring::runtime::Runtime::new()?;
//! let status = runtime.block_on(async {
//!     // SAFETY: the child does nothing but end.
//!     let child = unsafe { libc::fork() };
//!     if child == 0 {
//!         // SAFETY: as above.
//!         unsafe { libc::_exit(7) }
//!     }
//!     let mut status = 0;
//!     // SAFETY: writes to a variable that lives across the call.
//!     assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
//!     libc::WEXITSTATUS(status)
//! });
//! assert_eq!(status, 7);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Cases of the catalogue: PRC-10.
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
