//! The task's one atomic word: all bits, all moves, and the table of which are legal. No other file touches it.
//!
//! ```text
//!    word:  │ references … │ SHUTDOWN JOIN_WAKER JOIN CANCELLED │ DONE QUEUED RUNNING │
//!
//!                      spawn: born running, and the queue holds RUNNING until the first poll
//!                                            │                       complete
//!                          dequeued          v        Ready             │
//!              ┌──────┐ ─────────────> ┌─────────┐ ─────────────> ┌──────────┐
//!              │queued│                │ running │                │   done   │
//!              └──────┘ <───────────── └─────────┘                └──────────┘
//!                 ^  ^   woken meanwhile    │  end_poll: Pending
//!                 │  └───────────────────── │
//!                 │        wake             v
//!                 └───────────────────── ┌──────┐
//!                                        │ idle │
//!                                        └──────┘
//! ```
//!
//! | from            | start_poll | end_poll    | complete | wake, abort      |
//! |-----------------|------------|-------------|----------|------------------|
//! | idle            | illegal    | illegal     | illegal  | queued: **push** |
//! | queued          | running    | illegal     | illegal  | -                |
//! | running         | illegal    | idle        | done     | running + QUEUED |
//! | running + QUEUED| illegal    | queued: **push** | done | -               |
//! | done            | illegal    | illegal     | illegal  | -                |
//!
//! Invariants:
//!
//! - **T1** Whoever turns QUEUED on in an idle task owes exactly one push; a queue's entry owns no reference.
//! - **T2** A new task is born RUNNING: the right to run it stands in the queue with it, and its first poll costs a load
//!   instead of a read-modify-write (6 ns of 39 a spawn and join). It has no waker yet; an abort sees it running, and is
//!   seen by that load or by the end of the first poll. The holder of RUNNING alone touches the future. Only the one who dequeued a task can get RUNNING, so a
//!   task that is queued cannot be finished by anybody else and the queue's plain pointer stays good.
//! - **T3** Whoever pushes holds a reference until the push and the notification behind it are over: the pushed task may be
//!   finished at once, and by T7 it is a cell that keeps the home alive. The registry owns one reference from spawn until the future is gone. Wakers, the join handle and abort
//!   handles own the others. The cell is freed by whoever takes the last one away.
//! - **T4** The output belongs to the completer while JOIN is off, to the join handle once DONE is on with JOIN on.
//! - **T5** The join-waker slot belongs to the handle while JOIN_WAKER is off, and to the completer while it is on: the handle
//!   turns it off before it so much as compares what is there. A task may join itself, so what is left in the slot at the end
//!   must be taken out by the completer: dropped with the cell it would keep the cell alive.
//!
//! A wake is one read-modify-write, a run is one in and one out. That it is read-modify-writes throughout, and not
//! stores, is what makes "already queued" safe: the waker's release joins the release sequence that `start_poll`
//! acquires, so the poll that follows sees what was written before the wake (TSK-12).

use crate::base::atomic::{AtomicUsize, Ordering};
use std::fmt;

const RUNNING: usize = 1;
const QUEUED: usize = 1 << 1;
const DONE: usize = 1 << 2;
/// Somebody wants the task gone; whoever dequeues it drops the future instead of polling it.
const CANCELLED: usize = 1 << 3;
/// The join handle is alive.
const JOIN: usize = 1 << 4;
/// The join handle has left a waker in its slot.
const JOIN_WAKER: usize = 1 << 5;
/// The cancel came from the runtime's shutdown, not from a handle.
const SHUTDOWN: usize = 1 << 6;
const REFERENCE: usize = 1 << 8;
/// As in `Arc`: so many leaked references that an overflow is near can only be a bug, and going on would free a
/// cell that is in use.
const REFERENCES_MAX: usize = usize::MAX >> 1;

/// The word.
pub(crate) struct State(AtomicUsize);

/// What the one who dequeued a task must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum StartPoll {
    /// Poll the future.
    Poll,
    /// Drop the future: the task was aborted.
    Cancel { shutdown: bool },
}

/// What the one whose poll returned must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum AfterPoll {
    /// Nothing, and never touch the task again: another thread may be running it already.
    Idle,
    /// Push it: it was woken while it ran.
    Push,
}

/// What a waker or aborter must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum AfterWake {
    /// Nothing: it is queued already, or will be, or is done.
    Nothing,
    /// Push it.
    Push,
}

/// What the one who gave a reference back must do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum AfterDrop {
    /// Nothing: others hold references.
    Shared,
    /// Free the cell.
    Free,
}

/// What the completer sees before it may finish, and what it must do then.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Completion {
    /// Not finished yet: nobody will join, so drop the output and call again.
    Unjoined,
    /// Done and the registry's reference is gone with it; free the cell if it was the last.
    Released(AfterDrop),
    /// Done; the registry's reference is still held. Wake the join waker if there is one.
    Held { join_waker: bool },
}

/// How a join handle's look at the task went.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Joining {
    /// Done: the output is the handle's.
    Done,
    /// Not done: the slot is the handle's to write, then `publish_join_waker`.
    SlotFree,
    /// Not done: a waker stands in the slot already; look at it, or take it back with `withdraw_join_waker`.
    SlotSet,
}

impl State {
    /// A task that was just spawned: running (T2), with one reference for the registry and one for the join handle.
    pub(super) fn spawned() -> Self {
        Self(AtomicUsize::new(RUNNING | JOIN | (2 * REFERENCE)))
    }

    /// Dequeued for the first time: RUNNING is held already.
    #[inline]
    pub(super) fn start_first_poll(&self) -> StartPoll {
        // ORDER: Acquire, pairs with `abort`; the task itself came to this thread through its queue.
        let now = self.0.load(Ordering::Acquire);
        debug_assert!(now & RUNNING != 0, "a new task is born running");
        debug_assert!(now & DONE == 0, "a new task is not done");
        start(now)
    }

    /// Dequeued: queued → running. By T1 and T2 nobody else can be here.
    #[inline]
    pub(super) fn start_poll(&self) -> StartPoll {
        // ORDER: AcqRel, pairs with `wake`: what was written before the wake is seen by this poll. The release half
        // keeps the chain of read-modify-writes whole for the next one who looks.
        // A subtraction, for QUEUED is on and RUNNING is off: x86 has it in one instruction, an xor only as a loop.
        let before = self.0.fetch_sub(QUEUED - RUNNING, Ordering::AcqRel);
        debug_assert!(before & QUEUED != 0, "only a queued task is dequeued");
        debug_assert!(before & (RUNNING | DONE) == 0, "a queued task neither runs nor is done");
        start(before)
    }

    /// The poll returned Pending. Running → idle, or running → queued if a wake arrived meanwhile.
    #[inline]
    pub(super) fn end_poll(&self) -> AfterPoll {
        // ORDER: AcqRel, pairs with the next `start_poll`: publishes what the poll did to the future.
        // A subtraction, as in `start_poll`.
        let before = self.0.fetch_sub(RUNNING, Ordering::AcqRel);
        debug_assert!(before & RUNNING != 0, "only a running task can end its poll");
        debug_assert!(before & DONE == 0, "a done task does not run");
        if before & QUEUED == 0 { AfterPoll::Idle } else { AfterPoll::Push }
    }

    /// The poll returned Pending after the task woke itself: running → queued, and the caller pushes. It takes the
    /// place of two read-modify-writes, the wake's and `end_poll`'s.
    #[inline]
    pub(super) fn end_poll_woken(&self) {
        // ORDER: Relaxed, the compare-exchange below checks it.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(now & RUNNING != 0, "only a running task can end its poll");
            let next = (now & !RUNNING) | QUEUED;
            // ORDER: AcqRel, pairs with the next `start_poll`, as in `end_poll`; Relaxed when it fails.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => now = changed,
            }
        }
    }

    /// The future is gone and the output is written: running → done. With `release` the registry's reference goes in
    /// the same step, unless a joiner must be woken first (its waker lives in the cell).
    pub(super) fn complete(&self, output_dropped: bool, release: bool) -> Completion {
        // ORDER: Acquire, pairs with `detach`: if JOIN is off, the handle will not look again.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            debug_assert!(now & RUNNING != 0, "only a running task completes");
            debug_assert!(now & DONE == 0, "a task completes once");
            if now & JOIN == 0 && !output_dropped {
                return Completion::Unjoined;
            }
            let releases = release && now & JOIN_WAKER == 0;
            let next = ((now & !RUNNING) | DONE) - if releases { REFERENCE } else { 0 };
            // ORDER: AcqRel, pairs with the Acquire in `joining` and in `publish_join_waker`: publishes the output, and
            // sees the waker in the slot; Acquire when it fails, as for the load above.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if releases => return Completion::Released(after_drop(now)),
                Ok(_) => return Completion::Held { join_waker: now & JOIN_WAKER != 0 },
                Err(changed) => now = changed,
            }
        }
    }

    /// A wake by reference.
    #[inline]
    pub(super) fn wake(&self) -> AfterWake {
        // ORDER: AcqRel, pairs with `start_poll` (TSK-12): unconditional, since "already queued" must publish too.
        let before = self.0.fetch_or(QUEUED, Ordering::AcqRel);
        after_wake(before)
    }

    /// Somebody wants the task gone: it is queued so that whoever dequeues it drops the future.
    pub(super) fn abort(&self, shutdown: bool) -> AfterWake {
        let wanted = CANCELLED | QUEUED | if shutdown { SHUTDOWN } else { 0 };
        // ORDER: AcqRel, pairs with `start_poll`, as a wake does.
        let before = self.0.fetch_or(wanted, Ordering::AcqRel);
        after_wake(before)
    }

    /// One more waker or handle.
    #[inline]
    pub(super) fn add_reference(&self) {
        // ORDER: Relaxed, the caller holds a reference already, as with `Arc::clone`.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > REFERENCES_MAX {
            std::process::abort();
        }
    }

    /// One waker or handle less.
    #[inline]
    pub(super) fn drop_reference(&self) -> AfterDrop {
        // ORDER: AcqRel, pairs with every other drop: the one who frees sees all that the others did.
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(before >= REFERENCE, "references are given back once each");
        after_drop(before)
    }

    /// Is it being polled, or has never been?
    pub(super) fn is_running(&self) -> bool {
        // ORDER: Relaxed, for a human's eyes: by the time it is read the poll may be over.
        self.0.load(Ordering::Relaxed) & RUNNING != 0
    }

    /// Is the future gone?
    pub(super) fn is_done(&self) -> bool {
        // ORDER: Acquire, pairs with `complete`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// The join handle looks.
    #[inline]
    pub(super) fn joining(&self) -> Joining {
        // ORDER: Acquire, pairs with `complete`: with DONE comes the output.
        let now = self.0.load(Ordering::Acquire);
        debug_assert!(now & JOIN != 0, "the join handle is alive");
        match (now & DONE != 0, now & JOIN_WAKER != 0) {
            (true, _) => Joining::Done,
            (false, true) => Joining::SlotSet,
            (false, false) => Joining::SlotFree,
        }
    }

    /// The handle has written its waker; false if the task was done first, and then the slot is still the handle's.
    pub(super) fn publish_join_waker(&self) -> bool {
        // ORDER: AcqRel, pairs with `complete`: either it sees the waker, or this sees the output.
        let before = self.0.fetch_or(JOIN_WAKER, Ordering::AcqRel);
        if before & DONE != 0 {
            // The completer found no waker and will not look again; say that the slot is not its own.
            // ORDER: Relaxed, only the handle reads the bit from here on.
            self.0.fetch_and(!JOIN_WAKER, Ordering::Relaxed);
        }
        before & DONE == 0
    }

    /// The handle takes its waker back; false if the task was done first, and then the completer has it.
    pub(super) fn withdraw_join_waker(&self) -> bool {
        // ORDER: AcqRel, pairs with `complete` as above.
        let before = self.0.fetch_and(!JOIN_WAKER, Ordering::AcqRel);
        before & DONE == 0
    }

    /// The handle is dropped, and its reference with it; false if the task is done: then nothing has happened, and the output is
    /// the handle's (T4). One read-modify-write for both, for while the task is not done the registry holds a reference, and
    /// this one cannot be the last (10 of 90 ns a detached task).
    #[inline]
    pub(super) fn detach(&self) -> bool {
        // ORDER: Acquire, pairs with `complete`.
        let mut now = self.0.load(Ordering::Acquire);
        while now & DONE == 0 {
            debug_assert!(now & JOIN_WAKER == 0, "the waker is withdrawn first");
            debug_assert!(now / REFERENCE > 1, "the handle's is not the last");
            let next = (now & !JOIN) - REFERENCE;
            // ORDER: AcqRel, pairs with the Acquire in `complete`, which then owns the output; Acquire when it fails.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(changed) => now = changed,
            }
        }
        false
    }

    /// Gives the handle's reference back after the output was taken. If it is the last one nobody else can see the
    /// word any more, and the read-modify-write is saved.
    #[inline]
    pub(super) fn drop_last_or_shared(&self) -> AfterDrop {
        // ORDER: Acquire, pairs with the other drops: a count of one means that they are all over.
        if self.0.load(Ordering::Acquire) / REFERENCE == 1 { AfterDrop::Free } else { self.drop_reference() }
    }
}

#[inline]
fn start(seen: usize) -> StartPoll {
    if seen & CANCELLED == 0 { StartPoll::Poll } else { StartPoll::Cancel { shutdown: seen & SHUTDOWN != 0 } }
}

#[inline]
fn after_wake(before: usize) -> AfterWake {
    if before & (RUNNING | QUEUED | DONE) == 0 { AfterWake::Push } else { AfterWake::Nothing }
}

#[inline]
fn after_drop(before: usize) -> AfterDrop {
    if before / REFERENCE == 1 { AfterDrop::Free } else { AfterDrop::Shared }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDER: Relaxed, for a human's eyes.
        let now = self.0.load(Ordering::Relaxed);
        let phase = match now & (RUNNING | QUEUED | DONE) {
            0 => "idle",
            QUEUED => "queued",
            n if n & DONE != 0 => "done",
            _ => "running",
        };
        write!(f, "{phase}, {} references", now / REFERENCE)
    }
}
