#![allow(unsafe_code, reason = "makes a guard of a lock that was just got")]
//! Mutual exclusion across awaits.
//!
//! ```text
//!             lock: one compare-exchange                        somebody waits
//!       0 ──────────────────────────────> LOCKED ──────────────────────────────> LOCKED│WAITERS <──────────────┐
//!       ^ <────────────────────────────── │ ^ <──────────────────────────────────│  ^ │  │                     │ the first looks,
//!             unlock: one compare-exchange  the last in line was granted, or left │  └─┘  │ unlock: the first   │ or enough have
//!                                                         unlock: handed to the first  │ is called           │ passed
//!                                                                                      └> WAITERS│CALLED ────┘
//! ```
//!
//! - **M1** WAITERS is on exactly while somebody stands in line; both change together, under the list's lock. Then LOCKED is on, or
//!   CALLED.
//! - **M2** Whoever turns LOCKED on has the lock. While WAITERS is on and CALLED is off nobody does that: the lock goes from hand to
//!   hand, and LOCKED stays on. So nobody overtakes the line, and there is one holder at most.
//! - **M3** A grant to somebody who went away is an unlock by him.
//! - **M4** While CALLED is on, somebody who runs may turn LOCKED on, and turn it off again, by one compare-exchange each, which counts
//!   him (`passing`). CALLED is turned on by a holder who lets go, and off by the one who was called or by a holder who finds that
//!   enough have passed; each under the list's lock.
//!
//! No wake-up is lost: WAITERS is turned on by a compare-exchange of LOCKED, so the holder's own, from LOCKED to 0, fails after
//! it, and he goes to the line. CALLED is turned off by a compare-exchange of the whole word, so either the caller's sees the mutex
//! free and takes it, or the holder's own fails after it, and he goes to the line.
//!
//! Cases of the catalogue: SYN-03, SYN-07, SYN-08.

use super::blocking;
use super::guard::{Alone, Exclusive, Held, Release};
use super::holder::Holder;
use super::passing::{CALLED, ONE_PASS, PASSES};
use super::wait_list::{Entered, Handle, Locked, Operation, Wait, WaitList};
use crate::base::atomic::{AtomicU32, Ordering, const_outside_models};
use crate::task::late;
use crate::task::wait::{self, WaitKind};
use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

const LOCKED: u32 = 1;
const WAITERS: u32 = 2;

/// A lock that may be held across an `.await`; first come, first served.
///
/// With one exception, which spares switches: a holder who was himself served from the line, and lets go within the same batch of
/// polls (microseconds, a millisecond at most), does not serve the next at once. Until the batch ends whoever runs may lock first, 63
/// times at most, and then the line has its turn. A lock that is held across a wait is handed from one to the next.
///
/// For data that is never held across an await, [`std::sync::Mutex`] does as well and is cheaper where threads meet.
///
/// There is no poisoning: if a task panics while it holds the lock, the lock is released as on every other way out, and the next
/// one finds the data as the panic left them. Whoever holds the lock is known, and shown by `Debug`, with his line; so is
/// whoever waits.
///
/// # Examples
/// ```
/// use mainspring::sync::Mutex;
/// use std::sync::Arc;
///
/// let total = mainspring::runtime::Runtime::new()?.block_on(async {
///     let total = Arc::new(Mutex::new(0));
///     let add = |n| {
///         let total = total.clone();
///         mainspring::spawn(async move { *total.lock().await += n })
///     };
///     let (one, two) = (add(1), add(2));
///     one.await.unwrap();
///     two.await.unwrap();
///     *total.lock().await
/// });
/// assert_eq!(total, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    /// Belongs to whoever has the lock (M2).
    value: UnsafeCell<T>,
}

// SAFETY: the value goes with the mutex.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: a shared mutex gives the value to one thread at a time (M2), so it must be fit to move.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// A mutex without its value.
pub struct RawMutex {
    /// LOCKED, WAITERS.
    word: AtomicU32,
    /// And the batch in which the mutex was last handed over.
    list: WaitList<u32, ()>,
    holder: Holder,
}

impl RawMutex {
    const_outside_models! {
        const fn new() -> Self {
            Self { word: AtomicU32::new(0), list: WaitList::new(0), holder: Holder::new() }
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // ORDER: Acquire, pairs with the Release in `release`: what was done under the lock is seen.
        self.word.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn is_locked(&self) -> bool {
        // ORDER: Relaxed, a look.
        self.word.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// As `try_lock`, for somebody who would stand in line otherwise.
    #[inline]
    fn try_lock_or_pass(&self) -> bool {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = if word == 0 {
                LOCKED
            } else if may_pass(word) {
                word + ONE_PASS + LOCKED
            } else {
                return false;
            };
            // ORDER: Acquire, as in `try_lock`.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Under the list's lock: has it now, or leaves the mark that M1 asks for.
    fn enter(&self) -> Entered<()> {
        loop {
            if self.try_lock_or_pass() {
                return Entered::Granted(());
            }
            // ORDER: Relaxed, the mark publishes nothing; the list's lock orders the node.
            match self.word.compare_exchange(LOCKED, LOCKED | WAITERS, Ordering::Relaxed, Ordering::Relaxed) {
                Err(0) => {} // unlocked meanwhile
                _ => return Entered::Waits(()),
            }
        }
    }

    /// There is a line, or there was: its first is called (M4), or served.
    #[inline(never)]
    fn hand_over(&self) {
        let mut locked = self.list.lock();
        // ORDER: Relaxed, while we hold the mutex and the list's lock nobody changes the word.
        let is_called = self.word.load(Ordering::Relaxed) & CALLED != 0;
        if !is_called
            && late::is_batch(*locked)
            && let Some(waker) = locked.call_first()
        {
            *locked = 0; // those who pass call nobody
            // ORDER: Release, as in `try_unlock`; pairs with the Acquire of whoever passes, and in `end_passing`.
            self.word.store(WAITERS | CALLED, Ordering::Release);
            drop(locked);
            return late::wake_late(waker);
        }
        self.serve_first(&mut locked);
    }

    /// Under the list's lock, with the mutex held: it goes to the first in line, if there is one.
    fn serve_first(&self, locked: &mut Locked<'_, u32, ()>) {
        let word = match locked.len() {
            0 => 0,
            1 => LOCKED,
            _ => LOCKED | WAITERS,
        };
        // ORDER: Release, as in `try_unlock`; before the grant, for then it is the new holder's to change.
        self.word.store(word, Ordering::Release);
        **locked = late::batch();
        locked.grant_first(());
    }

    /// Somebody has left the line: M1. If it was the one who was called, the others have nobody to wait for any more.
    fn see_to_mark(&self, locked: &mut Locked<'_, u32, ()>) {
        if self.end_passing() {
            self.serve_first(locked);
        } else if locked.is_empty() {
            // ORDER: Relaxed, as when it was turned on.
            self.word.fetch_and(!WAITERS, Ordering::Relaxed);
        }
    }

    /// Under the list's lock: nobody passes any more. True if the mutex was free, and is the caller's now.
    fn end_passing(&self) -> bool {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & CALLED != 0 {
            // ORDER: Acquire, as in `try_lock`.
            match self.word.compare_exchange_weak(word, WAITERS | LOCKED, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return word & LOCKED == 0,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The last of those who passed, or the only one who held it, lets go. False if the line must be seen to.
    #[inline]
    fn try_unlock(&self) -> bool {
        // ORDER: Release, pairs with the Acquire in `try_lock`. When it fails, the list's lock and the grant publish instead.
        let Err(mut word) = self.word.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed) else {
            return true;
        };
        while may_pass(word & !LOCKED) {
            // ORDER: Release, as above.
            match self.word.compare_exchange_weak(word, word & !LOCKED, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }
}

/// M4: may somebody who runs go in ahead of the line?
fn may_pass(word: u32) -> bool {
    word & (CALLED | LOCKED) == CALLED && word & PASSES != PASSES
}

impl Release<Alone> for RawMutex {
    #[inline]
    fn release(&self) {
        if !self.try_unlock() {
            self.hand_over();
        }
    }
}

impl<T: ?Sized> Release<Alone> for Mutex<T> {
    #[inline]
    fn release(&self) {
        self.raw.release();
    }
}

impl<T> Mutex<T> {
    const_outside_models! {
        /// An unlocked mutex, for a `static`.
        #[must_use]
        pub const fn const_new(value: T) -> Self {
            Self { raw: RawMutex::new(), value: UnsafeCell::new(value) }
        }
    }

    /// An unlocked mutex.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::const_new(value)
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line; a lock that had been handed to it goes to the next.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Mutex;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let mutex = Mutex::new(1);
    /// *mutex.lock().await += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Lock<'_, T> {
        self.lock_at(Location::caller())
    }

    /// For a composite, which has kept its caller's line.
    #[inline]
    pub(super) fn lock_at(&self, at: &'static Location<'static>) -> Lock<'_, T> {
        Wait::new(self, Locking(()), at)
    }

    /// As [`lock`](Self::lock), for a guard that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`lock`](Self::lock).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Mutex;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let mutex = Arc::new(Mutex::new(1));
    /// let mut guard = mutex.clone().lock_owned().await;
    /// mainspring::spawn(async move { *guard += 1 }).await.unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> LockOwned<T> {
        Wait::new(self, Locking(()), Location::caller())
    }

    /// The lock, if it is free and nobody waits for it.
    ///
    /// # Errors
    /// If somebody has it, or waits for it.
    #[track_caller]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.raw.try_lock() { Ok(guard(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// As [`try_lock`](Self::try_lock), for a guard that may go where no borrow can.
    ///
    /// # Errors
    /// If somebody has it.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        if self.raw.try_lock() { Ok(guard(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// As [`lock`](Self::lock), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `lock` there.
    ///
    /// # Examples
    /// ```
    /// let mutex = mainspring::sync::Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(*mutex.blocking_lock(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        blocking::wait("blocking_lock", self.lock())
    }

    /// As [`lock_owned`](Self::lock_owned), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `lock_owned` there.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        blocking::wait("blocking_lock_owned", self.lock_owned())
    }

    /// The value, without locking: the borrow says that nobody else is there.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The caller has just got the lock.
#[inline]
fn guard<P, T>(mutex: P, at: &'static Location<'static>) -> Exclusive<Held<P, Alone>, T>
where
    P: Handle<Target = Mutex<T>>,
    T: ?Sized,
{
    mutex.raw.holder.set(at);
    let value = mutex.value.get();
    // SAFETY: both callers have just turned LOCKED on or been handed the lock, so there is no other key (M2), and the value is
    // the one beside the lock.
    unsafe { Exclusive::new(Held::new(mutex), value) }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        let holder = self.raw.holder.get().filter(|_| self.raw.is_locked());
        match holder.is_none().then(|| self.try_lock()) {
            Some(Ok(value)) => shown.field("value", &&*value),
            _ => shown.field("value", &format_args!("<locked>")).field("held_by", &holder),
        };
        let waiters = self.raw.list.lock().waiters();
        shown.field("waiters", &waiters).finish()
    }
}

/// The future of [`Mutex::lock`].
pub type Lock<'a, T> = Wait<&'a Mutex<T>, Locking>;

/// The future of [`Mutex::lock_owned`].
pub type LockOwned<T> = Wait<Arc<Mutex<T>>, Locking>;

/// Waiting for a mutex.
pub struct Locking(());

impl<P: Handle<Target = Mutex<T>>, T: ?Sized> Operation<P> for Locking {
    type State = u32;
    type Ticket = ();
    type Output = Exclusive<Held<P, Alone>, T>;

    const NAME: &'static str = "Lock";

    fn list(mutex: &Mutex<T>) -> &WaitList<u32, ()> {
        &mutex.raw.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Lock, object, at });
    }

    #[inline]
    fn try_now(&mut self, mutex: &mut P) -> Option<()> {
        mutex.raw.try_lock_or_pass().then_some(())
    }

    fn enter(&mut self, mutex: &P, _: &mut Locked<'_, u32, ()>) -> Entered<()> {
        mutex.raw.enter()
    }

    #[inline]
    fn finish(&mut self, mutex: P, _: (), at: &'static Location<'static>) -> Self::Output {
        guard(mutex, at)
    }

    /// M4.
    fn called(&mut self, mutex: &P, locked: &mut Locked<'_, u32, ()>) -> Option<()> {
        let is_served = mutex.raw.end_passing();
        if is_served {
            **locked = late::batch();
        }
        is_served.then_some(())
    }

    /// M3.
    fn give_back(&mut self, mutex: &P, _: ()) {
        mutex.raw.release();
    }

    fn left(&mut self, mutex: &P, locked: &mut Locked<'_, u32, ()>) {
        mutex.raw.see_to_mark(locked);
    }
}

/// A held mutex, and its value; dropping it unlocks the mutex.
pub type MutexGuard<'a, T> = Exclusive<Held<&'a Mutex<T>, Alone>, T>;

/// A held mutex, and a part of its value.
pub type MappedMutexGuard<'a, T> = Exclusive<Held<&'a RawMutex, Alone>, T>;

/// A held mutex that is shared, and its value or (as `U`) a part of it.
pub type OwnedMutexGuard<T, U = T> = Exclusive<Held<Arc<Mutex<T>>, Alone>, U>;

/// A held mutex that is shared, and a part of its value.
pub type OwnedMappedMutexGuard<T, U> = OwnedMutexGuard<T, U>;

/// The key without the value's type.
fn raw<T: ?Sized>(key: Held<&Mutex<T>, Alone>) -> Held<&RawMutex, Alone> {
    Held::new(&key.keep().raw)
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex that is held.
    #[must_use]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.key().lock()
    }

    /// A guard of a part of the value. Call it as `MutexGuard::map(guard, ..)`.
    ///
    /// # Examples
    /// ```
    /// use mainspring::sync::{Mutex, MutexGuard};
    /// let mutex = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.0);
    /// *number = 2;
    /// assert!(mutex.try_lock().is_err());
    /// drop(number);
    /// assert_eq!(*mutex.try_lock().unwrap(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        this.map_with(part, raw)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        this.try_map_with(part, raw)
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// A guard of a part of the part.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        this.try_map_with(part, |key| key)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMutexGuard<T, U> {
    /// The mutex that is held.
    #[must_use]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.key().lock()
    }

    /// A guard of a part of the value.
    pub fn map<V: ?Sized>(this: Self, part: impl FnOnce(&mut U) -> &mut V) -> OwnedMutexGuard<T, V> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<V: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedMutexGuard<T, V>, Self> {
        this.try_map_with(part, |key| key)
    }
}

/// Somebody has the lock, or waits for it.
#[derive(Debug, PartialEq, Eq)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("somebody has the lock")
    }
}

impl Error for TryLockError {}

#[cfg(test)]
mod tests {
    use super::super::kit::{Owned, in_batches, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use crate::task::late::Late;
    use std::task::{Poll, Waker};

    #[test]
    fn model_three_threads_exclude_each_other_and_all_get_in() {
        model(|| {
            let (mutex, owned) = (Arc::new(Mutex::new(())), Owned::new());
            let threads = [(); 2].map(|()| {
                let (mutex, owned) = (mutex.clone(), owned.clone());
                model_thread::spawn(move || {
                    let _guard = wait_for(mutex.lock());
                    owned.count();
                })
            });
            {
                let _guard = wait_for(mutex.lock());
                owned.count();
            }
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            let guard = mutex.try_lock().expect("M2: everybody has gone");
            assert_eq!(owned.count(), 4);
            drop(guard);
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(mutex.raw.word.load(Ordering::Relaxed), 0, "M1");
        });
    }

    /// A mutex that this thread holds, as if it had been served from a line in the present batch.
    fn served(late: &Arc<Late>) -> (Arc<Mutex<()>>, OwnedMutexGuard<()>) {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.clone().try_lock_owned().expect("free");
        *mutex.raw.list.lock() = late.number();
        (mutex, guard)
    }

    #[test]
    fn model_syn_07_whoever_is_called_gets_in_though_others_pass() {
        model(|| {
            let (late, owned) = (Arc::new(Late::new(0)), Owned::new());
            let (mutex, guard) = served(&late);
            let (other, theirs) = (mutex.clone(), owned.clone());
            let waiting = model_thread::spawn(move || {
                let _guard = wait_for(other.lock());
                theirs.count();
            });
            in_batches(&late, || {
                owned.count();
                drop(guard);
                for _ in 0..2 {
                    // Passes, if somebody was called; stands in line, and leaves it, if he has looked.
                    if let Poll::Ready(_guard) = poll(&mut Box::pin(mutex.lock()), Waker::noop()) {
                        owned.count();
                    }
                }
                late.end_batch();
            });
            waiting.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(mutex.raw.word.load(Ordering::Relaxed), 0, "M1");
        });
    }

    #[test]
    fn model_syn_07_somebody_passes_while_whoever_was_called_looks() {
        model(|| {
            let (late, owned) = (Arc::new(Late::new(0)), Owned::new());
            let (mutex, guard) = served(&late);
            let [(other, theirs), (third, his)] = [(); 2].map(|()| (mutex.clone(), owned.clone()));
            let waiting = model_thread::spawn(move || {
                let _guard = wait_for(other.lock());
                theirs.count();
            });
            let passing = model_thread::spawn(move || {
                if let Poll::Ready(_guard) = poll(&mut Box::pin(third.lock()), Waker::noop()) {
                    his.count();
                }
            });
            in_batches(&late, || {
                drop(guard);
                late.end_batch();
            });
            waiting.join().expect("no panic");
            passing.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(mutex.raw.word.load(Ordering::Relaxed), 0, "M1");
        });
    }

    #[test]
    fn model_syn_03_whoever_was_called_and_leaves_is_waited_for_by_nobody() {
        for passes in [false, true] {
            model(move || {
                let late = Arc::new(Late::new(0));
                let (mutex, guard) = served(&late);
                let mut leaving = Box::pin(mutex.clone().lock_owned());
                assert!(poll(&mut leaving, Waker::noop()).is_pending());
                let leaver = model_thread::spawn(move || drop(leaving));
                let other = mutex.clone();
                let waiting = model_thread::spawn(move || drop(wait_for(other.lock())));
                in_batches(&late, || {
                    drop(guard);
                    if passes {
                        drop(poll(&mut Box::pin(mutex.lock()), Waker::noop()));
                    }
                    late.end_batch();
                });
                leaver.join().expect("no panic");
                waiting.join().expect("no panic");
                assert!(mutex.try_lock().is_ok());
            });
        }
    }

    #[test]
    fn model_syn_03_one_who_stands_behind_whoever_was_called_leaves() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (mutex, guard) = served(&late);
            let [mut first, mut leaving] = [(); 2].map(|()| Box::pin(mutex.clone().lock_owned()));
            assert!(poll(&mut first, Waker::noop()).is_pending());
            assert!(poll(&mut leaving, Waker::noop()).is_pending());
            let waiting = model_thread::spawn(move || drop(wait_for(first)));
            let leaver = model_thread::spawn(move || drop(leaving));
            in_batches(&late, || {
                drop(guard);
                drop(poll(&mut Box::pin(mutex.lock()), Waker::noop()));
                late.end_batch();
            });
            leaver.join().expect("no panic");
            waiting.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(mutex.raw.word.load(Ordering::Relaxed), 0, "M1");
        });
    }

    #[test]
    fn model_syn_03_a_lock_handed_to_somebody_who_leaves_goes_on_to_the_next() {
        model(|| {
            let (mutex, owned) = (Arc::new(Mutex::new(())), Owned::new());
            let guard = mutex.try_lock().expect("free");
            let mut leaving = Box::pin(mutex.clone().lock_owned());
            assert!(poll(&mut leaving, Waker::noop()).is_pending());
            let leaver = model_thread::spawn(move || drop(leaving));
            let (other, theirs) = (mutex.clone(), owned.clone());
            let waiting = model_thread::spawn(move || {
                let _guard = wait_for(other.lock());
                theirs.count();
            });
            owned.count();
            drop(guard);
            leaver.join().expect("no panic");
            waiting.join().expect("no panic");
            assert!(mutex.try_lock().is_ok());
        });
    }
}
