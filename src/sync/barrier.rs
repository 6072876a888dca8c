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
    /// **Strict.** Whoever drops this future before the number was full has not come.
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
