//! Waiting, with a mutex in hand, for something that the mutex protects to change.
//!
//! - **V1** A waiter stands in line before it lets go of the mutex: whoever changes the state under the mutex and then notifies finds
//!   it there.
//! - **V2** A notification is for who waits now; none is kept. One that had come to somebody who then went away before he had looked
//!   at what changed goes to the next.

use super::blocking;
use super::mutex::MutexGuard;
use super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use crate::base::atomic::const_outside_models;
use crate::task::wait::{self, WaitKind};
use std::fmt;
use std::mem;
use std::panic::Location;
use std::pin::pin;

/// Lets go of a [`Mutex`](super::Mutex), waits to be notified, and takes the mutex again.
///
/// # Examples
/// ```
/// use mainspring::sync::{Condvar, Mutex};
/// use std::sync::Arc;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let shared = Arc::new((Mutex::new(false), Condvar::new()));
///     let other = shared.clone();
///     let task = mainspring::spawn(async move {
///         *other.0.lock().await = true;
///         other.1.notify_one();
///     });
///     let guard = shared.1.wait_while(shared.0.lock().await, |is_done| !*is_done).await;
///     assert!(*guard);
///     drop(guard);
///     task.await.unwrap();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Condvar {
    list: WaitList<(), Ticket>,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticket {
    Waits,
    /// By `notify_one`: if it is not used, it goes to the next.
    One,
    /// By `notify_all`.
    All,
}

impl Condvar {
    const_outside_models! {
        /// Nobody waits.
        #[must_use]
        pub const fn new() -> Self {
            Self { list: WaitList::new(()) }
        }
    }

    /// Lets go of the mutex, waits for a notification, takes the mutex again. The state may have changed once more until then, so
    /// look again, or use [`wait_while`](Self::wait_while).
    ///
    /// # Cancellation
    /// **Lossy.** The guard is gone: after a drop the mutex is not held, whether or not a notification had come. A notification
    /// that had come goes to the next.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::{Condvar, Mutex};
    /// # use std::future::poll_fn;
    /// # use std::{pin::pin, task::Poll};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (mutex, condition) = (Mutex::new(0), Condvar::new());
    /// let mut waiting = pin!(condition.wait(mutex.lock().await));
    /// poll_fn(|cx| Poll::Ready(assert!(waiting.as_mut().poll(cx).is_pending()))).await;
    /// *mutex.lock().await = 1;
    /// condition.notify_one();
    /// assert_eq!(*waiting.await, 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> impl Future<Output = MutexGuard<'a, T>> + use<'_, 'a, T> {
        self.wait_and_look(guard, Location::caller(), |guard| guard)
    }

    /// Waits until the condition is false; looks before the first wait, too.
    ///
    /// A notification after which the condition is still true is used up: somebody else who waits for something else is not woken
    /// in its place. So where conditions differ, use [`notify_all`](Self::notify_all).
    ///
    /// # Cancellation
    /// **Lossy.** As for [`wait`](Self::wait).
    ///
    /// # Panics
    /// If the condition panics. The mutex is released then, and the notification that had it called goes to the next, as if this
    /// future had been dropped. After [`wait`](Self::wait) it is used up, whatever you do then.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::{Condvar, Mutex};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (mutex, condition) = (Mutex::new(1), Condvar::new());
    /// let guard = condition.wait_while(mutex.lock().await, |n| *n == 0).await;
    /// assert_eq!(*guard, 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> impl Future<Output = MutexGuard<'a, T>> + use<'_, 'a, T, F> {
        let at = Location::caller();
        async move {
            let mut waits = condition(&mut guard);
            while waits {
                let look = |mut guard: MutexGuard<'a, T>| (condition(&mut guard), guard);
                (waits, guard) = self.wait_and_look(guard, at, look).await;
            }
            guard
        }
    }

    /// One wait. The notification is used up by the look at what changed; if that panics, it goes to the next (V2).
    async fn wait_and_look<'a, T: ?Sized, R>(
        &self,
        guard: MutexGuard<'a, T>,
        at: &'static Location<'static>,
        look: impl FnOnce(MutexGuard<'a, T>) -> R,
    ) -> R {
        let mutex = MutexGuard::mutex(&guard);
        let mut waiting = pin!(Wait::new(self, Waiting(()), at));
        waiting.as_mut().stand_in_line();
        drop(guard);
        let unused = Unused { condvar: self, ticket: waiting.await };
        let seen = look(mutex.lock_at(at).await);
        mem::forget(unused);
        seen
    }

    /// As [`wait`](Self::wait), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `wait` there.
    #[track_caller]
    pub fn blocking_wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        blocking::wait("blocking_wait", self.wait(guard))
    }

    /// Notifies the one who has waited longest, if anybody waits.
    pub fn notify_one(&self) {
        self.list.lock().grant_first(Ticket::One);
    }

    /// Notifies everybody who waits.
    pub fn notify_all(&self) {
        self.list.lock().grant_all(Ticket::All);
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.list.lock().waiters();
        f.debug_struct("Condvar").field("waiters", &waiters).finish()
    }
}

/// A notification that has come to somebody who has not looked yet at what changed, since he waits for the mutex still or his look
/// panicked: if he goes away, it goes to the next (V2).
struct Unused<'a> {
    condvar: &'a Condvar,
    ticket: Ticket,
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        Waiting(()).give_back(&self.condvar, self.ticket);
    }
}

/// Waiting to be notified.
struct Waiting(());

impl Operation<&Condvar> for Waiting {
    type State = ();
    type Ticket = Ticket;
    type Output = Ticket;

    const NAME: &'static str = "Condvar::wait";

    fn list(condvar: &Condvar) -> &WaitList<(), Ticket> {
        &condvar.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Condvar, object, at });
    }

    fn enter(&mut self, _: &&Condvar, _: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        Entered::Waits(Ticket::Waits)
    }

    fn finish(&mut self, _: &Condvar, ticket: Ticket, _: &'static Location<'static>) -> Ticket {
        ticket
    }

    fn give_back(&mut self, condvar: &&Condvar, ticket: Ticket) {
        if ticket == Ticket::One {
            condvar.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mutex;
    use super::super::kit::{Owned, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::Waker;

    /// Whether it is done, and who waits for that.
    #[derive(Default)]
    struct Shared {
        done: Mutex<bool>,
        condition: Condvar,
    }

    /// One wait, whatever it finds.
    async fn wait_once(shared: Arc<Shared>) {
        let guard = shared.done.lock().await;
        drop(shared.condition.wait(guard).await);
    }

    /// Waits until it is done.
    async fn until_done(shared: Arc<Shared>) {
        let guard = shared.done.lock().await;
        assert!(*shared.condition.wait_while(guard, |done| !*done).await);
    }

    fn in_line<F: Future<Output = ()>>(waiting: F) -> Pin<Box<F>> {
        let mut waiting = Box::pin(waiting);
        assert!(poll(&mut waiting, Waker::noop()).is_pending());
        waiting
    }

    #[test]
    fn model_a_waiter_has_the_mutex_again_and_sees_what_was_done_under_it() {
        model(|| {
            let (shared, owned) = (Arc::new(Shared::default()), Owned::new());
            let (other, theirs) = (shared.clone(), owned.clone());
            let changing = model_thread::spawn(move || {
                let mut done = wait_for(other.done.lock());
                theirs.count();
                *done = true;
                drop(done);
                other.condition.notify_one();
            });
            let guard = wait_for(shared.done.lock());
            let guard = wait_for(shared.condition.wait_while(guard, |done| !*done));
            assert_eq!(owned.count(), 2, "V1: not missed; and nobody else has the mutex");
            drop(guard);
            changing.join().expect("no panic");
        });
    }

    #[test]
    fn model_syn_03_a_notification_of_somebody_who_leaves_goes_to_the_next() {
        model(|| {
            let shared = Arc::new(Shared::default());
            let (mut leaving, staying) = (in_line(wait_once(shared.clone())), in_line(until_done(shared.clone())));
            let other = shared.clone();
            let leaver = model_thread::spawn(move || {
                // It may have been notified, and stand in line for the mutex. If it has used its notification up, it owes another.
                let is_used = poll(&mut leaving, Waker::noop()).is_ready();
                drop(leaving);
                if is_used {
                    other.condition.notify_one();
                }
            });
            let waiting = model_thread::spawn(move || wait_for(staying));
            // Notified with the mutex held, so that whoever is notified may have to wait once more, for the mutex.
            let mut done = wait_for(shared.done.lock());
            *done = true;
            shared.condition.notify_one();
            drop(done);
            leaver.join().expect("no panic");
            waiting.join().expect("V2");
            assert!(shared.done.try_lock().is_ok());
        });
    }

    #[test]
    fn model_notify_all_reaches_whoever_waits_and_whoever_comes_later_sees_the_change() {
        model(|| {
            let shared = Arc::new(Shared::default());
            let first = in_line(until_done(shared.clone()));
            let coming = until_done(shared.clone());
            let waiting = model_thread::spawn(move || wait_for(coming));
            *wait_for(shared.done.lock()) = true;
            shared.condition.notify_all();
            wait_for(first);
            waiting.join().expect("V1");
            assert!(shared.condition.list.lock().is_empty());
        });
    }
}
