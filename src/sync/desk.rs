//! Where code of a user's works on something that nobody else may see meanwhile.
//!
//! No lock of this chapter is held over code of a user's (Y2), save where nothing else can be: a closure that changes a value in
//! its place, and comparisons that put values in order. That is done at a desk, which is a lock that knows who has it:
//!
//! - **D1** Whoever comes back to a desk from within, on the same thread, gets a panic that says so; a plain lock would leave him
//!   waiting for himself.
//! - **D2** A panic at the desk leaves it free, and what lies on it as it then is. Whoever sits down there must be able to bear that.
//! - **D3** No waker is woken and nothing of a user's is dropped at a desk: he who waits for it waits for what had to be done there.

use crate::base::atomic::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, const_outside_models};
use crate::base::context;
use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;
use std::time::Duration;

/// How long a sleeper at a condition sleeps before he looks again by himself; only a bound is needed.
const LONG: Duration = Duration::from_secs(3600);

/// Something on which one thread at a time works, with a user's code.
pub(super) struct Desk<T> {
    contents: Mutex<T>,
    /// The thread that has the lock; 0 while nobody has it.
    thread: AtomicUsize,
}

// D2.
impl<T> RefUnwindSafe for Desk<T> {}

impl<T> Desk<T> {
    const_outside_models! {
        pub(super) const fn new(contents: T) -> Self {
            Self { contents: Mutex::new(contents), thread: AtomicUsize::new(0) }
        }
    }

    /// Waits on this thread until the desk is free.
    ///
    /// # Panics
    /// If this thread is at it already (D1); `call` and `within` say in the panic's text what was called, and where.
    #[track_caller]
    pub(super) fn sit(&self, call: &str, within: &str) -> Seated<'_, T> {
        let me = context::thread();
        // ORDER: Relaxed: it is this thread's number only if this thread has written it, and it sees what it wrote itself.
        let is_here = self.thread.load(Ordering::Relaxed) == me;
        assert!(!is_here, "`{call}` inside {within} would wait for itself: call it after that");
        let contents = self.contents.lock();
        Seated { seat: Seat::take(&self.thread, me), contents }
    }

    pub(super) fn into_inner(self) -> T {
        self.contents.into_inner()
    }

    /// Sits down if the desk is free.
    pub(super) fn try_sit(&self) -> Option<Seated<'_, T>> {
        let contents = self.contents.try_lock()?;
        Some(Seated { seat: Seat::take(&self.thread, context::thread()), contents })
    }
}

/// At the desk; it gives what lies there, by `Deref`. The order of the fields matters: the seat is left before the lock is.
pub(super) struct Seated<'a, T> {
    seat: Seat<'a>,
    contents: MutexGuard<'a, T>,
}

impl<'a, T> Seated<'a, T> {
    /// Leaves the desk to others until somebody has notified.
    pub(super) fn wait(self, condition: &Condvar) -> Self {
        let Self { seat, contents } = self;
        let thread = seat.0;
        drop(seat);
        let (contents, _) = condition.wait_for(contents, LONG);
        Self { seat: Seat::take(thread, context::thread()), contents }
    }
}

impl<T> Deref for Seated<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.contents
    }
}

impl<T> DerefMut for Seated<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.contents
    }
}

/// Says who has the lock, while somebody has it.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(thread: &'a AtomicUsize, me: usize) -> Self {
        // ORDER: Relaxed, as in `sit`.
        thread.store(me, Ordering::Relaxed);
        Self(thread)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        // ORDER: Relaxed, as in `sit`.
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    #[test]
    fn who_comes_back_is_told_and_a_panic_leaves_the_desk_free() {
        let desk = Desk::new(1);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut seated = desk.sit("first", "no call");
            *seated = 2;
            assert!(desk.try_sit().is_none());
            drop(desk.sit("second", "the first"));
        }));
        let message = outcome.expect_err("D1").downcast::<String>().expect("words");
        assert!(message.contains("`second` inside the first would wait for itself"), "{message}");
        assert_eq!(desk.try_sit().as_deref(), Some(&2), "D2");
        assert_eq!(*desk.sit("third", "no call"), 2);
    }

    #[test]
    fn model_two_threads_sit_in_turn_and_a_sleeper_is_woken() {
        model(|| {
            let desk = Arc::new((Desk::new(0), Condvar::new()));
            let other = desk.clone();
            let thread = model_thread::spawn(move || {
                *other.0.sit("other", "none") += 1;
                other.1.notify_all();
            });
            let mut seated = desk.0.sit("mine", "none");
            while *seated == 0 {
                seated = seated.wait(&desk.1);
            }
            drop(seated);
            thread.join().expect("no panic");
        });
    }
}
