//! Permits: so many may do something at once.
//!
//! ```text
//!    word:  how many permits are free │ PASSES │ CALLED │ WAITERS │ CLOSED
//! ```
//!
//! - **P1** WAITERS is on exactly while somebody stands in line; both change together, under the list's lock.
//! - **P2** While WAITERS is on and CALLED is off, permits are taken by the line's first alone, under the lock. So nobody overtakes,
//!   and somebody who wants many is not starved by those who want few.
//! - **P3** Permits are never made or lost but by `new`, `add_permits`, `forget` and `forget_permits` (SYN-02).
//! - **P4** While CALLED is on, whoever runs may take permits, too, and is counted in PASSES (`passing`). CALLED is on only while
//!   somebody stands in line; it is turned on and off under the list's lock.
//!
//! Calm, taking is one compare-exchange and giving back one addition. An addition that meets WAITERS goes on to the line and
//! grants to its first while there is enough. No wake-up is lost: somebody who is about to wait turns WAITERS on by a compare-exchange
//! of the very word in which he saw too few, so the next addition finds it on. One that meets CALLED leaves the permits to whoever
//! was called, who turns CALLED off first and looks then.
//!
//! Tried and dropped: to spare whoever finds WAITERS on the compare-exchange that turns it on again. Sixteen tasks with four permits
//! then took 69.4 ns a turn instead of 65.7 (two workers on one cpu, medians of 7).
//!
//! Cases of the catalogue: SYN-02, SYN-03, SYN-07, MIS-08.

use super::blocking;
use super::passing;
use super::wait_list::{Entered, Handle, Locked, Operation, Wait, WaitList};
use crate::base::atomic::{AtomicUsize, Ordering, const_outside_models};
use crate::task::late;
use crate::task::wait::{self, WaitKind};
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

const CLOSED: usize = 1;
const WAITERS: usize = 2;
const CALLED: usize = passing::CALLED as usize;
const ONE_PASS: usize = passing::ONE_PASS as usize;
const PASSES: usize = passing::PASSES as usize;
/// One permit.
const ONE: usize = PASSES + ONE_PASS;

/// A number of permits, taken and given back by anybody; first come, first served.
///
/// With one exception, which spares switches: somebody who was himself served from the line, and gives his permits back within the same
/// batch of polls (microseconds, a millisecond at most), does not serve the next at once. Until the batch ends whoever runs may
/// acquire first, 63 times at most, and then the line has its turn. Permits that are held across a wait go from one to the next.
///
/// For bounding how much goes on at once: connections, requests, children. A mutex is the better tool where there is one permit
/// and something that it protects.
///
/// # Examples
/// ```
/// use mainspring::sync::Semaphore;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let semaphore = Semaphore::new(2);
///     let one = semaphore.acquire().await.unwrap();
///     let two = semaphore.acquire().await.unwrap();
///     assert!(semaphore.try_acquire().is_err());
///     drop(one);
///     assert_eq!(semaphore.available_permits(), 1);
///     drop(two);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Semaphore {
    /// Free permits, WAITERS, CLOSED.
    word: AtomicUsize,
    /// Who wants how many.
    list: WaitList<(), Ticket>,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// So many are wanted.
    Wants(usize),
    /// They are his: he stood in line, and it was his turn.
    Granted,
    /// They are his: he came, and took them.
    Taken,
    /// There will be none any more.
    Closed,
}

impl Semaphore {
    /// The greatest number of permits.
    pub const MAX_PERMITS: usize = usize::MAX >> 10;

    const_outside_models! {
        /// A semaphore with so many permits, for a `static`.
        ///
        /// # Panics
        /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        pub const fn const_new(permits: usize) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "a semaphore has at most `Semaphore::MAX_PERMITS` permits");
            Self { word: AtomicUsize::new(permits * ONE), list: WaitList::new(()) }
        }
    }

    /// A semaphore with so many permits.
    ///
    /// # Panics
    /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self::const_new(permits)
    }

    /// How many permits are free right now. They are not to be had as long as others wait for more.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        // ORDER: Relaxed, a look.
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// Has [`close`](Self::close) been called?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ORDER: Acquire, pairs with the AcqRel in `close`: what was done before it is seen.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Waits for a permit.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line; no permit is lost.
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Semaphore;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// drop(permit);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for so many permits, all at once. Those who come later wait behind, even if they want fewer.
    ///
    /// # Cancellation
    /// **Strict.** As for [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Semaphore;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let semaphore = Semaphore::new(5);
    /// let permits = semaphore.acquire_many(3).await.unwrap();
    /// assert_eq!((permits.num_permits(), semaphore.available_permits()), (3, 2));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, count: u32) -> Acquire<'_> {
        Wait::new(self, Acquiring { count }, Location::caller())
    }

    /// As [`acquire`](Self::acquire), for a permit that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Semaphore;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await.unwrap();
    /// let task = mainspring::spawn(async move { drop(permit) });
    /// task.await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Self::acquire_many), for permits that may go where no borrow can.
    ///
    /// # Cancellation
    /// **Strict.** As for [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::Semaphore;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let permits = Arc::new(Semaphore::new(3)).acquire_many_owned(2).await.unwrap();
    /// assert_eq!(permits.semaphore().available_permits(), 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, count: u32) -> AcquireOwned {
        Wait::new(self, Acquiring { count }, Location::caller())
    }

    /// A permit, if one is free and nobody waits.
    ///
    /// # Errors
    /// If there is none to be had, or never will be.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// So many permits, if they are free and nobody waits.
    ///
    /// # Errors
    /// If they are not to be had, or never will be.
    pub fn try_acquire_many(&self, count: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_take(count as usize).map(|()| Permit { semaphore: self, held: Held::new(count, 0) })
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that may go where no borrow can.
    ///
    /// # Errors
    /// If there is none to be had, or never will be.
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), for permits that may go where no borrow can.
    ///
    /// # Errors
    /// If they are not to be had, or never will be.
    pub fn try_acquire_many_owned(self: Arc<Self>, count: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_take(count as usize).map(|()| Permit { semaphore: self, held: Held::new(count, 0) })
    }

    /// As [`acquire`](Self::acquire), for a thread that is no task.
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Panics
    /// Inside an async task; await `acquire` there.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.blocking_acquire_many(1)
    }

    /// As [`acquire_many`](Self::acquire_many), for a thread that is no task.
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Panics
    /// Inside an async task; await `acquire_many` there.
    #[track_caller]
    pub fn blocking_acquire_many(&self, count: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::wait("blocking_acquire", self.acquire_many(count))
    }

    /// Makes new permits.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS); then none is made.
    #[track_caller]
    pub fn add_permits(&self, count: usize) {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let most = Self::MAX_PERMITS - word / ONE;
            assert!(
                count <= most,
                "a semaphore has at most `Semaphore::MAX_PERMITS` permits: {count} more are too many"
            );
            // ORDER: Release, pairs with the Acquire in `try_take`: as if a permit had been given back.
            match self.word.compare_exchange_weak(word, word + count * ONE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) if word & WAITERS == 0 => return,
                Ok(_) => return self.distribute(&mut self.list.lock()),
                Err(now) => word = now,
            }
        }
    }

    /// Unmakes up to so many of the free permits, and says how many.
    pub fn forget_permits(&self, count: usize) -> usize {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let gone = count.min(word / ONE);
            // ORDER: Relaxed, a permit that nobody gets publishes nothing.
            match self.word.compare_exchange_weak(word, word - gone * ONE, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return gone,
                Err(now) => word = now,
            }
        }
    }

    /// Lets nobody in any more: whoever waits and whoever comes gets an error. Permits that are out stay good.
    pub fn close(&self) {
        let mut locked = self.list.lock();
        // ORDER: AcqRel, pairs with `is_closed` and `try_take`.
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
        locked.grant_all(Ticket::Closed);
        self.distribute(&mut locked);
    }

    /// For a primitive that is built on this one and waits in this line.
    pub(super) fn list(&self) -> &WaitList<(), Ticket> {
        &self.list
    }

    /// The way without the lock, for those who never overtake.
    #[inline]
    pub(super) fn try_take(&self, count: usize) -> Result<(), TryAcquireError> {
        self.take(count, false)
    }

    #[inline]
    fn take(&self, count: usize, passes: bool) -> Result<(), TryAcquireError> {
        // ORDER: Relaxed, a look before the compare-exchange; Acquire below makes a closer's work visible.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            // Nothing is always to be had, as long as anything is.
            let overtakes = word & WAITERS != 0 && count > 0;
            if count > word / ONE || (overtakes && !(passes && may_pass(word))) {
                return Err(TryAcquireError::NoPermits);
            }
            let next = word - count * ONE + if overtakes { ONE_PASS } else { 0 };
            // ORDER: Acquire, pairs with the Release of whoever gave the permits back.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Permits come back.
    #[inline]
    pub(super) fn release(&self, count: usize) {
        self.give_back(count, 0);
    }

    /// As `release`, by somebody to whom they were granted in that batch: he may be back for more (P4).
    #[inline]
    fn give_back(&self, count: usize, since: u32) {
        // ORDER: Release, pairs with the Acquire in `take` and in `take_for_first`, and with `end_passing`.
        let before = self.word.fetch_add(count * ONE, Ordering::Release);
        debug_assert!(before / ONE + count <= 2 * Self::MAX_PERMITS, "one word over: P3 is broken");
        if before & WAITERS != 0 && !may_pass(before) {
            self.see_to_line(since);
        }
    }

    /// The first in line is called, or served.
    #[inline(never)]
    fn see_to_line(&self, since: u32) {
        let mut locked = self.list.lock();
        let is_enough = matches!(locked.first(), Some(Ticket::Wants(count)) if count <= self.available_permits());
        // ORDER: Relaxed, CALLED changes under the lock alone.
        let is_called = self.word.load(Ordering::Relaxed) & CALLED != 0;
        if is_enough
            && !is_called
            && late::is_batch(since)
            && let Some(waker) = locked.call_first()
        {
            // ORDER: Relaxed, it publishes nothing: permits do, by their own release.
            self.word.fetch_or(CALLED, Ordering::Relaxed);
            drop(locked);
            return late::wake_late(waker);
        }
        self.distribute(&mut locked);
    }

    /// Under the lock: nobody passes any more. True if somebody might have.
    fn end_passing(&self) -> bool {
        // ORDER: Relaxed, CALLED changes under the lock alone.
        let is_called = self.word.load(Ordering::Relaxed) & CALLED != 0;
        if is_called {
            // ORDER: AcqRel, pairs with the release in `give_back`: whoever saw CALLED there leaves his permits to us.
            self.word.fetch_and(!(CALLED | PASSES), Ordering::AcqRel);
        }
        is_called
    }

    /// Grants to the first in line as long as there is enough (P2).
    #[inline(never)]
    pub(super) fn distribute(&self, locked: &mut Locked<'_, (), Ticket>) {
        self.end_passing();
        while let Some(Ticket::Wants(count)) = locked.first() {
            if !self.take_for_first(count) {
                return;
            }
            locked.grant_first(Ticket::Granted);
        }
        // ORDER: Relaxed, P1; whoever turns it on again has the lock.
        self.word.fetch_and(!WAITERS, Ordering::Relaxed);
    }

    fn take_for_first(&self, count: usize) -> bool {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut word = self.word.load(Ordering::Relaxed);
        while word / ONE >= count {
            // ORDER: Acquire, as in `try_take`; the list's lock and the grant hand it on to the waiter.
            match self.word.compare_exchange_weak(word, word - count * ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Under the lock: permits at once, or WAITERS is on in the word that has too few.
    pub(super) fn enter(&self, count: usize) -> Entered<Ticket> {
        loop {
            match self.try_take(count) {
                Ok(()) => return Entered::Granted(Ticket::Granted),
                Err(TryAcquireError::Closed) => return Entered::Granted(Ticket::Closed),
                Err(TryAcquireError::NoPermits) => {}
            }
            // ORDER: Relaxed, a look before the compare-exchange.
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITERS == 0 && word / ONE >= count {
                continue; // some have come back meanwhile
            }
            // ORDER: Relaxed, it publishes nothing; what counts is that the word has too few at this very moment.
            if self.word.compare_exchange(word, word | WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Entered::Waits(Ticket::Wants(count));
            }
        }
    }
}

/// P4: may somebody who runs go in ahead of the line?
fn may_pass(word: usize) -> bool {
    word & CALLED != 0 && word & PASSES != PASSES
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.list.lock().waiters();
        let mut shown = f.debug_struct("Semaphore");
        shown.field("available", &self.available_permits()).field("closed", &self.is_closed());
        shown.field("waiters", &waiters).finish()
    }
}

/// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
pub type Acquire<'a> = Wait<&'a Semaphore, Acquiring>;

/// The future of [`Semaphore::acquire_owned`] and [`Semaphore::acquire_many_owned`].
pub type AcquireOwned = Wait<Arc<Semaphore>, Acquiring>;

/// Waiting for permits.
pub struct Acquiring {
    count: u32,
}

impl<P: Handle<Target = Semaphore>> Operation<P> for Acquiring {
    type State = ();
    type Ticket = Ticket;
    type Output = Result<Permit<P>, AcquireError>;

    const NAME: &'static str = "Acquire";

    fn list(semaphore: &Semaphore) -> &WaitList<(), Ticket> {
        &semaphore.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Permit, object, at });
    }

    #[inline]
    fn try_now(&mut self, semaphore: &mut P) -> Option<Ticket> {
        match semaphore.take(self.count as usize, true) {
            Ok(()) => Some(Ticket::Taken),
            Err(TryAcquireError::Closed) => Some(Ticket::Closed),
            Err(TryAcquireError::NoPermits) => None,
        }
    }

    fn enter(&mut self, semaphore: &P, _: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        semaphore.enter(self.count as usize)
    }

    #[inline]
    fn finish(&mut self, semaphore: P, ticket: Ticket, _: &'static Location<'static>) -> Self::Output {
        match ticket {
            Ticket::Closed => Err(AcquireError(())),
            Ticket::Granted => Ok(Permit { semaphore, held: Held::new(self.count, late::batch()) }),
            _ => Ok(Permit { semaphore, held: Held::new(self.count, 0) }),
        }
    }

    /// P4.
    fn called(&mut self, semaphore: &P, _: &mut Locked<'_, (), Ticket>) -> Option<Ticket> {
        let is_granted = semaphore.end_passing() && semaphore.take_for_first(self.count as usize);
        is_granted.then_some(Ticket::Granted)
    }

    fn give_back(&mut self, semaphore: &P, ticket: Ticket) {
        if ticket != Ticket::Closed {
            semaphore.release(self.count as usize);
        }
    }

    /// Whoever stood behind may want less.
    fn left(&mut self, semaphore: &P, locked: &mut Locked<'_, (), Ticket>) {
        semaphore.distribute(locked);
    }
}

/// One or more permits of a [`Semaphore`]; given back when dropped. Users know it as [`SemaphorePermit`] and
/// [`OwnedSemaphorePermit`].
#[must_use = "a permit that is dropped is given back at once"]
pub struct Permit<P: Handle<Target = Semaphore>> {
    semaphore: P,
    held: Held,
}

/// How many permits, and above that, in the high half, the batch in which they were granted, 0 if nobody waited for them.
///
/// INSTEAD OF two fields: they are written one by one and moved together, and such a read waits until both stores are done (13 of
/// 44 ns a turn).
#[derive(Clone, Copy)]
struct Held(u64);

impl Held {
    fn new(count: u32, since: u32) -> Self {
        Self(u64::from(since) << 32 | u64::from(count))
    }

    fn count(self) -> u32 {
        self.0 as u32
    }

    fn since(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn set_count(&mut self, count: u32) {
        *self = Self::new(count, self.since());
    }

    /// Takes so many out, if there are so many.
    fn split(&mut self, count: usize) -> Option<Self> {
        let count = u32::try_from(count).ok().filter(|&count| count <= self.count())?;
        self.set_count(self.count() - count);
        Some(Self::new(count, self.since()))
    }
}

/// Permits that borrow their semaphore.
pub type SemaphorePermit<'a> = Permit<&'a Semaphore>;

/// Permits that share their semaphore.
pub type OwnedSemaphorePermit = Permit<Arc<Semaphore>>;

impl<P: Handle<Target = Semaphore>> Permit<P> {
    /// Unmakes them: the semaphore has so many less from now on.
    pub fn forget(mut self) {
        self.held.set_count(0);
    }

    /// How many they are.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.held.count() as usize
    }

    /// Takes those of another of the same semaphore.
    ///
    /// # Panics
    /// If they are another semaphore's, or too many for a `u32`.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        let is_same = std::ptr::eq::<Semaphore>(&*self.semaphore, &*other.semaphore);
        assert!(is_same, "`merge` is for two permits of one semaphore");
        let count = self.held.count().checked_add(other.held.count());
        let count = count.expect("`merge` would make a permit of more than `u32::MAX`");
        // One that was held across a wait makes the whole so (K2).
        let since = if self.held.since() == other.held.since() { self.held.since() } else { 0 };
        self.held = Held::new(count, since);
        other.held.set_count(0);
    }
}

impl SemaphorePermit<'_> {
    /// Splits so many off, if there are so many.
    pub fn split(&mut self, count: usize) -> Option<Self> {
        Some(Self { semaphore: self.semaphore, held: self.held.split(count)? })
    }
}

impl OwnedSemaphorePermit {
    /// Splits so many off, if there are so many.
    pub fn split(&mut self, count: usize) -> Option<Self> {
        Some(Self { held: self.held.split(count)?, semaphore: self.semaphore.clone() })
    }

    /// Whose they are.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl<P: Handle<Target = Semaphore>> Drop for Permit<P> {
    #[inline]
    fn drop(&mut self) {
        if self.held.count() > 0 {
            self.semaphore.give_back(self.held.count() as usize, self.held.since());
        }
    }
}

impl<P: Handle<Target = Semaphore>> fmt::Debug for Permit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").field("count", &self.held.count()).finish_non_exhaustive()
    }
}

/// The semaphore is closed: there will be no permit any more.
#[derive(Debug, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for AcquireError {}

/// Why there is no permit to be had right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed: there will be none any more.
    Closed,
    /// Too few are free, or others wait: `acquire` waits, too.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "no permits are free",
        })
    }
}

impl Error for TryAcquireError {}

#[cfg(test)]
mod tests {
    use super::super::kit::{in_batches, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use crate::task::late::Late;
    use std::task::{Poll, Waker};

    /// A semaphore whose one permit this thread holds, as if it had been granted in the present batch.
    fn granted(late: &Arc<Late>) -> (Arc<Semaphore>, OwnedSemaphorePermit) {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.try_take(1).expect("free");
        (semaphore.clone(), Permit { semaphore, held: Held::new(1, late.number()) })
    }

    #[test]
    fn model_syn_07_whoever_is_called_gets_in_though_others_pass() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (semaphore, permit) = granted(&late);
            let other = semaphore.clone();
            let waiting = model_thread::spawn(move || drop(wait_for(other.acquire()).expect("open")));
            in_batches(&late, || {
                drop(permit);
                for _ in 0..2 {
                    // Passes, if somebody was called; stands in line, and leaves it, if he has looked.
                    if let Poll::Ready(permit) = poll(&mut Box::pin(semaphore.acquire()), Waker::noop()) {
                        drop(permit.expect("open"));
                    }
                }
                late.end_batch();
            });
            waiting.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), ONE, "P1, P3, P4");
        });
    }

    #[test]
    fn model_syn_03_whoever_was_called_and_leaves_is_waited_for_by_nobody() {
        for passes in [false, true] {
            model(move || {
                let late = Arc::new(Late::new(0));
                let (semaphore, permit) = granted(&late);
                let mut leaving = Box::pin(semaphore.clone().acquire_owned());
                assert!(poll(&mut leaving, Waker::noop()).is_pending());
                let leaver = model_thread::spawn(move || drop(leaving));
                let other = semaphore.clone();
                let waiting = model_thread::spawn(move || drop(wait_for(other.acquire()).expect("open")));
                in_batches(&late, || {
                    drop(permit);
                    if passes {
                        drop(poll(&mut Box::pin(semaphore.acquire()), Waker::noop()));
                    }
                    late.end_batch();
                });
                leaver.join().expect("no panic");
                waiting.join().expect("no panic");
                // ORDER: Relaxed, everybody has gone.
                assert_eq!(semaphore.word.load(Ordering::Relaxed), ONE, "P1, P3, P4");
            });
        }
    }

    #[test]
    fn model_syn_07_somebody_passes_while_whoever_was_called_looks() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (semaphore, permit) = granted(&late);
            let (other, third) = (semaphore.clone(), semaphore.clone());
            let waiting = model_thread::spawn(move || drop(wait_for(other.acquire()).expect("open")));
            let passing = model_thread::spawn(move || drop(poll(&mut Box::pin(third.acquire()), Waker::noop())));
            in_batches(&late, || {
                drop(permit);
                late.end_batch();
            });
            waiting.join().expect("no panic");
            passing.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), ONE, "P1, P3, P4");
        });
    }

    #[test]
    fn model_syn_02_permits_may_be_made_and_unmade_while_others_pass() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (semaphore, permit) = granted(&late);
            let (other, third) = (semaphore.clone(), semaphore.clone());
            let waiting = model_thread::spawn(move || drop(wait_for(other.acquire()).expect("open")));
            let maker = model_thread::spawn(move || {
                third.add_permits(1);
                third.forget_permits(1)
            });
            in_batches(&late, || {
                drop(permit);
                drop(poll(&mut Box::pin(semaphore.acquire()), Waker::noop()));
                late.end_batch();
            });
            waiting.join().expect("no panic");
            let gone = maker.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), (2 - gone) * ONE, "P1, P3, P4");
        });
    }

    #[test]
    fn model_syn_07_whoever_wants_two_gets_them_though_somebody_passes_with_one() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (semaphore, permit) = granted(&late);
            semaphore.add_permits(1);
            let held_long = semaphore.clone().try_acquire_owned().expect("free");
            let other = semaphore.clone();
            let waiting = model_thread::spawn(move || drop(wait_for(other.acquire_many(2)).expect("open")));
            let third = semaphore.clone();
            let passing = model_thread::spawn(move || drop(poll(&mut Box::pin(third.acquire()), Waker::noop())));
            in_batches(&late, || {
                drop(held_long);
                drop(permit);
                late.end_batch();
            });
            waiting.join().expect("no panic");
            passing.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), 2 * ONE, "P1, P3, P4");
        });
    }

    #[test]
    fn model_syn_02_a_close_ends_the_passing_and_all_waits() {
        model(|| {
            let late = Arc::new(Late::new(0));
            let (semaphore, permit) = granted(&late);
            let acquirer = |count| {
                let semaphore = semaphore.clone();
                model_thread::spawn(move || wait_for(semaphore.acquire_many(count)).is_ok())
            };
            let (waiting, closer) = (acquirer(1), semaphore.clone());
            let closer = model_thread::spawn(move || closer.close());
            in_batches(&late, || {
                drop(permit);
                late.end_batch();
            });
            closer.join().expect("no panic");
            let _either = waiting.join().expect("no panic");
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), ONE | CLOSED, "P1, P3, P4");
        });
    }

    #[test]
    fn model_syn_02_two_acquirers_and_a_closer_conserve_the_permits() {
        model(|| {
            let semaphore = Arc::new(Semaphore::new(1));
            let acquirer = |count| {
                let semaphore = semaphore.clone();
                model_thread::spawn(move || wait_for(semaphore.acquire_many(count)).is_ok())
            };
            let threads = [acquirer(1), acquirer(1)];
            semaphore.close();
            let got = threads.map(|thread| thread.join().expect("no panic"));
            assert_eq!(semaphore.available_permits(), 1, "P3");
            assert!(semaphore.is_closed() && wait_for(semaphore.acquire()).is_err(), "{got:?}");
        });
    }

    #[test]
    fn model_syn_02_permits_that_come_back_one_by_one_reach_whoever_wants_two() {
        model(|| {
            let semaphore = Arc::new(Semaphore::new(0));
            let giver = || {
                let semaphore = semaphore.clone();
                model_thread::spawn(move || semaphore.add_permits(1))
            };
            let givers = [giver(), giver()];
            drop(wait_for(semaphore.acquire_many(2)).expect("open"));
            givers.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert_eq!(semaphore.available_permits(), 2);
        });
    }

    #[test]
    fn model_syn_03_whoever_wanted_many_and_leaves_lets_those_behind_go() {
        model(|| {
            let semaphore = Arc::new(Semaphore::new(1));
            let mut many = Box::pin(semaphore.clone().acquire_many_owned(2));
            assert!(poll(&mut many, Waker::noop()).is_pending());
            let other = semaphore.clone();
            let waiting = model_thread::spawn(move || drop(wait_for(other.acquire()).expect("open")));
            drop(many);
            waiting.join().expect("no panic");
            assert_eq!(semaphore.available_permits(), 1);
            // ORDER: Relaxed, everybody has gone.
            assert_eq!(semaphore.word.load(Ordering::Relaxed), ONE, "P1");
        });
    }
}
