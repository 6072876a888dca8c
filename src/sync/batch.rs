//! Wakers that were taken out under a lock, and are woken when it has been released.

use crate::base::quiet::quietly;
use std::task::Waker;

/// So many need no allocation: nearly every release grants to one, and a handful is common.
const FEW: usize = 4;
/// The next ones get room all at once.
const ROOM: usize = 32;

/// Wakes all that is in it when it is dropped, in order; so it is declared where it goes after the lock.
pub(super) struct Batch {
    /// Filled from the front.
    few: [Option<Waker>; FEW],
    /// How many of `few` there are.
    count: usize,
    /// Those beyond.
    many: Vec<Waker>,
}

impl Batch {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { few: [const { None }; FEW], count: 0, many: Vec::new() }
    }

    /// Adds one, if it is one: who stands in line without having been polled has no waker yet.
    #[inline]
    pub(super) fn extend(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else { return };
        if let Some(place) = self.few.get_mut(self.count) {
            *place = Some(waker);
            self.count += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.reserve(ROOM);
        }
        self.many.push(waker);
    }
}

impl Drop for Batch {
    #[inline]
    fn drop(&mut self) {
        if self.count > 0 {
            self.wake_all();
        }
    }
}

impl Batch {
    /// A waker that panics does not cost the others their wake-up (TSK-16).
    fn wake_all(&mut self) {
        let few = self.few.iter_mut().take(self.count).filter_map(Option::take);
        few.chain(self.many.drain(..)).for_each(|waker| quietly(|| waker.wake()));
    }
}
