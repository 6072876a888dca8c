//! Passing: whoever runs may go in ahead of the line, for a moment and so many times.
//!
//! A lock that is handed from hand to hand costs a switch a turn: its holder lets go, wants it again, and has to wait, even if the
//! whole turn lasts nanoseconds. async-lock lets whoever runs go in again, which saves the switch, and the line waits for as long as
//! they like. Here they may do so until the batch of polls ends in which they run (`task::late`), at most a millisecond:
//!
//! ```text
//!                  SERVED                                        PASSED (CALLED is on)
//!    every release goes to the first in line      who runs takes what is free, and each time counts
//!           │                                                                     │
//!           ├── a release, in the batch in which the line was served ───────────> │  the first in line is woken *late*,
//!           │                                                                     │  when the batch ends
//!           │ <── the first in line looks: takes what is free, or waits on ────── │
//!           │ <── 63 have passed; or somebody has left the line ───────────────── │
//! ```
//!
//! - **K1** Each who comes to the front of the line is passed there [`PASSES`] times at most, and with him all behind him: he is called
//!   once, and after he has looked, or that many have passed, he is served next (SYN-07).
//! - **K2** Passing begins only with somebody who was served and lets go within one batch. Where all who hold it do so across a wait
//!   for the world outside, or across other people's polls, it never begins: locks of the usual kind are first come, first served.
//! - **K3** A line is served once through a batch, by all who held it when the batch began; then passing begins. So those who pass are
//!   not always the same.
//! - **K4** No wake-up is lost: while CALLED is on, somebody was woken who will look. Whoever releases meanwhile sees CALLED and leaves
//!   it to him; he turns CALLED off, under the list's lock, before he looks.
//! - **K5** Without a worker (threads, strangers' executors) there is no batch, and nobody is called; nor is anybody who is not a
//!   task of the present worker's runtime (B2 in `task::late`).
//!
//! The idea that a fair lock pays for a switch a turn, and that fairness now and then is enough, is old; see `eventual fairness` in
//! WebKit's and parking_lot's locks (Filip Pizlo, "Locking in WebKit", 2016), where a clock says when. Here it is the scheduler, who
//! knows when others have had no turn.
//!
//! Sixteen tasks that hold a semaphore of four across a yield take 35 ns a turn instead of 85, and when the first has had all of its
//! turns it has had 1.0 to 1.4 times as many as the last (`benches/locks.rs`).

use crate::base::atomic::UNDER_LOOM;

/// The first in line was called, and whoever runs may pass.
pub(super) const CALLED: u32 = 1 << 2;
/// One has passed.
pub(super) const ONE_PASS: u32 = 1 << 3;
/// How many have passed; when all bits are on nobody may any more.
pub(super) const PASSES: u32 = if UNDER_LOOM { 3 * ONE_PASS } else { 63 * ONE_PASS };
