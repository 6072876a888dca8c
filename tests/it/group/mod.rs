//! Structured concurrency: what ends when, who hears of what, and that nothing is lost.
//!
//! ```text
//!   scopes     failures, panics, ends          cancels    tokens, deadlines, grace, shields, depth
//!   closing    spawns into an end, limits      sets       JoinSet
//! ```
//!
//! Cases of the catalogue: SCP-01 to SCP-08, SHD-04, MIS-11.

mod borrowing;
mod cancels;
mod closing;
mod scopes;
mod sets;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what is alive.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::SeqCst);
        One(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts as alive until it is dropped.
struct One(Alive);

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
