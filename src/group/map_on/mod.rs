//! `map_on`: an ordered map that works ahead, on other tasks or threads, and never further than its window.
//!
//! ```text
//!     source ──pull──> worker ── f(item) ──┐
//!              one at  worker ── f(item) ──┼──> up to `window` slots ──in order──> next()
//!              a time  worker ── f(item) ──┘    [ 5 ][   ][ 7 ][   ]              the consumer
//!                                                 ^ taken           ^ begun
//! ```
//!
//! - **O1** Items are pulled one at a time, by the worker that has the source, and numbered as they are pulled; an output goes into
//!   the slot of its number and is taken in the order of the numbers. So the order is the source's, whoever is faster.
//! - **O2** No item is pulled while `window` of them are begun and not taken: so each slot is free when it is filled.
//! - **O3** Every number that was given out is answered: by an output, by a panic, or (its worker was dropped) by a word about that.
//!   So the consumer is never forgotten.
//! - **O4** Whenever an item could be pulled and a worker waits to do so, one of those who wait has been woken and has not looked yet:
//!   who makes room and who brings the source back wake one, and so does the one who was woken, when it brings the source back. Once no
//!   more comes from the source all who wait are woken, and end.
//! - **O5** One lock, and nothing of the user's is called or dropped under it.
//! - **O6** A worker ends when its consumer is gone, when nothing more comes from the source, and when its runtime ends; on a thread, which
//!   nobody can drop it from, a *lookout* tells it: a task that ends with the runtime.
//!
//! After the first rounds it allocates nothing: workers are made at the start, slots and places to wait as they are first used.

mod book;
mod consume;
mod fill;
mod on;
mod work;

pub use consume::{MapOn, Next};
pub use fill::{Filled, fill_on};
pub use on::{On, map_on, map_stream_on};
