#![allow(unsafe_code, reason = "makes guards of a lock that was just got")]
//! Many readers or one writer.
//!
//! ```text
//!    word:  how many readers │ WAITERS │ WRITER
//! ```
//!
//! - **R1** WAITERS is on exactly while somebody stands in line; both change together, under the list's lock.
//! - **R2** While WAITERS is on nobody gets in but by the line: a reader that comes after a writer waits behind it, so writers are
//!   not starved by readers, and readers that stand together get in together.
//! - **R3** WRITER and readers exclude each other.
//! - **R4** While WAITERS is on, the first in line cannot get in as the word is, or somebody is about to let it in: whoever left the
//!   word so has the list's lock, or is on his way to it.
//!
//! Calm, each way in is one compare-exchange, and each way out one compare-exchange or one subtraction. The last one out who meets
//! WAITERS goes to the line and lets in its first, and if that is a reader then all readers behind it up to the next writer.
//!
//! Cases of the catalogue: SYN-03, SYN-07, SYN-08.

mod guards;

pub use guards::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockMappedReadGuard, RwLockMappedWriteGuard, RwLockReadGuard,
    RwLockWriteGuard,
};

use super::blocking;
use super::guard::{Exclusive, Held, Reading, Release, Shared, Writing};
use super::holder::Holder;
use super::mutex::TryLockError;
use super::wait_list::{Entered, Handle, Locked, Operation, Wait, WaitList};
use crate::base::atomic::{AtomicUsize, Ordering, const_outside_models};
use crate::task::wait::{self, WaitKind};
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

const WRITER: usize = 1;
const WAITERS: usize = 2;
/// One reader.
const READER: usize = 4;

/// A lock for many readers or one writer, which may be held across an `.await`; first come, first served.
///
/// A task that reads and wants to read once more while a writer waits stands behind that writer, who waits for the task: do not
/// take a second read guard while the first is held.
///
/// There is no poisoning: see [`Mutex`](super::Mutex).
///
/// # Examples
/// ```
/// use mainspring::sync::RwLock;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let lock = RwLock::new(5);
///     {
///         let (one, two) = (lock.read().await, lock.read().await);
///         assert_eq!(*one + *two, 10);
///     }
///     *lock.write().await += 1;
///     assert_eq!(lock.into_inner(), 6);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    /// Lent to the readers, or belongs to the writer (R3).
    value: UnsafeCell<T>,
}

// SAFETY: the value goes with the lock.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: a shared lock lends the value to many threads at a time, and gives it to one.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// A lock without its value.
pub struct RawRwLock {
    /// Readers, WAITERS, WRITER.
    word: AtomicUsize,
    list: WaitList<(), Want>,
    /// The last who got in, to read or to write.
    holder: Holder,
}

/// In which way somebody wants to get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// With others.
    Read,
    /// Alone.
    Write,
}

impl Want {
    /// May somebody with this wish get in beside those who are in already?
    fn fits(self, word: usize) -> bool {
        match self {
            Self::Read => word & WRITER == 0,
            Self::Write => word & !WAITERS == 0,
        }
    }

    /// What he adds to the word.
    fn weight(self) -> usize {
        match self {
            Self::Read => READER,
            Self::Write => WRITER,
        }
    }
}

impl RawRwLock {
    const_outside_models! {
        const fn new() -> Self {
            Self { word: AtomicUsize::new(0), list: WaitList::new(()), holder: Holder::new() }
        }
    }

    /// The way without the line.
    #[inline]
    fn try_get(&self, want: Want) -> bool {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITERS == 0 && want.fits(word) {
            assert!(word < usize::MAX / 2, "too many readers have been forgotten");
            let new = word + want.weight();
            // ORDER: Acquire, pairs with the Release of whoever got out: what was done under the lock is seen.
            match self.word.compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Under the list's lock: in at once, or the mark is left that R1 asks for.
    fn enter(&self, want: Want) -> Entered<Want> {
        loop {
            if self.try_get(want) {
                return Entered::Granted(want);
            }
            // ORDER: Relaxed, a look before the compare-exchange.
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITERS == 0 && want.fits(word) {
                continue; // somebody got out meanwhile
            }
            // ORDER: Relaxed, the mark publishes nothing; what counts is that it does not fit at this very moment.
            if self.word.compare_exchange(word, word | WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Entered::Waits(want);
            }
        }
    }

    /// Lets in whoever may get in now, from the front of the line. While WAITERS is on, only readers on their way out change the
    /// word beside us, and for them R4 holds again: the last of them comes here, too.
    #[inline(never)]
    fn let_in(&self, locked: &mut Locked<'_, (), Want>) {
        while let Some(want) = locked.first() {
            // ORDER: Acquire, as in `try_get`; the grant hands it on.
            if !want.fits(self.word.load(Ordering::Acquire)) {
                return;
            }
            // Before the grant: who is granted may get out at once.
            // ORDER: Acquire, as in `try_get`.
            self.word.fetch_add(want.weight(), Ordering::Acquire);
            locked.grant_first(want);
        }
        // ORDER: Relaxed, as when it was turned on.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
    }

    /// A writer turns into a reader, without letting another writer in between.
    fn downgrade(&self) {
        // ORDER: Release, pairs with the Acquire of the readers that get in beside it.
        let before = self.word.fetch_add(READER - WRITER, Ordering::Release);
        if before & WAITERS != 0 {
            self.let_in(&mut self.list.lock());
        }
    }
}

impl Release<Reading> for RawRwLock {
    #[inline]
    fn release(&self) {
        // ORDER: Release, pairs with the Acquire of the writer who gets in next.
        let before = self.word.fetch_sub(READER, Ordering::Release);
        if before == READER | WAITERS {
            self.let_in(&mut self.list.lock());
        }
    }
}

impl Release<Writing> for RawRwLock {
    #[inline]
    fn release(&self) {
        // ORDER: Release, pairs with the Acquire of whoever gets in next.
        let before = self.word.fetch_sub(WRITER, Ordering::Release);
        if before & WAITERS != 0 {
            self.let_in(&mut self.list.lock());
        }
    }
}

impl<T: ?Sized, M> Release<M> for RwLock<T>
where
    RawRwLock: Release<M>,
{
    #[inline]
    fn release(&self) {
        self.raw.release();
    }
}

impl<T> RwLock<T> {
    const_outside_models! {
        /// An unlocked lock, for a `static`.
        #[must_use]
        pub const fn const_new(value: T) -> Self {
            Self { raw: RawRwLock::new(), value: UnsafeCell::new(value) }
        }
    }

    /// An unlocked lock.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::const_new(value)
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until the value may be read, together with other readers.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::RwLock;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let lock = RwLock::new(1);
    /// let guard = lock.read().await;
    /// assert!(lock.try_read().is_ok() && lock.try_write().is_err());
    /// assert_eq!(*guard, 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn read(&self) -> Read<'_, T> {
        Wait::new(self, ToRead(()), Location::caller())
    }

    /// Waits until the value may be changed.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::RwLock;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let lock = RwLock::new(1);
    /// let mut guard = lock.write().await;
    /// *guard += 1;
    /// assert!(lock.try_read().is_err());
    /// drop(guard);
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn write(&self) -> Write<'_, T> {
        Wait::new(self, ToWrite(()), Location::caller())
    }

    /// As [`read`](Self::read), for a guard that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::RwLock;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let guard = Arc::new(RwLock::new(1)).read_owned().await;
    /// assert_eq!(mainspring::spawn(async move { *guard }).await.unwrap(), 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> ReadOwned<T> {
        Wait::new(self, ToRead(()), Location::caller())
    }

    /// As [`write`](Self::write), for a guard that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`write`](Self::write).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::RwLock;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut guard = lock.clone().write_owned().await;
    /// mainspring::spawn(async move { *guard = 2 }).await.unwrap();
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> WriteOwned<T> {
        Wait::new(self, ToWrite(()), Location::caller())
    }

    /// To read, if that is possible at once and nobody waits.
    ///
    /// # Errors
    /// If a writer is in, or somebody waits.
    #[track_caller]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        if self.raw.try_get(Want::Read) { Ok(reading(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// To write, if that is possible at once.
    ///
    /// # Errors
    /// If somebody is in.
    #[track_caller]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        if self.raw.try_get(Want::Write) { Ok(writing(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// As [`try_read`](Self::try_read), for a guard that may go where no borrow can.
    ///
    /// # Errors
    /// If a writer is in, or somebody waits.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        if self.raw.try_get(Want::Read) { Ok(reading(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// As [`try_write`](Self::try_write), for a guard that may go where no borrow can.
    ///
    /// # Errors
    /// If somebody is in.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        if self.raw.try_get(Want::Write) { Ok(writing(self, Location::caller())) } else { Err(TryLockError(())) }
    }

    /// As [`read`](Self::read), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `read` there.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        blocking::wait("blocking_read", self.read())
    }

    /// As [`write`](Self::write), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `write` there.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        blocking::wait("blocking_write", self.write())
    }

    /// The value, without locking: the borrow says that nobody else is there.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The caller has just got in to read.
#[inline]
fn reading<P, T>(lock: P, at: &'static Location<'static>) -> Shared<Held<P, Reading>, T>
where
    P: Handle<Target = RwLock<T>>,
    T: ?Sized,
{
    lock.raw.holder.set(at);
    let value = lock.value.get();
    // SAFETY: the callers have just counted a reader, so by R3 no writer is in until this key goes; the value is the lock's own.
    unsafe { Shared::new(Held::new(lock), value) }
}

/// The caller has just got in to write.
#[inline]
fn writing<P, T>(lock: P, at: &'static Location<'static>) -> Exclusive<Held<P, Writing>, T>
where
    P: Handle<Target = RwLock<T>>,
    T: ?Sized,
{
    lock.raw.holder.set(at);
    let value = lock.value.get();
    // SAFETY: the callers have just turned WRITER on, so by R3 nobody else is in until this key goes; the value is the lock's own.
    unsafe { Exclusive::new(Held::new(lock), value) }
}

/// Waiting to read.
pub struct ToRead(());

/// Waiting to write.
pub struct ToWrite(());

/// The future of [`RwLock::read`].
pub type Read<'a, T> = Wait<&'a RwLock<T>, ToRead>;
/// The future of [`RwLock::read_owned`].
pub type ReadOwned<T> = Wait<Arc<RwLock<T>>, ToRead>;
/// The future of [`RwLock::write`].
pub type Write<'a, T> = Wait<&'a RwLock<T>, ToWrite>;
/// The future of [`RwLock::write_owned`].
pub type WriteOwned<T> = Wait<Arc<RwLock<T>>, ToWrite>;

/// The two ways in differ in what they want and in what they give.
macro_rules! way_in {
    ($name:literal, $way:ident, $want:ident, $kind:ident, $held:ident, $guard:ident, $make:ident) => {
        impl<P: Handle<Target = RwLock<T>>, T: ?Sized> Operation<P> for $way {
            type State = ();
            type Ticket = Want;
            type Output = $guard<Held<P, $held>, T>;

            const NAME: &'static str = $name;

            fn list(lock: &RwLock<T>) -> &WaitList<(), Want> {
                &lock.raw.list
            }

            fn note(&self, object: u64, at: &'static Location<'static>) {
                wait::note(wait::Wait { kind: WaitKind::$kind, object, at });
            }

            #[inline]
            fn try_now(&mut self, lock: &mut P) -> Option<Want> {
                lock.raw.try_get(Want::$want).then_some(Want::$want)
            }

            fn enter(&mut self, lock: &P, _: &mut Locked<'_, (), Want>) -> Entered<Want> {
                lock.raw.enter(Want::$want)
            }

            #[inline]
            fn finish(&mut self, lock: P, _: Want, at: &'static Location<'static>) -> Self::Output {
                $make(lock, at)
            }

            fn give_back(&mut self, lock: &P, _: Want) {
                Release::<$held>::release(&lock.raw);
            }

            /// Readers behind a writer that left may get in.
            fn left(&mut self, lock: &P, locked: &mut Locked<'_, (), Want>) {
                lock.raw.let_in(locked);
            }
        }
    };
}

way_in!("Read", ToRead, Read, ReadLock, Reading, Shared, reading);
way_in!("Write", ToWrite, Write, WriteLock, Writing, Exclusive, writing);

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDER: Relaxed, a look.
        let word = self.raw.word.load(Ordering::Relaxed);
        let (readers, writer) = (word / READER, word & WRITER != 0);
        let last = self.raw.holder.get().filter(|_| writer || readers > 0);
        let waiters = self.raw.list.lock().waiters();
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(value) => shown.field("value", &&*value),
            Err(_) => shown.field("value", &format_args!("<locked>")),
        };
        shown.field("readers", &readers).field("writer", &writer).field("last_in", &last);
        shown.field("waiters", &waiters).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Owned, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::task::Waker;

    #[test]
    fn model_readers_and_a_writer_exclude_each_other_and_all_get_in() {
        model(|| {
            let (lock, owned) = (Arc::new(RwLock::new(())), Owned::new());
            let (other, theirs) = (lock.clone(), owned.clone());
            let writer = model_thread::spawn(move || {
                let _guard = wait_for(other.write());
                theirs.count();
            });
            let (other, theirs) = (lock.clone(), owned.clone());
            let reader = model_thread::spawn(move || {
                let _guard = wait_for(other.read());
                theirs.read()
            });
            {
                let _guard = wait_for(lock.read());
                assert!(owned.read() < 2);
            }
            writer.join().expect("no panic");
            reader.join().expect("no panic");
            assert!(lock.try_write().is_ok());
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(lock.raw.word.load(Ordering::Relaxed), 0, "R1");
        });
    }

    #[test]
    fn model_a_writer_that_turns_into_a_reader_or_leaves_the_line_lets_readers_in() {
        model(|| {
            let (lock, owned) = (Arc::new(RwLock::new(())), Owned::new());
            let writer = lock.try_write().expect("free");
            let mut leaving = Box::pin(lock.clone().write_owned());
            assert!(poll(&mut leaving, Waker::noop()).is_pending());
            let leaver = model_thread::spawn(move || drop(leaving));
            let (other, theirs) = (lock.clone(), owned.clone());
            let reader = model_thread::spawn(move || {
                let _guard = wait_for(other.read());
                theirs.read()
            });
            owned.count();
            let mine = writer.downgrade();
            assert_eq!(owned.read(), 1);
            leaver.join().expect("no panic");
            assert_eq!(reader.join().expect("the first reader is still in, and the second got in"), 1);
            drop(mine);
            assert!(lock.try_write().is_ok());
        });
    }
}
