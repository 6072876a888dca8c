//! Threads that hand back the same kind of future as tasks do.
//!
//! For a short piece of blocking work there is [`task::spawn_blocking`](crate::task::spawn_blocking) and its pool. A thread of
//! this module belongs to one closure for as long as that runs: a poller of a device, a database engine, a loop that feeds
//! channels. It is inside the runtime like a job of the pool: it may spawn tasks and call
//! [`Handle::block_on`](crate::runtime::Handle::block_on).
//!
//! ```
//! use mainspring::{runtime::Runtime, thread};
//! use std::time::Duration;
//!
//! let runtime = Runtime::new()?;
//! let rounds = runtime.block_on(async {
//!     let builder = thread::Builder::new().name("metronome");
//!     let stop = builder.stop_token();
//!     let beats = builder.spawn(|stop| (1..).find(|_| stop.wait(Duration::from_millis(1))).unwrap())?;
//!     stop.request();
//!     Ok::<u32, std::io::Error>(beats.await?)
//! })?;
//! assert!(rounds >= 1);
//! # Ok::<(), std::io::Error>(())
//! ```

mod spawn;

pub use crate::sched::dedicated::Stop;
pub use spawn::{Builder, spawn};
