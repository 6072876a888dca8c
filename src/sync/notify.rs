//! A bell without a message: whoever waits is told to look again.
//!
//! - **N1** A notification by `notify_one` or `notify_last` is taken once: by somebody in line, or, if nobody waits, by the next
//!   one to come. Several that nobody has taken are one.
//! - **N2** `notify_waiters` reaches every [`Notified`] that was made before it, polled or not, and leaves nothing behind.
//! - **N3** Whoever was notified by N1 and goes away without having been polled passes it on, to the next in line or to the next one
//!   to come. A `notify_waiters` in between changes nothing about that: it reaches those who have nothing yet (N2), and takes
//!   nothing from anybody.
//!
//! Cases of the catalogue: SYN-03.

use super::wait_list::{Entered, Handle, Locked, Operation, Wait, WaitList};
use crate::base::atomic::{AtomicUsize, Ordering, const_outside_models};
use crate::task::wait::{self, WaitKind};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

/// Wakes one task or all that wait, without a message.
///
/// The state that changed is kept elsewhere: look at it, wait for a notification, look again. A notification that comes between
/// the look and the wait is not missed, for one is kept (`notify_one`), or the future was made before the look (`notify_waiters`).
///
/// # Examples
/// ```
/// use mainspring::sync::Notify;
/// use std::sync::Arc;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let bell = Arc::new(Notify::new());
///     let ringer = bell.clone();
///     let task = mainspring::spawn(async move { ringer.notify_one() });
///     bell.notified().await;
///     assert!(task.await.is_ok());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Notify {
    /// How often `notify_waiters` was called: changed under the lock, read by anybody. It wraps; a future would have to
    /// sleep through all of them.
    calls: AtomicUsize,
    list: WaitList<State, Ticket>,
}

/// What the lock protects.
pub struct State {
    /// A notification that nobody has taken.
    kept: bool,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// By `notify_one`: one must take it.
    One,
    /// By `notify_last`.
    Last,
    /// By `notify_waiters`.
    All,
}

impl Notify {
    const_outside_models! {
        /// With no notification, for a `static`.
        #[must_use]
        pub const fn const_new() -> Self {
            Self { calls: AtomicUsize::new(0), list: WaitList::new(State { kept: false }) }
        }
    }

    /// With no notification.
    #[must_use]
    pub fn new() -> Self {
        Self::const_new()
    }

    /// Waits for a notification. Where you stand in line is decided by the first poll, or by [`enable`](Notified::enable).
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line. A notification that `notify_one` or `notify_last` had given it
    /// goes to the next in line, or, if nobody waits, to the next one to come, whether or not `notify_waiters` was called meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Notify;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let bell = Notify::new();
    /// let notified = bell.notified();
    /// bell.notify_waiters();
    /// notified.await; // it was made before
    /// bell.notify_one();
    /// bell.notified().await; // it was kept
    /// assert!(format!("{bell:?}").contains("kept: false"));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        Wait::new(self, self.waiting(), Location::caller())
    }

    /// As [`notified`](Self::notified), for a future that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`notified`](Self::notified).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Notify;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let bell = Arc::new(Notify::new());
    /// let task = mainspring::spawn(bell.clone().notified_owned());
    /// bell.notify_one();
    /// assert!(task.await.is_ok());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        let waiting = self.waiting();
        Wait::new(self, waiting, Location::caller())
    }

    /// Notifies the one who has waited longest, or else the next one to come.
    pub fn notify_one(&self) {
        let mut locked = self.list.lock();
        let is_taken = locked.grant_first(Ticket::One);
        locked.kept |= !is_taken;
    }

    /// Notifies the one who came last, or else the next one to come.
    pub fn notify_last(&self) {
        let mut locked = self.list.lock();
        let is_taken = locked.grant_last(Ticket::Last);
        locked.kept |= !is_taken;
    }

    /// Notifies everybody who waits, and every [`Notified`] that was made before, polled or not. Nothing is kept of it, and it uses
    /// up nothing that `notify_one` has left: neither what is kept, nor what has been given to somebody who goes away before he
    /// is polled.
    pub fn notify_waiters(&self) {
        let mut locked = self.list.lock();
        // ORDER: Release, pairs with the Acquire in `calls`: what was done before is seen by whoever sees this without the lock.
        self.calls.fetch_add(1, Ordering::Release);
        locked.grant_all(Ticket::All);
    }

    fn waiting(&self) -> Notifying {
        Notifying { calls: self.calls() }
    }

    fn calls(&self) -> usize {
        // ORDER: Acquire, pairs with the Release in `notify_waiters`.
        self.calls.load(Ordering::Acquire)
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.list.lock();
        let (kept, waiters) = (locked.kept, locked.waiters());
        drop(locked);
        f.debug_struct("Notify").field("kept", &kept).field("waiters", &waiters).finish()
    }
}

/// The future of [`Notify::notified`].
pub type Notified<'a> = Wait<&'a Notify, Notifying>;

/// The future of [`Notify::notified_owned`].
pub type OwnedNotified = Wait<Arc<Notify>, Notifying>;

impl<P: Handle<Target = Notify>> Wait<P, Notifying> {
    /// Stands in line now, before the first poll; true if there is a notification already. So a look at the state may come
    /// after it, and the wait after that, and no `notify_one` in between goes to somebody else.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Notify;
    /// # use std::pin::pin;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let bell = Notify::new();
    /// let mut first = pin!(bell.notified());
    /// assert!(!first.as_mut().enable());
    /// bell.notify_one();
    /// assert!(first.as_mut().enable());
    /// first.await;
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.stand_in_line()
    }
}

/// Waiting for a notification.
pub struct Notifying {
    /// How often `notify_waiters` had been called when the future was made (N2).
    calls: usize,
}

impl<P: Handle<Target = Notify>> Operation<P> for Notifying {
    type State = State;
    type Ticket = Ticket;
    type Output = ();

    const NAME: &'static str = "Notified";

    fn list(notify: &Notify) -> &WaitList<State, Ticket> {
        &notify.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Notified, object, at });
    }

    fn try_now(&mut self, notify: &mut P) -> Option<Ticket> {
        (notify.calls() != self.calls).then_some(Ticket::All)
    }

    fn enter(&mut self, notify: &P, locked: &mut Locked<'_, State, Ticket>) -> Entered<Ticket> {
        if notify.calls() != self.calls {
            return Entered::Granted(Ticket::All);
        }
        if std::mem::take(&mut locked.kept) {
            return Entered::Granted(Ticket::One);
        }
        Entered::Waits(Ticket::Waits)
    }

    fn finish(&mut self, _: P, _: Ticket, _: &'static Location<'static>) {}

    fn give_back(&mut self, notify: &P, ticket: Ticket) {
        match ticket {
            Ticket::One => notify.notify_one(),
            Ticket::Last => notify.notify_last(),
            Ticket::Waits | Ticket::All => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Owned, poll, wait_for};
    use super::*;
    use crate::base::atomic::{AtomicU32, model, model_thread};
    use std::task::Waker;

    /// One who stands in line already.
    fn in_line(bell: &Arc<Notify>) -> Pin<Box<OwnedNotified>> {
        let mut notified = Box::pin(bell.clone().notified_owned());
        assert!(poll(&mut notified, Waker::noop()).is_pending());
        notified
    }

    /// Is a notification kept? Nobody is in line any more.
    fn kept(bell: &Notify) -> bool {
        let locked = bell.list.lock();
        assert!(locked.is_empty());
        locked.kept
    }

    #[test]
    fn model_syn_03_a_notification_of_somebody_who_leaves_is_taken_once_by_another() {
        model(|| {
            let bell = Arc::new(Notify::new());
            let leaving = in_line(&bell);
            let leaver = model_thread::spawn(move || drop(leaving));
            let other = bell.clone();
            let staying = model_thread::spawn(move || wait_for(other.notified()));
            bell.notify_one();
            leaver.join().expect("no panic");
            staying.join().expect("not lost: N3");
            assert!(!kept(&bell), "nor doubled");
        });
    }

    #[test]
    fn model_a_new_waiter_is_reached_by_notify_waiters_or_sees_what_was_done_before() {
        model(|| {
            let (bell, owned, done) = (Arc::new(Notify::new()), Owned::new(), Arc::new(AtomicU32::new(0)));
            let first = in_line(&bell);
            let (ringer, theirs, is_done) = (bell.clone(), owned.clone(), done.clone());
            let ringing = model_thread::spawn(move || {
                theirs.count();
                // ORDER: Relaxed, on purpose: that it is seen in time is what the notification is for.
                is_done.store(1, Ordering::Relaxed);
                ringer.notify_waiters();
            });
            let notified = bell.notified();
            // ORDER: Relaxed, as above.
            if done.load(Ordering::Relaxed) == 0 {
                wait_for(notified);
                assert_eq!(owned.read(), 1, "N2");
            }
            wait_for(first);
            assert_eq!(owned.read(), 1);
            ringing.join().expect("no panic");
            assert!(!kept(&bell));
        });
    }

    #[test]
    fn model_two_notifications_reach_two_waiters() {
        model(|| {
            let bell = Arc::new(Notify::new());
            let (one, other) = (in_line(&bell), in_line(&bell));
            let ringer = bell.clone();
            let ringing = model_thread::spawn(move || ringer.notify_one());
            let waiting = model_thread::spawn(move || wait_for(other));
            bell.notify_one();
            wait_for(one);
            waiting.join().expect("no panic");
            ringing.join().expect("no panic");
            assert!(!kept(&bell), "N1");
        });
    }

    #[test]
    fn model_syn_03_a_notification_outlives_a_waiter_that_notify_waiters_overtook() {
        model(|| {
            let bell = Arc::new(Notify::new());
            let leaving = in_line(&bell);
            let ringer = bell.clone();
            let ringing = model_thread::spawn(move || ringer.notify_one());
            let all = bell.clone();
            let ringing_all = model_thread::spawn(move || all.notify_waiters());
            drop(leaving);
            ringing.join().expect("no panic");
            ringing_all.join().expect("no panic");
            assert!(kept(&bell), "N3, in whatever order they came");
        });
    }
}
