//! The messages that are kept, by their numbers. Plain data: what is taken out is dropped by the caller, after the lock.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// Room for so many messages is not given back when all is received: it would be asked for again at once.
const ROOM_KEPT: usize = 64;

/// The latest messages, at most `capacity` of them.
pub(super) struct Kept<T> {
    /// In the order in which they were sent. The first one is still needed by somebody (B2).
    messages: VecDeque<Message<T>>,
    /// The number of the first one.
    first: u64,
    /// At least 1.
    capacity: usize,
}

struct Message<T> {
    value: Arc<T>,
    /// How many receivers have yet to have it.
    needed_by: usize,
}

/// What there is for a receiver.
pub(super) enum Next<T> {
    Message(Arc<T>),
    /// It was too late for so many.
    Lagged(u64),
    /// It has had everything.
    Nothing,
}

impl<T> Kept<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { messages: VecDeque::new(), first: 0, capacity }
    }

    /// The number that the next message will have: so many were sent.
    pub(super) fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Adds one for so many receivers, and gives the one that has to make room for it.
    pub(super) fn push(&mut self, value: Arc<T>, needed_by: usize) -> Option<Arc<T>> {
        let is_full = self.messages.len() == self.capacity;
        let gone = if is_full { self.pop() } else { None };
        self.messages.push_back(Message { value, needed_by });
        gone
    }

    /// What comes next for a receiver that is at this number; moves it on.
    pub(super) fn next(&mut self, at: &mut u64) -> Next<T> {
        let Some(index) = at.checked_sub(self.first) else {
            let missed = self.first - mem::replace(at, self.first);
            return Next::Lagged(missed);
        };
        let Some(message) = self.messages.get_mut(index as usize) else { return Next::Nothing };
        *at += 1;
        message.needed_by -= 1;
        if message.needed_by > 0 {
            return Next::Message(message.value.clone());
        }
        debug_assert_eq!(index, 0, "B2: whoever has had this one has had those before it");
        Next::Message(self.pop().expect("it is the first one"))
    }

    /// A receiver at this number goes: it needs none of those that are left. Gives those that nobody needs any more.
    pub(super) fn leave(&mut self, at: u64) -> Vec<Arc<T>> {
        let had = at.saturating_sub(self.first) as usize;
        self.messages.iter_mut().skip(had).for_each(|message| message.needed_by -= 1);
        let count = self.messages.iter().take_while(|message| message.needed_by == 0).count();
        let gone = self.messages.drain(..count).map(|message| message.value).collect();
        self.first += count as u64;
        gone
    }

    /// Room that is much more than what is needed, to be given back after the lock.
    pub(super) fn spare_room(&mut self) -> Option<impl Sized + use<T>> {
        let is_spare = self.messages.is_empty() && self.messages.capacity() > ROOM_KEPT;
        is_spare.then(|| mem::take(&mut self.messages))
    }

    fn pop(&mut self) -> Option<Arc<T>> {
        let message = self.messages.pop_front()?;
        self.first += 1;
        Some(message.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_when_all_is_received_and_a_little_is_kept() {
        for (count, is_kept) in [(ROOM_KEPT, true), (1_000, false)] {
            let mut kept = Kept::new(10_000);
            for number in 0..count {
                assert!(kept.push(Arc::new(number), 1).is_none());
            }
            let mut at = 0;
            assert!(kept.spare_room().is_none());
            while !matches!(kept.next(&mut at), Next::Nothing) {}
            assert_eq!((at, kept.len()), (count as u64, 0));
            assert_eq!(kept.spare_room().is_none(), is_kept);
            assert_eq!((kept.messages.capacity() > 0, kept.end()), (is_kept, count as u64));
        }
    }
}
