//! Time: waiting for a while, until an instant, at intervals, or for something else but not for ever.
//!
//! A door: what users call. The engine below it is the timer wheel of each worker (`driver::wheel`), and all the
//! time there is comes from the driver, so that in a simulation it is virtual: hours pass in microseconds, and in
//! the same way each time.
//!
//! ```text
//!    interval ──┐
//!               ├──> Sleep ──first poll──> driver of the worker that polls ──> wheel ──due──> waker
//!    timeout ───┘      ^  │
//!                      └──┴── owns (driver, key): reset in place, removed on drop
//! ```
//!
//! Invariants, which all that is here keeps:
//!
//! - **K1** Never early: when a wait is over, the clock it was set by has reached its deadline.
//! - **K2** A [`Sleep`] owns at most one timer, and dropping it removes that.
//! - **K3** The timer stands in the wheel of the worker that polled the `Sleep` last, so it fires as long as somebody
//!   turns that wheel; polled elsewhere it moves there, even into another runtime.
//! - **K4** A wait that is over completes at once, and is charged to the poll budget; one that is not costs no budget,
//!   so that a thousand of them in one task are all registered by its first poll.
//!
//! # Examples
//! ```
//! use mainspring::time::{Duration, Instant, sleep};
//!
//! let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
//! let slept = runtime.block_on(async {
//!     let start = Instant::now();
//!     sleep(Duration::from_secs(3600)).await;
//!     start.elapsed()
//! });
//! assert_eq!(slept, Duration::from_secs(3600));
//! # Ok::<(), std::io::Error>(())
//! ```

mod instant;
mod sleep;

mod interval;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, Tick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

/// What can go wrong with time: that there was too little of it.
///
/// For those who look for the error where tokio has it; it is [`time::Elapsed`](Elapsed) as well.
pub mod error {
    pub use super::timeout::Elapsed;
}
