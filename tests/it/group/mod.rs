//! Structured concurrency: what ends when, who hears of what, and that nothing is lost.
//!
//! ```text
//!   scopes     failures, panics, ends          cancels    tokens, deadlines, grace, shields, depth
//!   closing    spawns into an end, limits      sets       JoinSet
//!   local, local_send    children that borrow and stay    borrowing, borrowed_ends    children that borrow from a thread
//!   combine    race, gather, hedge, retry      combine_ends    their panics, cancels and leaks
//!   jobs       blocking children, names, results as they come    hostile    what somebody with ill will does
//!   strays     scopes polled elsewhere, or by another executor    losses    what must not be lost when the user's own panics
//!   combine_models    random crews against plain references
//! ```
//!
//! Cases of the catalogue: SCP-01 to SCP-08, SHD-04, MIS-11.

mod borrowed_ends;
mod borrowing;
mod cancels;
mod closing;
mod combine;
mod combine_ends;
mod combine_models;
mod hostile;
mod jobs;
mod local;
mod local_send;
mod losses;
mod scopes;
mod sets;
mod strays;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// So many seeds, unless `MAINSPRING_SEEDS=100000` asks for more.
fn seeds(default: u64) -> u64 {
    std::env::var("MAINSPRING_SEEDS").map_or(default, |seeds| seeds.parse().expect("a number of seeds"))
}

/// Polls once, with the waker of whoever awaits this.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

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
