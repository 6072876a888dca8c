//! A meeting: nobody goes on before all have come.
//!
//! Who waits stands in the wait list, so the number of those who have come is the length of the line, and somebody who gives up
//! has not come. The one who makes the number full grants to all of the others under the same lock, and they are gone: whoever
//! comes after that belongs to the next meeting.

use super::blocking;
use super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use crate::base::atomic::const_outside_models;
use crate::task::wait::{self, WaitKind};
use std::fmt;
use std::panic::Location;

/// Lets so many tasks go on together, again and again.
///
/// # Examples
/// ```
/// use mainspring::sync::Barrier;
/// use std::sync::Arc;
///
/// let leaders = mainspring::runtime::Runtime::new()?.block_on(async {
///     let barrier = Arc::new(Barrier::new(3));
///     let meet = |_| {
///         let barrier = barrier.clone();
///         mainspring::spawn(async move { barrier.wait().await.is_leader() })
///     };
///     let tasks: Vec<_> = (0..3).map(meet).collect();
///     let mut leaders = 0;
///     for task in tasks {
///         leaders += u32::from(task.await.unwrap());
///     }
///     leaders
/// });
/// assert_eq!(leaders, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Barrier {
    /// How many must come; at least 1.
    count: usize,
    list: WaitList<(), Ticket>,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// All have come.
    Met,
    /// All have come, and this one was the last.
    Last,
}

impl Barrier {
    const_outside_models! {
        /// For so many tasks; 0 is taken for 1.
        #[must_use]
        pub const fn new(count: usize) -> Self {
            Self { count: if count == 0 { 1 } else { count }, list: WaitList::new(()) }
        }
    }

    /// Waits until all have come. Exactly one of them, the last to come, is told that it leads.
    ///
    /// # Cancellation
    /// **Strict.** Whoever drops this future before the number was full has not come. After that the meeting has been held, with it;
    /// the others go on, and who leads them is not changed by it.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Barrier;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// assert!(Barrier::new(1).wait().await.is_leader());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn wait(&self) -> BarrierWait<'_> {
        Wait::new(self, Meeting(()), Location::caller())
    }

    /// As [`wait`](Self::wait), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `wait` there.
    #[track_caller]
    pub fn blocking_wait(&self) -> BarrierWaitResult {
        blocking::wait("blocking_wait", self.wait())
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.list.lock().waiters();
        f.debug_struct("Barrier").field("count", &self.count).field("waiters", &waiters).finish()
    }
}

/// Says who leads.
#[derive(Clone, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Is this the one that came last?
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

/// The future of [`Barrier::wait`].
pub type BarrierWait<'a> = Wait<&'a Barrier, Meeting>;

/// Waiting for the others.
pub struct Meeting(());

impl Operation<&Barrier> for Meeting {
    type State = ();
    type Ticket = Ticket;
    type Output = BarrierWaitResult;

    const NAME: &'static str = "BarrierWait";

    fn list(barrier: &Barrier) -> &WaitList<(), Ticket> {
        &barrier.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Barrier, object, at });
    }

    fn enter(&mut self, barrier: &&Barrier, locked: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        if locked.len() + 1 < barrier.count {
            return Entered::Waits(Ticket::Waits);
        }
        locked.grant_all(Ticket::Met);
        Entered::Granted(Ticket::Last)
    }

    fn finish(&mut self, _: &Barrier, ticket: Ticket, _: &'static Location<'static>) -> BarrierWaitResult {
        BarrierWaitResult(ticket == Ticket::Last)
    }

    /// The meeting was held, with or without it.
    fn give_back(&mut self, _: &&Barrier, _: Ticket) {}
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Owned, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;
    use std::task::{Poll, Waker};

    #[test]
    fn model_each_round_has_one_leader_and_all_have_come_before_anybody_goes_on() {
        model(|| {
            let barrier = Arc::new(Barrier::new(2));
            let owned = [Owned::new(), Owned::new()];
            // Two rounds: each writes its own before the first, and reads the other's after it.
            let meet = |mine: usize| {
                let (barrier, owned) = (barrier.clone(), owned.clone());
                move || {
                    owned[mine].count();
                    let leads = wait_for(barrier.wait()).is_leader();
                    assert_eq!(owned[1 - mine].read(), 1);
                    let leads_again = wait_for(barrier.wait()).is_leader();
                    owned[1 - mine].count();
                    [leads, leads_again]
                }
            };
            let other = model_thread::spawn(meet(1));
            let (mine, theirs) = (meet(0)(), other.join().expect("no panic"));
            assert!(mine[0] != theirs[0] && mine[1] != theirs[1], "{mine:?} {theirs:?}");
            assert!(barrier.list.lock().is_empty());
        });
    }

    #[test]
    fn model_syn_03_whoever_leaves_has_come_or_has_not() {
        model(|| {
            let barrier = Arc::new(Barrier::new(2));
            let other = barrier.clone();
            let leaver = model_thread::spawn(move || {
                let mut leaving = Box::pin(other.wait());
                poll(&mut leaving, Waker::noop()).map(|result| result.is_leader())
            });
            let mut last = Box::pin(barrier.wait());
            let is_met = poll(&mut last, Waker::noop());
            let theirs = leaver.join().expect("no panic");
            match (is_met, theirs) {
                (Poll::Ready(result), Poll::Pending) => assert!(result.is_leader(), "it had come"),
                (Poll::Pending, Poll::Ready(leads)) => {
                    assert!(
                        leads && matches!(poll(&mut last, Waker::noop()), Poll::Ready(result) if !result.is_leader())
                    );
                }
                (Poll::Pending, Poll::Pending) => {
                    assert_eq!(barrier.list.lock().len(), 1, "it had gone before");
                    assert!(wait_for(barrier.wait()).is_leader() && !wait_for(last).is_leader());
                }
                (Poll::Ready(_), Poll::Ready(_)) => panic!("two that come last"),
            }
            assert!(barrier.list.lock().is_empty());
        });
    }
}
