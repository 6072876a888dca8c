//! The messages that are kept, by their numbers. Plain data: what is taken out is dropped by the caller, after the lock.

use super::super::spare;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

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

    /// Room that is much more than what is needed.
    pub(super) fn give_room_back(&mut self) {
        if let Some(room) = spare::to_cut_to(self.messages.len(), self.messages.capacity()) {
            self.messages.shrink_to(room);
        }
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
    fn syn_12_room_is_given_back_while_little_is_kept_and_a_little_stays() {
        const BURST: u64 = 10_000;
        let mut kept = Kept::new(usize::MAX);
        for number in 0..BURST {
            assert!(kept.push(Arc::new(number), 1).is_none());
        }
        let (mut at, mut changes, mut last) = (0, 0, kept.messages.capacity());
        while !matches!(kept.next(&mut at), Next::Nothing) {
            kept.give_room_back();
            let room = kept.messages.capacity();
            assert!(room <= spare::KEPT + 4 * kept.len(), "room for {room}, and {} are left", kept.len());
            changes += usize::from(mem::replace(&mut last, room) != room);
        }
        assert_eq!((at, kept.len(), kept.end()), (BURST, 0, BURST));
        assert!(changes <= 10 && last >= spare::KEPT, "{changes} times, and {last} at the end");
        // One who leaves may take all that is left along at once.
        (0..BURST).for_each(|number| assert!(kept.push(Arc::new(number), 1).is_none()));
        assert_eq!(kept.leave(at).len() as u64, BURST);
        kept.give_room_back();
        assert_eq!(kept.messages.capacity(), spare::KEPT);
    }
}
