//! Combinators: several futures that are one wait, each with a group of its own.
//!
//! ```text
//!     race        ──┬── a ──────x            a and c lose: they are asked to go, dropped, and only then
//!                   ├── b ────┐ │            does the race resolve, to b's output
//!                   └── c ────┼─x
//!                             v
//!     gather      ──┬── a ────────┐          all values, in order; or the first error, when the rest has gone
//!                   ├── b ──┐     │
//!                   └── c ──┴─────┴──>
//!     hedge       ───── copy 0 ────────x     late: a second copy, and the first success wins
//!                   delay └─ copy 1 ───┴──>
//!     retry       ── a x ~~ a x ~~~~ a ──>   one after another, with waits that grow
//! ```
//!
//! | for | take | gives |
//! |---|---|---|
//! | whoever ends first | [`race`] | its output |
//! | several ways to one thing | [`race_ok`] | the first value, or all errors |
//! | many things, all of which are needed | [`gather`] | all values, or the first error |
//! | many things, whatever becomes of each | [`gather_all`] | all outputs |
//! | a request that is late now and then | [`hedge`] | the first value |
//! | a request that fails now and then | [`retry`], [`retry_if`] | the first value, or the last error |
//! | a few futures of different types | `select!`, `join!`, `try_join!` | |
//! | children made while others run | [`scope`](super::scope()) and its relatives | |
//!
//! **Where they run.** In the task that awaits the combinator, in turn, as those of `futures::future::join_all` do: so they may borrow, need not be
//! `Send` (if all are, the combinator is), and cost no task. Most of what is combined waits. What computes, or shall go on
//! while this task is polled, is made a task of its own by [`spawned`], one by one: `gather(items.map(|item| spawned(work(item)))).limit(8)`.
//! A handle of `spawn` works, too, but its task runs on when it has lost. There is one form of each combinator and not two for that reason.
//!
//! **What makes them more than macros over futures**
//! - **C1** A future of the crew is polled and dropped by the combinator alone, and is gone before its end is told to the plan.
//! - **C2** A combinator resolves, or goes on with a panic, only when all of its futures are gone, what they have opened included.
//! - **C3** Once it is decided, the rest is cancelled with a cause that says by whom it was: asked first, and dropped when the
//!   grace is over (at once, if there is none) and no scope is open in them, each for itself.
//! - **C4** In one poll everybody has a turn who was woken before it, and who was added in it; each turn is charged to the budget.
//! - **C5** A cancel or a deadline around is heard inside; beyond that a combinator has no opinion on it. When the last
//!   grace is over it is dropped with what is around, innermost first (P1).
//!
//! A panic of one is a panic of the combinator, after the rest has gone. If a second one comes meanwhile it is told on stderr, for only one can go on.
//!
//! Read in this order: the crew, what all have in common, then each.

mod crew;

mod combined;

mod gather;
mod hedge;
mod race;

mod retry;
mod spawned;

pub use combined::Combined;
pub use gather::{Gather, GatherAll, gather, gather_all};
pub use hedge::{Hedge, hedge};
pub use race::{Race, RaceOk, race, race_ok};
pub use retry::{Backoff, retry, retry_if};
pub use spawned::spawned;
