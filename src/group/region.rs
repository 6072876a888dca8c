//! Where the code that is being polled stands: under which token, before which deadline, with how many scopes open inside.
//!
//! Each child, each body and each part with a deadline or a shield of its own is a region. It is lent to the thread for the
//! time of each poll, so that what is opened inside finds what is around it without being told.
//!
//! - **P1** A region is lent only while its own future is polled, and `open` counts the scopes inside it that began and are neither over
//!   nor dropped. Each of them hears what its region hears, so it comes to its end. A future is dropped for a cancel's sake only while that count is zero: so what is
//!   inside ends first, leaf by leaf.
//! - **P2** Who must go and may not yet is woken when the last one inside has ended, wherever that was polled: a future may have been begun here
//!   and handed to another task, which does not wake this one.

use super::cancel::CancellationToken;
use crate::base::atomic::{AtomicU32, Mutex, Ordering};
use crate::base::context::{Claim, Index, Slot};
use crate::base::quiet::{drop_quietly, quietly};
use crate::time::Instant;
use std::cell::OnceCell;
use std::panic::RefUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The region whose future this thread is polling.
static REGION: Slot<Region> = Slot::of::<10>();

impl Claim for Index<10> {
    type Lent = Region;
}

/// A part of a program that is cancelled as a whole.
pub(crate) struct Region {
    /// Heard by what is inside.
    pub(super) token: CancellationToken,
    /// The nearest of all deadlines around and here.
    pub(super) deadline: Option<Instant>,
    /// How many scopes inside are not over (P1). Made when the first one begins: most children have none.
    open: OnceCell<Arc<Open>>,
}

/// A count, and that of the region around if what is open here is open there, too.
struct Open {
    count: AtomicU32,
    /// Who is to be told that the count is zero (P2); mostly nobody.
    waiting: Mutex<Option<Waker>>,
    around: Option<Arc<Open>>,
}

impl Region {
    pub(super) fn new(token: CancellationToken, deadline: Option<Instant>) -> Self {
        Self { token, deadline, open: OnceCell::new() }
    }

    /// A scope's: it counts as open in the region around until it is over, with a token below the one there and the nearer of the
    /// two deadlines.
    pub(super) fn of_scope(deadline: Option<Instant>) -> (Self, Opened) {
        let opened = REGION.with(|around| around.map_or(Opened(None), Self::open));
        (Self::below(CancellationToken::child_token, |around| nearest(around, deadline)), opened)
    }

    /// A part's that has a deadline: what is open inside of it is open in the region around.
    pub(super) fn part(deadline: Instant) -> Self {
        Self::below(CancellationToken::child_token, |around| nearest(around, Some(deadline))).within_around()
    }

    /// A part's that a cancel around does not reach, nor a deadline, until all grace is over.
    pub(super) fn shielded() -> Self {
        Self::below(CancellationToken::deaf_child, |_| None).within_around()
    }

    /// A combinator's: with a token of its own, and what is open inside of it is open in the region around.
    pub(super) fn branch() -> Self {
        Self::below(CancellationToken::child_token, |around| around).within_around()
    }

    /// That of one among several futures that this region is the group of. It counts for itself what is open in it.
    pub(super) fn one_of(&self) -> Self {
        let one = Self::new(self.token.clone(), self.deadline);
        one.open.get_or_init(|| Open::within(Some(self.count().clone())));
        one
    }

    fn below(
        token: impl FnOnce(&CancellationToken) -> CancellationToken,
        deadline: impl FnOnce(Option<Instant>) -> Option<Instant>,
    ) -> Self {
        REGION.with(|around| match around {
            None => Self::new(CancellationToken::new(), deadline(None)),
            Some(around) => Self::new(token(&around.token), deadline(around.deadline)),
        })
    }

    fn within_around(self) -> Self {
        let around = REGION.with(|around| around.map(|around| around.count().clone()));
        if let Some(around) = around {
            self.open.get_or_init(|| Open::within(Some(around)));
        }
        self
    }

    fn count(&self) -> &Arc<Open> {
        self.open.get_or_init(|| Open::within(None))
    }

    fn open(&self) -> Opened {
        let count = self.count().clone();
        count.up_to_the_top().for_each(|open| {
            // ORDER: Relaxed, the polls of one future are ordered by its task, and it is lent only during one (P1).
            open.count.fetch_add(1, Ordering::Relaxed);
        });
        Opened(Some(count))
    }

    /// Is nothing open inside (P1)? Then who is polled with `waker`, and must go, may; else it is woken when that changes (P2).
    pub(super) fn may_go(&self, waker: &Waker) -> bool {
        let Some(open) = self.open.get() else { return true };
        if open.is_zero() {
            return true;
        }
        let new = waker.clone();
        let old = open.waiting.lock().replace(new);
        drop_quietly(old);
        // Looked at again: who came to zero before the waker was there has not seen it.
        open.is_zero()
    }

    /// Polls what is inside.
    #[inline]
    pub(super) fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        REGION.scope(self, || future.poll(cx))
    }

    /// Lends it to what blocks this thread.
    pub(super) fn lend<R>(&self, body: impl FnOnce() -> R) -> R {
        REGION.scope(self, body)
    }

    /// Shows the region that is being polled on this thread.
    pub(super) fn with<R>(look: impl FnOnce(Option<&Self>) -> R) -> R {
        REGION.with(look)
    }
}

fn nearest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

// Nobody's code runs under its lock.
impl RefUnwindSafe for Open {}

impl Open {
    fn within(around: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { count: AtomicU32::new(0), waiting: Mutex::new(None), around })
    }

    fn is_zero(&self) -> bool {
        // ORDER: Acquire, pairs with the Release in `leave`: what was open has been dropped.
        self.count.load(Ordering::Acquire) == 0
    }

    /// One that was open is not any more. Either this sees the waker of who waits, or that one's second look sees the zero: both take the lock.
    fn leave(&self) {
        // ORDER: AcqRel, pairs with `is_zero`, and with those who left before.
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = self.waiting.lock().take();
            waiting.into_iter().for_each(|waker| quietly(|| waker.wake()));
        }
    }

    /// This one, and those around in which it is open, too.
    fn up_to_the_top(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |open| open.around.as_deref())
    }
}

/// Counts as one scope inside a region until it is dropped.
pub(super) struct Opened(Option<Arc<Open>>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.iter().flat_map(|open| open.up_to_the_top()).for_each(Open::leave);
    }
}
