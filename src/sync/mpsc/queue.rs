//! What was sent and not yet taken, in chunks.
//!
//! ```text
//!    take <── full: [chunk][chunk][chunk] ── last: [chunk  ] <── push
//! ```
//!
//! The receiver takes a whole chunk at a time and leaves its empty one in exchange. So a channel that is calm has two chunks,
//! which go back and forth, and one that was flooded gives a chunk back for each that it drains.
//!
//! INSTEAD OF one `VecDeque` for everything: to grow it would copy all that is in it, under the lock; and who gives the
//! memory back, and when? A chunk is short, and is freed where it is emptied.

use crate::base::atomic::UNDER_LOOM;
use std::collections::VecDeque;
use std::mem;

/// So many bytes a chunk, if a value is no larger than a quarter of that.
const BYTES_PER_CHUNK: usize = 4_096;
/// More than these nobody receives in one poll.
const LENGTH_MAX: usize = 128;
const LENGTH_MIN: usize = 4;
/// So many chunks in line are no reason to free the list of them.
const LINE_KEPT: usize = 16;

/// A stretch of the queue. It begins small and doubles up to its full length, so that a channel which never holds much is small.
pub(super) type Chunk<T> = VecDeque<T>;

pub(super) struct Queue<T> {
    /// Full chunks, the oldest first.
    full: VecDeque<Chunk<T>>,
    /// Where the next value goes.
    last: Chunk<T>,
    /// An empty one, for when `last` is full.
    spare: Chunk<T>,
}

/// Memory that nobody needs: freed when the lock has been released.
#[must_use = "what is freed is freed without the lock"]
pub(super) struct Spent<T>(Option<Chunk<T>>);

impl<T> Spent<T> {
    pub(super) fn new() -> Self {
        Self(None)
    }
}

impl<T> Queue<T> {
    /// How many values make a chunk full.
    pub(super) const CHUNK: usize = {
        // A value without a size needs no memory; it is treated as if it had some.
        let size = if mem::size_of::<T>() == 0 { 1 } else { mem::size_of::<T>() };
        match BYTES_PER_CHUNK / size {
            _ if UNDER_LOOM => 2,
            ..LENGTH_MIN => LENGTH_MIN,
            LENGTH_MAX.. => LENGTH_MAX,
            length => length,
        }
    };

    /// Allocates nothing.
    pub(super) fn new() -> Self {
        Self { full: VecDeque::new(), last: Chunk::new(), spare: Chunk::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.full.len() * Self::CHUNK + self.last.len()
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) {
        if self.last.len() == Self::CHUNK {
            self.begin_a_chunk();
        }
        self.last.push_back(value);
    }

    #[cold]
    fn begin_a_chunk(&mut self) {
        let mut fresh = mem::take(&mut self.spare);
        fresh.reserve_exact(Self::CHUNK);
        self.full.push_back(mem::replace(&mut self.last, fresh));
    }

    /// Puts the oldest values into an empty chunk, whose memory stays here for later ones. False if there are no values.
    #[inline]
    pub(super) fn take(&mut self, into: &mut Chunk<T>, spent: &mut Spent<T>) -> bool {
        debug_assert!(into.is_empty(), "what is in it comes first");
        if !self.full.is_empty() || self.spare.capacity() > 0 {
            return self.take_after_a_flood(into, spent);
        }
        mem::swap(into, &mut self.last);
        !into.is_empty()
    }

    /// The same where there is more than one chunk, or was.
    #[cold]
    fn take_after_a_flood(&mut self, into: &mut Chunk<T>, spent: &mut Spent<T>) -> bool {
        match self.full.pop_front() {
            Some(oldest) => {
                let empty = mem::replace(into, oldest);
                spent.0 = Some(mem::replace(&mut self.spare, empty));
                if self.full.is_empty() && self.full.capacity() > LINE_KEPT {
                    self.full = VecDeque::new();
                }
            }
            None => {
                mem::swap(into, &mut self.last);
                spent.0 = Some(mem::take(&mut self.spare));
            }
        }
        !into.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_went_in_and_the_length_is_right_at_every_edge() {
        let mut queue = Queue::new();
        let mut batch = Chunk::new();
        let (mut next_in, mut next_out) = (0_u64, 0);
        for round in [1, Queue::<u64>::CHUNK - 1, Queue::<u64>::CHUNK, Queue::<u64>::CHUNK + 1, 1_000, 3] {
            for _ in 0..round {
                queue.push(next_in);
                next_in += 1;
                assert_eq!((queue.len() + batch.len()) as u64, next_in - next_out);
            }
            for _ in 0..round / 2 {
                if batch.is_empty() {
                    assert!(queue.take(&mut batch, &mut Spent::new()));
                }
                assert_eq!(batch.pop_front(), Some(next_out));
                next_out += 1;
                assert_eq!((queue.len() + batch.len()) as u64, next_in - next_out);
            }
        }
    }

    #[test]
    fn a_queue_that_is_drained_has_given_its_memory_back() {
        let (mut queue, mut batch) = (Queue::new(), Chunk::new());
        assert_eq!(queue.last.capacity(), 0, "nothing is allocated for nothing");
        (0..1_000_000_u64).for_each(|n| queue.push(n));
        while queue.take(&mut batch, &mut Spent::new()) {
            batch.clear();
        }
        let room = queue.last.capacity() + queue.spare.capacity() + batch.capacity();
        assert!(room <= 2 * Queue::<u64>::CHUNK && queue.full.capacity() <= LINE_KEPT, "{room}");
    }

    #[test]
    fn a_chunk_suits_its_values() {
        assert_eq!(Queue::<()>::CHUNK, if UNDER_LOOM { 2 } else { LENGTH_MAX });
        assert_eq!(Queue::<u64>::CHUNK, if UNDER_LOOM { 2 } else { LENGTH_MAX });
        assert_eq!(Queue::<[u8; 100]>::CHUNK, if UNDER_LOOM { 2 } else { 40 });
        assert_eq!(Queue::<[u8; 100_000]>::CHUNK, if UNDER_LOOM { 2 } else { LENGTH_MIN });
    }
}
