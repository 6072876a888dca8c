//! The timer wheel: which timers exist, which comes first, which are due.
//!
//! A pure data structure. It has no clock (the caller says what time it is), no lock (the driver puts one
//! around it) and calls nobody (due wakers are handed out in a bag). So it is tested against a `BTreeMap`, and
//! the real loop and the simulation share it.
//!
//! # Why a wheel
//! Nearly every timer is a deadline that never comes: it is set, the answer arrives, it is removed. A wheel makes
//! both O(1) whatever else is in it, and puts off the sorting to the few timers that live to be due.
//!
//! # The picture
//! Time is a number of nanoseconds, read as digits: 14 low bits, then base 64. `elapsed` is how far the wheel
//! has come. A timer is filed by the *highest digit in which its deadline differs from `elapsed`*: that digit's
//! position is the level, its value the slot.
//!
//! ```text
//!    deadline   =  .. | digit 2 | digit 1 | digit 0 | 14 low bits
//!                         │         │         └─ level 0: 64 slots of  16 us
//!                         │         └─────────── level 1: 64 slots of   1 ms
//!                         └───────────────────── level 2: 64 slots of  67 ms
//!                                                level 3: 64 slots of 4.3 s .. level 8: 4 slots of 146 years
//!
//!    slots ──first due one is opened──> due, sorted ──at most `max` a call──> the caller's bag
//!      ^                  │
//!      └── not due yet ───┘   filed again, on a lower level (or on level 0 still)
//! ```
//!
//! # Invariants
//! - **W1** A timer in a slot has `deadline > elapsed`, a timer in `due` or `late` has `deadline <= elapsed`. So
//!   everything due comes before everything filed, and nothing fires early.
//! - **W2** A timer on level n agrees with `elapsed` in every digit above n, and its digit n is greater (on level 0:
//!   or equal). So no slot index ever wraps round, every slot of a level comes before every slot of the level
//!   above, and the first slot of the lowest occupied level holds the earliest timer of all.
//! - **W3** `slot.earliest` is no later than any deadline in that slot; exact unless a timer was removed from it. By
//!   W2 the first slot's `earliest` bounds the whole wheel: `next_deadline` reads one word, and nobody is ever
//!   woken merely to refile timers.
//! - **W4** A slot is opened only once its `earliest` has come. Most timers are removed before that and are never
//!   moved at all; one that stays goes down at least a level each time, save for the last 16 us before it is due.
//! - **W5** Delivery order is (deadline, number), the number being taken at insert and at reset.
//! - **W6** A key names one insert for ever: indices are used again, births are not (until 2^32 inserts later).
//! - **W7** [`NEVER`] is later than any time: such a timer is kept, but nobody has to come back for it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;

use crate::base::wakers::Wakers;

/// Width of a level 0 slot in bits: 16 us. A finer grain adds a level to cross; a coarser one puts timers
/// together that have to be sorted apart again. Deadlines are compared exactly at any grain.
const GRAIN_BITS: u32 = 14;

/// Bits a digit: 64 slots a level, so that one word says which are occupied.
const DIGIT_BITS: u32 = 6;

/// Slots a level.
const SLOTS: usize = 1 << DIGIT_BITS;

/// Enough digits for the whole of `u64`: 14 + 9 * 6 = 68 bits. The last level uses 4 of its slots.
const LEVELS: usize = 9;

/// The deadline of a timer that has none, 584 years on. It may still be given one by [`Wheel::reset`].
pub(crate) const NEVER: u64 = u64::MAX;

/// No entry: ends a list.
const NONE: u32 = u32::MAX;

/// The place of an entry that has left the slots because it is due.
const DUE: u16 = u16::MAX;

/// Below this many entries (48 KiB) memory is kept for the next burst and never given back.
const KEEP: usize = 1024;

/// How many free places one removal cuts off: more than it adds, so that trimming catches up.
const TRIM: usize = 64;

/// Names one timer from insert until it has fired or is removed; afterwards it names nothing (W6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    /// Which of the entries that have been at its place, above where that place is. One word, so that a [`Timer`](super::Timer)
    /// travels in two registers; through memory, as three fields, it was written narrow and read back wide, which the
    /// processor cannot forward: 12 of 160 ns.
    birth_and_index: u64,
}

impl TimerKey {
    fn new(birth: u32, index: u32) -> Self {
        Self { birth_and_index: u64::from(birth) << 32 | u64::from(index) }
    }

    /// Which of the entries that have been there.
    fn birth(self) -> u32 {
        (self.birth_and_index >> 32) as u32
    }

    /// Where its entry is.
    fn index(self) -> u32 {
        self.birth_and_index as u32
    }
}

/// What [`Wheel::wakes`] found.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wakes {
    /// Nobody: the timer has fired or was removed. Poll again, there will be no wake-up.
    Gone,
    /// The very task that asks.
    Same,
    /// Another task: replace the waker.
    Another,
}

/// The timers that come next. Who sleeps until the last of them is late for the first, and wakes once instead of often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// The first deadline, as by [`Wheel::next_deadline`].
    pub(crate) first_ns: u64,
    /// The last that is known to follow it within the time asked for; the same one if none does.
    pub(crate) last_ns: u64,
}

impl Crowd {
    /// A deadline by itself.
    pub(crate) fn of_one(deadline_ns: u64) -> Self {
        Self { first_ns: deadline_ns, last_ns: deadline_ns }
    }
}

/// One timer, or one free place. 48 bytes, checked by a test.
#[derive(Debug)]
struct Entry {
    /// When it is due.
    deadline_ns: u64,
    /// Its number in line among equal deadlines; new at every reset, so a stale [`DueRef`] is recognized by it.
    number: u64,
    /// Whom to wake; `None` says that this place is free.
    waker: Option<Waker>,
    /// The neighbour towards the head of the slot's list, or of the list of free places.
    prev: u32,
    /// The neighbour away from it.
    next: u32,
    /// The `birth` of its key.
    birth: u32,
    /// The slot it is filed in (`level * 64 + digit`), or [`DUE`].
    place: u16,
}

/// A list of timers whose deadlines agree down to one digit.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// No later than any deadline in the list (W3); `u64::MAX` when it is empty.
    earliest_ns: u64,
    /// The newest entry of the list.
    head: u32,
}

const EMPTY_SLOT: Slot = Slot { earliest_ns: u64::MAX, head: NONE };

/// A due timer waiting for delivery. Ordered by its fields from the top, which is the order of delivery (W5).
/// Valid as long as the entry still bears this number; a timer removed or reset meanwhile is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DueRef {
    deadline_ns: u64,
    number: u64,
    index: u32,
}

/// All timers of one worker. See the [module](self) for how it works.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// The time up to which everything due has left the slots (W1). Never goes back.
    elapsed_ns: u64,
    /// Bit n: some slot of level n is occupied.
    levels: u32,
    /// Bit n of word m: slot n of level m is occupied.
    occupied: [u64; LEVELS],
    /// The slots of level 0, then those of level 1, and so on. Boxed, and made on the heap: they are too large for a small
    /// stack to carry them on their way there.
    slots: Box<[Slot]>,
    /// The contents of the last slot that was opened and not delivered yet: the last one is delivered first.
    due: Vec<DueRef>,
    /// Timers that were due already when they were inserted or reset. Apart from `due`, because putting one in order
    /// there would move up to all of it. INSTEAD OF: this heap alone, simpler, but 95 ns against 30 to deliver each
    /// of a million timers of one deadline (a slot of equal deadlines is in order as it is), 115 against 60 at 4,000.
    late: BinaryHeap<Reverse<DueRef>>,
    /// How many entries `due` and `late` really stand for, stale ones not counted.
    due_len: usize,
    /// Where the timers live; a key's index points here, so an entry never moves.
    entries: Vec<Entry>,
    /// The first free place of `entries`.
    free: u32,
    /// How many timers there are, due ones included.
    live: usize,
    /// The number the next insert or reset takes.
    next_number: u64,
    /// The birth the next insert takes.
    next_birth: u32,
}

impl Wheel {
    /// An empty wheel at time `now_ns`. Allocates nothing until the first timer.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            elapsed_ns: now_ns,
            levels: 0,
            occupied: [0; LEVELS],
            slots: vec![EMPTY_SLOT; LEVELS * SLOTS].into_boxed_slice(),
            due: Vec::new(),
            late: BinaryHeap::new(),
            due_len: 0,
            entries: Vec::new(),
            free: NONE,
            live: 0,
            next_number: 0,
            next_birth: 0,
        }
    }

    /// Adds a timer. A deadline in the past is due at the next [`advance`](Self::advance).
    #[inline]
    pub(crate) fn insert(&mut self, deadline_ns: u64, waker: Waker) -> TimerKey {
        let birth = self.next_birth;
        self.next_birth = birth.wrapping_add(1);
        let number = self.take_number();
        let entry = Entry { deadline_ns, number, waker: Some(waker), prev: NONE, next: NONE, birth, place: DUE };
        let index = self.allocate(entry);
        self.live += 1;
        self.file(index, deadline_ns, number);
        TimerKey::new(birth, index)
    }

    /// Takes a timer out. `None` if it has fired or was removed before. The caller drops the waker, outside the lock.
    #[inline]
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<Waker> {
        self.find(key)?;
        self.unfile(key.index());
        self.release(key.index())
    }

    /// Whom the timer wakes. Asking and replacing are two calls so that a waker need not be cloned under a lock.
    pub(crate) fn wakes(&mut self, key: TimerKey, waker: &Waker) -> Wakes {
        match self.find(key) {
            None => Wakes::Gone,
            Some(entry) if entry.waker.as_ref().is_some_and(|old| old.will_wake(waker)) => Wakes::Same,
            Some(_) => Wakes::Another,
        }
    }

    /// Makes the timer wake `waker` and gives the one it would have woken; gives `waker` itself back as the error if the
    /// timer has fired.
    pub(crate) fn replace_waker(&mut self, key: TimerKey, waker: Waker) -> Result<Option<Waker>, Waker> {
        match self.find(key) {
            None => Err(waker),
            Some(entry) => Ok(entry.waker.replace(waker)),
        }
    }

    /// Gives the timer another deadline and the last place among the equal ones, as if it were new; its key stays.
    /// False if it has fired.
    pub(crate) fn reset(&mut self, key: TimerKey, deadline_ns: u64) -> bool {
        if self.find(key).is_none() {
            return false;
        }
        self.unfile(key.index());
        let number = self.take_number();
        let entry = &mut self.entries[key.index() as usize];
        (entry.deadline_ns, entry.number) = (deadline_ns, number);
        self.file(key.index(), deadline_ns, number);
        true
    }

    /// Moves time on to `now_ns` and puts the wakers of due timers into `out`, in order (W5). At most `max` of them:
    /// the rest stay due, can still be removed, and come first at the next call.
    pub(crate) fn advance(&mut self, now_ns: u64, out: &mut Wakers, max: usize) {
        let mut room = max;
        self.deliver(out, &mut room);
        while room > 0 && self.open_first_slot(now_ns) {
            self.deliver(out, &mut room);
        }
    }

    /// When [`advance`](Self::advance) should be called next; `None` if there is nothing to come back for (W7). Never
    /// too late. It may be too early if timers were removed (W3); an advance to that time then finds the true one.
    /// In the past if timers are still due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if self.due_len > 0 {
            return self.next_due().map(|due| due.deadline_ns);
        }
        self.first_slot().map(|slot| self.slots[slot].earliest_ns).filter(|&earliest_ns| earliest_ns != NEVER)
    }

    /// The next deadline, and the last that follows within `slack_ns`. Only the slots of its own level are asked, each for its
    /// earliest: what is filed above them comes down soon enough.
    pub(crate) fn next_crowd(&self, slack_ns: u64) -> Option<Crowd> {
        let mut crowd = Crowd::of_one(self.next_deadline()?);
        if self.due_len > 0 || self.levels == 0 {
            return Some(crowd);
        }
        let level = self.levels.trailing_zeros() as usize;
        let mut digits = self.occupied[level];
        while digits != 0 {
            let earliest_ns = self.slots[level * SLOTS + digits.trailing_zeros() as usize].earliest_ns;
            if earliest_ns - crowd.first_ns > slack_ns {
                break;
            }
            crowd.last_ns = earliest_ns;
            digits &= digits - 1;
        }
        Some(crowd)
    }

    /// How many timers there are, due ones included.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The entry of a timer that has neither fired nor been removed.
    #[inline]
    fn find(&mut self, key: TimerKey) -> Option<&mut Entry> {
        self.entries.get_mut(key.index() as usize).filter(|entry| entry.birth == key.birth() && entry.waker.is_some())
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

/// Filing: from a deadline to a slot's list and out again.
impl Wheel {
    /// Puts an entry that is in no list where its deadline belongs.
    #[inline]
    fn file(&mut self, index: u32, deadline_ns: u64, number: u64) {
        if deadline_ns <= self.elapsed_ns {
            self.entries[index as usize].place = DUE;
            self.due_len += 1;
            self.late.push(Reverse(DueRef { deadline_ns, number, index }));
        } else {
            self.link(index, deadline_ns);
        }
    }

    /// Puts an entry with a deadline after `elapsed` into its slot (W1, W2).
    #[inline]
    fn link(&mut self, index: u32, deadline_ns: u64) {
        // The lowest bit of digit 0 is set, so that a difference in the low bits alone counts as level 0.
        let differs = (deadline_ns ^ self.elapsed_ns) | (1 << GRAIN_BITS);
        let level = ((differs.ilog2() - GRAIN_BITS) / DIGIT_BITS) as usize;
        let digit = (deadline_ns >> shift_of(level)) as usize & (SLOTS - 1);
        let place = level * SLOTS + digit;

        self.levels |= 1 << level;
        self.occupied[level] |= 1 << digit;
        let slot = &mut self.slots[place];
        slot.earliest_ns = slot.earliest_ns.min(deadline_ns);
        // New entries go in front: a slot of equal deadlines is then read newest first, and since `due` is
        // delivered from its end, it needs no sorting.
        let old_head = std::mem::replace(&mut slot.head, index);

        let entry = &mut self.entries[index as usize];
        (entry.place, entry.prev, entry.next) = (place as u16, NONE, old_head);
        if old_head != NONE {
            self.entries[old_head as usize].prev = index;
        }
    }

    /// Takes an entry out of its list, or out of those that are due (whose `DueRef` goes stale).
    #[inline]
    fn unfile(&mut self, index: u32) {
        let &Entry { place, prev, next, .. } = &self.entries[index as usize];
        if place == DUE {
            return self.forget_due();
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        if prev != NONE {
            self.entries[prev as usize].next = next;
        } else if next != NONE {
            self.slots[place as usize].head = next;
        } else {
            self.clear_slot(place as usize);
        }
    }

    fn clear_slot(&mut self, slot: usize) {
        self.slots[slot] = EMPTY_SLOT;
        let level = slot / SLOTS;
        self.occupied[level] &= !(1 << (slot % SLOTS));
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    /// The slot that holds the earliest timer (W2).
    fn first_slot(&self) -> Option<usize> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// The first and the last nanosecond of a slot. The digits above it are those of `elapsed` (W2).
    fn span_of(&self, slot: usize) -> (u64, u64) {
        let shift = shift_of(slot / SLOTS);
        let above = (self.elapsed_ns >> shift) & !(SLOTS as u64 - 1);
        let first = (above | (slot % SLOTS) as u64) << shift;
        (first, first | ((1 << shift) - 1))
    }
}

/// The position of a level's digit, in bits.
fn shift_of(level: usize) -> u32 {
    GRAIN_BITS + DIGIT_BITS * level as u32
}

/// Firing: from a slot's list to the caller's bag.
impl Wheel {
    /// Hands out what is due until there is no more of it, or no more room.
    fn deliver(&mut self, out: &mut Wakers, room: &mut usize) {
        while self.due_len > 0 && *room > 0 {
            let due = self.pop_due().expect("`due_len` counts entries that are in `due` or `late`");
            // Otherwise it was removed or reset since it fell due; its place may even have been given back.
            if self.entries.get(due.index as usize).is_some_and(|entry| entry.number == due.number) {
                self.forget_due();
                out.push(self.release(due.index).expect("a place in use has a waker"));
                *room -= 1;
            }
        }
    }

    /// Moves the due timers of the first slot to `due` and files the others again. False if none is due.
    fn open_first_slot(&mut self, now_ns: u64) -> bool {
        let Some(slot) = self.first_slot() else {
            self.elapsed_ns = self.elapsed_ns.max(now_ns);
            return false;
        };
        let (first_ns, last_ns) = self.span_of(slot);
        if self.slots[slot].earliest_ns > now_ns {
            // Before the slot begins, time moves on without touching a timer; inside of it, `elapsed` waits in front
            // (W4), which W2 allows: timers are then filed by a coarser digit than need be, no more.
            if now_ns < first_ns {
                self.elapsed_ns = self.elapsed_ns.max(now_ns);
            }
            return false;
        }
        // Only as far as this slot reaches: those behind it are opened by later rounds, each sorted by itself.
        self.elapsed_ns = now_ns.min(last_ns);
        let mut index = self.slots[slot].head;
        self.clear_slot(slot);
        while index != NONE {
            index = self.move_on(index);
        }
        self.due.sort_unstable_by(|a, b| b.cmp(a));
        self.due_len = self.due.len();
        true
    }

    /// Takes one entry of an opened slot to where it belongs now. Gives the next one of that slot.
    fn move_on(&mut self, index: u32) -> u32 {
        let entry = &mut self.entries[index as usize];
        let next = entry.next;
        let deadline_ns = entry.deadline_ns;
        if deadline_ns <= self.elapsed_ns {
            entry.place = DUE;
            self.due.push(DueRef { deadline_ns, number: entry.number, index });
        } else {
            self.link(index, deadline_ns);
        }
        next
    }

    /// The due timer that comes first, or the stale trace of one.
    fn next_due(&self) -> Option<DueRef> {
        match (self.due.last(), self.late.peek()) {
            (Some(due), Some(Reverse(late))) => Some(*due.min(late)),
            (due, late) => due.or(late.map(|Reverse(late)| late)).copied(),
        }
    }

    fn pop_due(&mut self) -> Option<DueRef> {
        let next = self.next_due();
        if self.due.last().copied() == next { self.due.pop() } else { self.late.pop().map(|Reverse(late)| late) }
    }

    /// One due entry fewer. With the last of them the stale traces go as well.
    fn forget_due(&mut self) {
        self.due_len -= 1;
        if self.due_len == 0 {
            self.due.clear();
            self.due.shrink_to(KEEP);
            self.late.clear();
            self.late.shrink_to(KEEP);
        }
    }
}

/// Places: where entries live, and how memory is given back.
impl Wheel {
    #[inline]
    fn allocate(&mut self, entry: Entry) -> u32 {
        if self.free != NONE {
            let index = self.free;
            let place = &mut self.entries[index as usize];
            self.free = place.next;
            *place = entry;
            return index;
        }
        let index = u32::try_from(self.entries.len()).expect("2^32 timers would need 200 GB");
        self.entries.push(entry);
        index
    }

    /// Ends a timer that is in no list any more. Its place will be used next, while it is in the cache.
    #[inline]
    fn release(&mut self, index: u32) -> Option<Waker> {
        let next = std::mem::replace(&mut self.free, index);
        if next != NONE {
            self.entries[next as usize].prev = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.number, entry.prev, entry.next) = (u64::MAX, NONE, next);
        let waker = entry.waker.take();
        self.live -= 1;
        if self.entries.len() > KEEP.max(2 * self.live) {
            self.give_back_memory();
        }
        waker
    }

    /// Cuts free places off the end of `entries`. A few at a time, so that no single removal pays for a thousand
    /// others. A timer at the end holds up the rest (a key names its index, so it cannot move) until it is gone.
    #[cold]
    fn give_back_memory(&mut self) {
        if self.live == 0 {
            self.entries = Vec::new();
            self.free = NONE;
            return;
        }
        for _ in 0..TRIM {
            let Some(&Entry { waker: None, prev, next, .. }) = self.entries.last() else { break };
            self.entries.pop();
            if next != NONE {
                self.entries[next as usize].prev = prev;
            }
            if prev != NONE {
                self.entries[prev as usize].next = next;
            } else {
                self.free = next;
            }
        }
        if self.entries.capacity() / 4 > self.entries.len().max(KEEP) {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;
    use crate::base::rng::Rng;

    const DAY: u64 = 24 * 3600 * 1_000_000_000;
    const YEAR: u64 = 365 * DAY;

    /// Writes its id down when it is woken.
    struct Probe {
        id: usize,
        log: Arc<Mutex<Vec<usize>>>,
    }

    impl Wake for Probe {
        fn wake(self: Arc<Self>) {
            self.log.lock().unwrap().push(self.id);
        }
    }

    /// A wheel beside the simplest thing that could be right; every step is taken by both and compared.
    struct Pair {
        wheel: Wheel,
        /// What the wheel claims to be.
        model: BTreeMap<(u64, u64), usize>,
        /// Of each timer that ever was: its key, and its place in the model while it is live.
        timers: Vec<(TimerKey, Option<(u64, u64)>)>,
        now: u64,
        number: u64,
        log: Arc<Mutex<Vec<usize>>>,
        bag: Wakers,
    }

    impl Pair {
        fn new(now: u64) -> Self {
            Self {
                wheel: Wheel::new(now),
                model: BTreeMap::new(),
                timers: Vec::new(),
                now,
                number: 0,
                log: Arc::default(),
                bag: Wakers::new(),
            }
        }

        fn enter(&mut self, id: usize, deadline: u64) -> (u64, u64) {
            self.number += 1;
            self.model.insert((deadline, self.number), id);
            (deadline, self.number)
        }

        fn insert(&mut self, deadline: u64) {
            let id = self.timers.len();
            let waker = Waker::from(Arc::new(Probe { id, log: self.log.clone() }));
            let key = self.wheel.insert(deadline, waker);
            let place = self.enter(id, deadline);
            self.timers.push((key, Some(place)));
        }

        fn reset(&mut self, id: usize, deadline: u64) {
            let (key, place) = self.timers[id];
            assert_eq!(self.wheel.reset(key, deadline), place.is_some());
            if let Some(place) = place {
                self.model.remove(&place);
                self.timers[id].1 = Some(self.enter(id, deadline));
            }
        }

        fn remove(&mut self, id: usize) {
            let (key, place) = self.timers[id];
            assert_eq!(self.wheel.remove(key).is_some(), place.is_some());
            if let Some(place) = self.timers[id].1.take() {
                self.model.remove(&place);
            }
            assert_eq!(self.wheel.wakes(key, Waker::noop()), Wakes::Gone);
        }

        /// Advances both and gives the number of timers fired.
        fn advance(&mut self, now: u64, max: usize) -> usize {
            self.now = self.now.max(now);
            self.wheel.advance(now, &mut self.bag, max);
            self.bag.wake_all();
            let fired = std::mem::take(&mut *self.log.lock().unwrap());
            for &id in &fired {
                let (place, expected) = self.model.pop_first().expect("the model has as many as the wheel");
                assert_eq!((id, place.0 <= self.now), (expected, true));
                self.timers[id].1 = None;
            }
            let first = self.model.keys().next().map(|&(deadline, _)| deadline);
            assert!(fired.len() == max || first.is_none_or(|deadline| deadline > now), "one was left behind");
            let next = self.wheel.next_deadline();
            assert_eq!(self.wheel.len(), self.model.len());
            match first {
                None => assert_eq!(next, None),
                Some(NEVER) => {}
                Some(first) => assert!(next.is_some_and(|next| next <= first), "{next:?} is too late for {first}"),
            }
            assert!(fired.len() == max || next.is_none_or(|next| next > now), "woken again for nothing");
            self.check_crowd(next);
            fired.len()
        }

        /// A crowd begins with the next deadline, and ends within the slack.
        fn check_crowd(&self, next: Option<u64>) {
            for slack in [0, 20_000, 100_000, u64::MAX] {
                let crowd = self.wheel.next_crowd(slack);
                assert_eq!(crowd.map(|crowd| crowd.first_ns), next);
                let Some(Crowd { first_ns, last_ns }) = crowd else { continue };
                assert!(first_ns <= last_ns && last_ns - first_ns <= slack, "nobody waits longer than that");
                assert!(slack > 0 || last_ns == first_ns);
            }
        }

        fn drain(&mut self, max: impl Fn() -> usize) {
            while let Some(next) = self.wheel.next_deadline() {
                self.advance(next.max(self.now), max());
            }
            while self.wheel.len() > 0 {
                self.advance(NEVER, max());
            }
            assert!(self.model.is_empty());
            self.check();
        }

        /// Checks W1 to W3 and every link.
        fn check(&self) {
            let wheel = &self.wheel;
            let mut seen = wheel.due_len;
            for (place, slot) in wheel.slots.iter().enumerate() {
                let (level, digit) = (place / SLOTS, place % SLOTS);
                assert_eq!(slot.head != NONE, wheel.occupied[level] >> digit & 1 == 1);
                assert_eq!(wheel.occupied[level] != 0, wheel.levels >> level & 1 == 1);
                let (mut index, mut prev) = (slot.head, NONE);
                while index != NONE {
                    let entry = &wheel.entries[index as usize];
                    let (first, last) = wheel.span_of(place);
                    assert!(entry.waker.is_some() && entry.deadline_ns > wheel.elapsed_ns, "W1");
                    assert!((first..=last).contains(&entry.deadline_ns), "W2");
                    assert!(level == 0 || first > wheel.elapsed_ns, "W2");
                    assert!(slot.earliest_ns <= entry.deadline_ns, "W3");
                    assert_eq!((entry.place as usize, entry.prev), (place, prev));
                    (prev, index, seen) = (index, entry.next, seen + 1);
                }
            }
            assert_eq!((seen, wheel.live), (self.model.len(), self.model.len()));
        }
    }

    /// A time that is awkward: a power of 64 give or take one, from zero or from now, or anything near or far.
    fn awkward(now: u64, kind: u64, random: u64) -> u64 {
        let power = 1_u64 << (DIGIT_BITS as u64 * (random % 11)).min(63);
        let edge = power.wrapping_add(random / 16 % 3).wrapping_sub(1);
        let wide = random >> (8 + random % 48);
        match kind % 8 {
            0 => edge,
            1 => now.saturating_add(edge),
            2 => now.saturating_sub(edge),
            3 => (now | (power - 1)).saturating_add(random / 16 % 3),
            4 => now.saturating_add(wide),
            5 => now.saturating_add(random % 100_000),
            6 => now.saturating_add(random % 50_000_000),
            _ => [0, u64::MAX, u64::MAX - 1, now, now + 1][(random % 5) as usize],
        }
    }

    /// TIM-01.
    #[test]
    fn a_million_random_operations_fire_what_a_btreemap_fires_in_the_same_order() {
        let rng = Rng::new(0x7131);
        let mut pair = Pair::new(0);
        for step in 0..1_000_000 {
            // Mostly recent timers: of the old ones, most have fired.
            let recent = pair.timers.len() - rng.below(pair.timers.len().min(200) + 1);
            let deadline = awkward(pair.now, rng.next_u64(), rng.next_u64());
            match rng.below(100) {
                0..40 => pair.insert(deadline),
                40..55 if recent < pair.timers.len() => pair.reset(recent, deadline),
                55..80 if recent < pair.timers.len() => pair.remove(recent),
                80..90 => _ = pair.advance(pair.wheel.next_deadline().map_or(0, |next| next.min(pair.now + DAY)), 3),
                _ => {
                    let by = rng.next_u64() >> (14 + rng.below(45));
                    pair.advance((pair.now + by).min(u64::MAX / 2), rng.below(40));
                }
            }
            if step % 10_000 == 0 {
                pair.check();
            }
        }
        pair.drain(|| rng.below(40));
        assert_eq!(pair.wheel.entries.len(), 0, "nothing lingers");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// TIM-01, in short runs that shrink, every invariant checked after every step.
        #[test]
        fn short_runs_of_any_operations_agree_with_a_btreemap(
            start in prop_oneof![Just(0), any::<u64>().prop_map(|start| start / 2)],
            steps in prop::collection::vec((0..6_u8, any::<u64>(), any::<u64>(), 0..5_usize), 1..80),
        ) {
            let mut pair = Pair::new(start);
            for (what, kind, random, max) in steps {
                let time = awkward(pair.now, kind, random);
                let id = (random as usize / 32) % pair.timers.len().max(1);
                match what {
                    2 if id < pair.timers.len() => pair.reset(id, time),
                    3 if id < pair.timers.len() => pair.remove(id),
                    4 => _ = pair.advance(time.min(u64::MAX / 4 * 3), max),
                    5 => _ = pair.advance(pair.wheel.next_deadline().unwrap_or(0).min(u64::MAX / 4 * 3), max),
                    _ => pair.insert(time),
                }
                pair.check();
            }
            pair.drain(|| 3);
        }
    }

    /// TIM-02.
    #[test]
    fn after_years_short_and_long_timers_still_fire_in_order_and_cost_one_wake_up_each() {
        for start in [12 * DAY, 36 * DAY, YEAR, YEAR / 5 * 11, 10 * YEAR, 290 * YEAR] {
            let mut pair = Pair::new(0);
            pair.advance(start, 1);
            for after in [10 * YEAR, YEAR, 36 * DAY, DAY, 3_600_000_000_000, 1_000_000_000, 1_000_000, 1_000, 1] {
                pair.insert(start + after);
                pair.check();
            }
            for _ in 0..9 {
                let next = pair.wheel.next_deadline().unwrap();
                assert_eq!(pair.advance(next - 1, 9), 0, "one nanosecond early is early");
                assert_eq!(pair.advance(next, 9), 1, "nobody is woken merely to refile timers");
            }
            assert_eq!(pair.wheel.len(), 0);
        }
    }

    /// TIM-03.
    #[test]
    fn the_first_and_the_last_nanosecond_are_deadlines_like_any_other() {
        let mut pair = Pair::new(5);
        pair.insert(NEVER);
        assert_eq!(pair.wheel.next_deadline(), None, "nobody comes back for it");
        pair.insert(0);
        pair.insert(u64::MAX - 1);
        assert_eq!(pair.wheel.next_deadline(), Some(0));
        assert_eq!(pair.advance(5, 9), 1);
        assert_eq!(pair.advance(u64::MAX - 2, 9), 0);
        assert_eq!(pair.advance(u64::MAX - 1, 9), 1);
        assert_eq!(pair.advance(u64::MAX, 9), 1);
        pair.insert(u64::MAX);
        assert_eq!(pair.advance(u64::MAX, 9), 1);
    }

    /// TIM-06.
    #[test]
    fn a_million_timers_of_one_deadline_fire_in_batches_and_the_rest_stay_removable() {
        let mut pair = Pair::new(0);
        let count = 1_000_000;
        for _ in 0..count {
            pair.insert(DAY);
        }
        assert_eq!(pair.advance(DAY + 1, 256), 256);
        for id in (256..count).step_by(10) {
            pair.remove(id);
        }
        pair.reset(257, 0);
        pair.reset(258, 2 * DAY);
        pair.insert(DAY - 1);
        let mut rounds = 0;
        while pair.wheel.next_deadline().is_some_and(|next| next <= pair.now) {
            assert!(pair.advance(DAY + 1, 256) <= 256);
            rounds += 1;
        }
        assert_eq!(rounds, (count - 256 - 99_975_usize).div_ceil(256));
        pair.drain(|| 1);
    }

    #[test]
    fn a_crowd_is_known_by_its_first_and_its_last_within_the_slack() {
        let mut pair = Pair::new(0);
        assert_eq!(pair.wheel.next_crowd(100_000), None);
        for deadline in (500_000..1_000_000).step_by(10_000) {
            pair.insert(deadline);
        }
        for first_ns in (500_000..850_000).step_by(10_000) {
            pair.advance(first_ns - 1, usize::MAX);
            let crowd = pair.wheel.next_crowd(100_000).expect("some are left");
            assert_eq!(crowd.first_ns, first_ns);
            let grain = 1 << GRAIN_BITS; // of each slot the earliest is known
            assert!((first_ns + 100_000 - grain..=first_ns + 100_000).contains(&crowd.last_ns), "{crowd:?}");
        }
        pair.drain(|| usize::MAX);
        pair.insert(2_000_000);
        pair.insert(2_100_001);
        assert_eq!(pair.wheel.next_crowd(100_000), Some(Crowd::of_one(2_000_000)), "nobody to wait for");
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_insertion_wherever_they_were_filed() {
        let mut pair = Pair::new(0);
        let deadline = 5 * DAY + 12_345;
        for now in [0, DAY, 4 * DAY, 5 * DAY - 100_000_000, 5 * DAY - 1_000_000, 5 * DAY, 5 * DAY + 12_344] {
            pair.advance(now, 1);
            pair.insert(deadline);
            pair.insert(deadline);
        }
        pair.reset(3, deadline);
        assert_eq!(pair.advance(deadline, usize::MAX), 14);
    }

    #[test]
    fn a_fired_timer_s_key_names_nothing_even_when_its_place_is_used_again() {
        let mut wheel = Wheel::new(0);
        let mut bag = Wakers::new();
        let old = wheel.insert(10, Waker::noop().clone());
        wheel.advance(10, &mut bag, 1);
        let waker = Waker::from(Arc::new(Probe { id: 0, log: Arc::default() }));
        let new = wheel.insert(20, waker.clone());
        assert_eq!(old.index(), new.index());
        assert!(wheel.remove(old).is_none() && !wheel.reset(old, 5));
        assert_eq!(wheel.wakes(old, &waker), Wakes::Gone);
        assert_eq!(wheel.wakes(new, &waker), Wakes::Same);
        assert_eq!(wheel.wakes(new, Waker::noop()), Wakes::Another);
        assert!(matches!(wheel.replace_waker(new, Waker::noop().clone()), Ok(Some(old)) if old.will_wake(&waker)));
        assert!(wheel.remove(new).is_some());
    }

    /// TIM-14.
    #[test]
    fn memory_comes_back_when_most_timers_are_cancelled() {
        assert_eq!(size_of::<Entry>(), 48);
        let mut pair = Pair::new(0);
        for id in 0..300_000 {
            pair.insert(DAY + id);
        }
        let full = pair.wheel.entries.capacity();
        for id in 10_000..280_000 {
            pair.remove(id);
        }
        pair.check();
        assert_eq!(pair.wheel.entries.capacity(), full, "the last timers hold it up");
        (280_000..300_000).for_each(|id| pair.remove(id));
        (0..5_000).for_each(|id| pair.remove(id));
        pair.check();
        assert!(pair.wheel.entries.capacity() < full / 4, "the unused tail is given back");
        pair.drain(|| 256);
        assert!(pair.wheel.entries.capacity() <= 4 * KEEP && pair.wheel.due.capacity() <= KEEP);

        for id in 300_000..600_000 {
            pair.insert(2 * DAY + id);
        }
        for id in (300_000..600_000).filter(|id| id % 10 != 0) {
            pair.remove(id);
        }
        assert_eq!(pair.wheel.len(), 30_000);
        pair.drain(|| 256);
        assert!(pair.wheel.entries.capacity() <= 4 * KEEP, "with the last timer everything is given back");
    }
}
