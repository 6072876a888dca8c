//! Many send, one receives: values in the order in which they were sent, with a bound on how many wait, or without.
//!
//! ```text
//!    Sender ─┐                                          Receiver
//!    Sender ─┼─> Shared                                    │
//!    Sender ─┘   ├ list ─ lock ─┬ queue ── a whole chunk ──┴─> batch ──>
//!                │              ├ taken   <── empty chunks ──    │
//!                │              ├ parked: the receiver, asleep   │
//!                │              └ line: who wants slots          │
//!                ├ freed <──── a slot for each value received ───┘
//!                └ closing: who waits for the end
//! ```
//!
//! The receiver takes a whole chunk of values out of the queue under one lock and then receives from it with none, so that a
//! value costs the sender a lock and the receiver one addition.
//!
//! - **Q1** A value is in a sender's hands, in the queue, in the batch, or in the receiver's hands. It moves into the queue under
//!   the lock, and never once the receiver is gone: so each is received, given back, or dropped, once.
//! - **Q2** `taken - freed` slots are out: one for each value in queue and batch, one for each permit, one for each sender that
//!   was granted one and has not been polled since. It is never more than there are.
//! - **Q3** Slots are taken under the lock, by the first in line or where nobody stands in line, and given back by anybody without
//!   it. So first come is first served (W6), and whoever goes away with a slot passes it on.
//! - **Q4** Whoever waits has looked under the lock under which he left his waker, and what he waits for comes either under that
//!   lock or with an addition to `freed`; for that there are the marks.
//! - **Q5** No code of a user's runs under a lock: strangers' wakers are cloned without it, and wakers are woken and dropped after
//!   it, as values are. No two of the locks are held at once.
//! - **Q6** A channel that is drained keeps two or three chunks of some 4 KiB, or of four values if those are larger.
//!
//! The marks in `freed`, the one thing here that goes without the lock:
//!
//! 1. A sender that finds no slot, and nobody in line, sets WAITERS, under the lock, by a read-modify-write of `freed`, and then
//!    looks for a slot again.
//! 2. Whoever gives a slot back adds it to `freed`, and looks at the marks that were in it before. If there is one he takes the
//!    lock and grants what there is to the first in line.
//! 3. All changes of one word have one order. If 2 comes before 1, the sender sees the slot in his second look. If 1 comes before
//!    2, the giver sees the mark; he gets the lock only after the sender has left it, who stands in line by then. So no slot lies
//!    idle while somebody waits.
//! 4. WAITERS goes, under the lock, when nobody stands in line. A giver who saw it before then comes in vain.
//! 5. CLOSED works in the same way for a receiver that has closed and waits for the slots that are still out.
//!
//! INSTEAD OF a ring of stamped slots without a lock (Dmitry Vyukov's queue, as async-channel has it): that takes two
//! read-modify-writes to send, as many as a lock and its release, and one to receive, as many as `freed` does. So there was
//! nothing to gain that would pay for its proof, and it was counted and not built.
//!
//! Read in this order: the queue; what the ends share, which is all the engine there is; what can be waited for; then the ends as
//! users see them.
//!
//! Cases of the catalogue: SYN-01, SYN-03, SYN-04, SYN-05, SYN-06, SYN-07, SYN-11, SYN-12, MIS-04, MIS-08, MIS-10, MIS-11,
//! TSK-16.

mod queue;
mod shared;

mod sending;

mod bounded;
mod permits;
mod sender;
mod unbounded;

mod receiver;

pub mod error;

pub use bounded::{Reserve, ReserveMany, ReserveOwned, SendValue, channel};
pub use permits::{OwnedPermit, Permit, PermitIterator};
pub use receiver::{Receiver, Recv, RecvMany};
pub use sender::{Bounded, Closed, Kind, Sender, Unbounded, WeakSender};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
