//! `select!`, `join!` and `try_join!`: several futures in one task.
//!
//! ```text
//!    select!      the first that is ready wins, the others are dropped     ┐
//!    join!        all are driven, until each has its output                ├ one task, one waker, no allocation
//!    try_join!    the same, until one of them fails                        ┘
//! ```
//!
//! They are `macro_rules!` and nothing else, for a procedural macro would bring three crates along. What cannot be written so is
//! had by four small tricks, in the order in which a reader meets them:
//!
//! - **P1** Each branch needs a name of its own, and there is no counter: every step of the parsing recursion writes the same
//!   word, and to the compiler, by hygiene, the words of two steps are two names.
//! - **P2** Futures are pinned by `pin!` in a block that ends before any handler runs: so losers are gone by then, and a handler
//!   may use what they had borrowed.
//! - **P3** Whether an output fits its pattern is asked by a match arm whose guard notes "yes" and then says no. So the output
//!   is not moved, whatever the pattern binds.
//! - **P4** Outputs travel in an enum with a variant a branch, whose unused types are [`Infallible`](std::convert::Infallible).
//!
//! Which future is looked at first is a choice like any other: drawn from the seed in a simulation, by chance elsewhere for
//! `select!`, and in turn for the other two; `biased;` takes it away.

mod join;
mod select;

pub mod support;
