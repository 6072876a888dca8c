//! The ground floor: what every other module stands on, and nothing that knows what a task is.
//!
//! ```text
//!   atomic     std or loom, chosen once        rng       seeded numbers
//!   context    the one thread-local            inject    many push, one takes all
//!   sys        one safe function a system call deque     one pushes, others steal half
//!   quiet      user code whose panic must end there
//!   wakers     wake-ups collected, then made outside every lock
//! ```
//!
//! Invariants kept here, by number, because the upper rings cite them:
//!
//! - **B1** Nothing in `base` calls user code, save [`wakers`], [`quiet`] and the thread body in [`sys`].
//! - **B2** What [`context`] points at outlives the scope that put it there; the scope takes it away again on
//!   every way out, unwinding included.
//! - **B3** [`atomic`] is the only place that knows about loom.

pub(crate) mod atomic;
pub(crate) mod context;
pub(crate) mod deque;
pub(crate) mod inject;
pub(crate) mod quiet;
pub(crate) mod rng;
pub(crate) mod sys;
pub(crate) mod wakers;
