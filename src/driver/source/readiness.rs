//! What the kernel last said about a descriptor, and who waits to hear more.
//!
//! ```text
//!   63                                         16 15              0
//!   +--------------------------------------------+-----------------+
//!   | tick: goes up with every event delivered   | bits            |
//!   +--------------------------------------------+-----------------+
//!   READABLE WRITABLE         a try may succeed; cleared when it did not
//!   READ_CLOSED WRITE_CLOSED  the stream ended, here or at the peer     \
//!   ERROR PRIORITY            an error is pending; urgent data came      > sticky
//!   SHUTDOWN                  the runtime that watched it is gone       /
//!   REGISTERED                a reactor watches it, so the bits are news and not a guess
//! ```
//!
//! A waiter and an event meet here from two threads. The protocol:
//!
//! 1. The waiter loads the word (`seen`) and, if its bit is set, tries the operation.
//! 2. On `WouldBlock` it clears the bit, but only if the tick is still that of `seen`.
//! 3. It takes the waiters' lock, looks whether the tick is still that of `seen`, and if so leaves its waker.
//! 4. An event first sets its bits and raises the tick, then takes the lock and carries the waiters off.
//!
//! Proof that no event is lost (RCT-02). The lock orders 3 and 4. If the waiter was first, the event finds its
//! waker. If the event was first, the tick it raised before is visible in 3, and the waiter tries again. And no
//! clear undoes an event that the try could not know of, because the event raised the tick. What is waited for
//! in 3 is a new tick, not a set bit, so a sticky bit on a descriptor that still says `WouldBlock` costs one
//! try a poll and never a busy loop.
//!
//! - **R1** The tick rises with every event, before the waiters are looked at.
//! - **R2** Sticky bits are never cleared: data and end of stream arrive as one edge, and a clear would
//!   take back the only notice of the end.
//! - **R3** Wakers are neither cloned, woken nor dropped under the lock.
//!
//! Cases of the catalogue: RCT-02, RCT-03, RCT-04.

use std::task::Waker;

use super::waiters::{Key, Line, Waiters};
use crate::base::atomic::{AtomicU64, Mutex, Ordering};
use crate::base::quiet::drop_quietly;
use crate::base::wakers::Wakers;

/// A set of the bits drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits(u64);

impl Bits {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(1 << 1);
    pub(crate) const READ_CLOSED: Self = Self(1 << 2);
    pub(crate) const WRITE_CLOSED: Self = Self(1 << 3);
    pub(crate) const ERROR: Self = Self(1 << 4);
    pub(crate) const PRIORITY: Self = Self(1 << 5);
    pub(crate) const SHUTDOWN: Self = Self(1 << 6);
    const REGISTERED: Self = Self(1 << 7);
    /// With one of these seen, a short read proves nothing: the end, an error or the data behind an urgent
    /// byte may follow, and their edge is spent.
    const NO_SHORT_CUT: Self = Self(Self::READ_CLOSED.0 | Self::WRITE_CLOSED.0 | Self::ERROR.0 | Self::PRIORITY.0);
    const ALL: u64 = TICK - 1;

    /// These bits, or none of them.
    #[must_use]
    pub(crate) const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same, with troubles that pass turned into a reason to try, in either direction: the try finds them.
    #[must_use]
    pub(super) const fn passing(self, troubles: Self) -> Self {
        if !self.meets(troubles) {
            return self;
        }
        Self(self.0 & !troubles.0 | Self::READABLE.0 | Self::WRITABLE.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One event, in the upper part of the word. It may wrap: only a tick that comes round between a try and its
/// clear, 2^48 events later, would be taken for the same.
const TICK: u64 = 1 << 16;

/// Which half of a descriptor is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Reading, peeking, accepting.
    Read,
    /// Writing, connecting.
    Write,
}

impl Direction {
    const fn line(self) -> Line {
        match self {
            Self::Read => Line::READ,
            Self::Write => Line::WRITE,
        }
    }

    /// The bit that a failed try clears.
    const fn ready_bit(self) -> Bits {
        match self {
            Self::Read => Bits::READABLE,
            Self::Write => Bits::WRITABLE,
        }
    }

    /// The bits that make a try worth while. Priority is none of them: it is sticky, so a peer's one urgent byte would make
    /// `readable` true for ever.
    const fn promising(self) -> Bits {
        match self {
            Self::Read => Bits::READABLE.and(Bits::READ_CLOSED).and(Bits::ERROR),
            Self::Write => Bits::WRITABLE.and(Bits::WRITE_CLOSED).and(Bits::ERROR),
        }
    }

    /// The bits whose coming wakes who waits for this direction.
    const fn interesting(self) -> Bits {
        match self {
            Self::Read => self.promising().and(Bits::PRIORITY),
            Self::Write => self.promising(),
        }
    }
}

/// The word as one thread saw it at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(u64);

impl Seen {
    /// May a try in this direction succeed, as far as we know?
    pub(crate) fn is_ready(self, direction: Direction) -> bool {
        Bits(self.0).meets(direction.promising())
    }

    pub(crate) fn is_registered(self) -> bool {
        Bits(self.0).meets(Bits::REGISTERED)
    }

    pub(crate) fn is_shut_down(self) -> bool {
        Bits(self.0).meets(Bits::SHUTDOWN)
    }

    /// Has the reactor said that nothing more comes to be read?
    pub(crate) fn is_read_closed(self) -> bool {
        Bits(self.0).meets(Bits::READ_CLOSED)
    }

    /// May a short read or write be taken as "the socket is empty (or full) now"?
    pub(super) fn allows_short_cut(self) -> bool {
        !Bits(self.0).meets(Bits::NO_SHORT_CUT)
    }

    fn tick(self) -> u64 {
        self.0 & !Bits::ALL
    }
}

/// The word and the waiters. It knows neither descriptor nor reactor, so that loom can have it alone.
#[derive(Debug)]
pub(crate) struct Readiness {
    /// Bits and tick; see the drawing. Written by the reactor that watches the source, and by failed tries.
    word: AtomicU64,
    /// Who waits. Held for a few instructions at a time, by the reactor under its slab's lock.
    lines: Mutex<Lines>,
}

/// Both lines of waiters, under one lock.
#[derive(Debug)]
struct Lines {
    /// Who wants to read or accept, and who wants to write or connect.
    waiters: Waiters,
    /// The next waiter's key.
    next_key: Key,
}

/// What became of an attempt to wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a changed word means that the operation is to be tried again"]
pub(super) enum Waited {
    /// The waker is in the line: return `Pending`.
    Queued,
    /// An event came meanwhile: look at the word again.
    Changed,
}

impl Readiness {
    /// The key of the one waiter a direction that `poll_read` and its like share; the last caller wins.
    pub(super) const SHARED_KEY: Key = Key::MIN;

    /// Stands for no waiter, but for "whichever task this is": each has one place, and keeps it.
    pub(super) const VISITOR_KEY: Key = Key::MAX;

    /// `assumed` is the guess that holds until a reactor knows better.
    pub(super) fn new(assumed: Bits) -> Self {
        let lines = Lines { waiters: Waiters::default(), next_key: Self::SHARED_KEY.saturating_add(1) };
        Self { word: AtomicU64::new(assumed.0), lines: Mutex::new(lines) }
    }

    pub(crate) fn look(&self) -> Seen {
        // ORDER: Acquire, pairs with the Release in `set`: a try that follows comes after the event it believes in.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// The try that followed `seen` found the direction exhausted. Does nothing if an event came since.
    pub(super) fn clear(&self, direction: Direction, seen: Seen) {
        let mut expected = seen.0;
        while Seen(expected).tick() == seen.tick() {
            let cleared = expected & !direction.ready_bit().0;
            // ORDER: Release so that our try stays before the clear; pairs with the Acquire in `look`. Relaxed on
            // failure: only the tick is looked at, and by R1 a newer one ends the attempt.
            match self.word.compare_exchange_weak(expected, cleared, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => expected = found,
            }
        }
    }

    /// A reactor is about to watch the source: for `direction`, and for reading in any case, its report replaces
    /// our guess. Called under the source's lock and before the registration, so no event is about.
    pub(super) fn set_registered(&self, direction: Direction) {
        let guessed = direction.ready_bit().and(Direction::Read.ready_bit());
        // ORDER: AcqRel for both calls, pairs with the Acquire in `look`; the source's lock orders registrations.
        self.word.fetch_and(!guessed.0, Ordering::AcqRel);
        // ORDER: as above.
        self.word.fetch_or(Bits::REGISTERED.0, Ordering::AcqRel);
    }

    /// Undoes [`set_registered`](Self::set_registered): nobody watches the source, so a try is the only way to know.
    pub(super) fn set_unregistered(&self) {
        // ORDER: as in `set_registered`.
        self.word.fetch_or(Bits::READABLE.and(Bits::WRITABLE).0, Ordering::AcqRel);
        // ORDER: as above.
        self.word.fetch_and(!Bits::REGISTERED.0, Ordering::AcqRel);
    }

    /// An event: steps 4 of the protocol. The wakers of those whom it concerns are moved to `woken`.
    pub(super) fn set(&self, news: Bits, woken: &mut Wakers) {
        let raise = |word: u64| Some((word | news.0).wrapping_add(TICK));
        // ORDER: AcqRel, the Release pairs with the Acquire in `look`. That step 3 sees the new tick is the lock's
        // doing, not this ordering's.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise);
        let mut lines = self.lines.lock();
        for direction in [Direction::Read, Direction::Write] {
            if news.meets(direction.interesting().and(Bits::SHUTDOWN)) {
                lines.waiters.take_all(direction.line(), woken);
            }
        }
    }

    /// Step 3 of the protocol, for the waiter that `key` names; a new one gets its key here.
    pub(super) fn wait(&self, direction: Direction, key: &mut Option<Key>, seen: Seen, waker: &Waker) -> Waited {
        if *key == Some(Self::VISITOR_KEY) {
            return self.wait_as_visitor(direction, seen, waker);
        }
        if let Some(key) = *key {
            let lines = self.lines.lock();
            if self.look().tick() != seen.tick() {
                return Waited::Changed;
            }
            if lines.waiters.get(direction.line().key(key)).is_some_and(|held| held.will_wake(waker)) {
                return Waited::Queued;
            }
        }
        let waker = waker.clone(); // before the lock, as R3 has it
        let mut lines = self.lines.lock();
        if self.look().tick() != seen.tick() {
            drop(lines);
            drop(waker);
            return Waited::Changed;
        }
        let key = *key.get_or_insert_with(|| lines.new_key());
        let displaced = lines.waiters.put(direction.line().key(key), waker);
        drop(lines);
        if displaced.is_some() {
            drop_quietly(displaced);
        }
        Waited::Queued
    }

    /// Step 3 for a task that will not say when it gives up. It has one place however often it comes, and there are only so
    /// many such places: who has stood longest in one is woken to make room, and comes again if it still cares.
    fn wait_as_visitor(&self, direction: Direction, seen: Seen, waker: &Waker) -> Waited {
        let waker = waker.clone(); // before the lock, as R3 has it
        let mut lines = self.lines.lock();
        let changed = self.look().tick() != seen.tick();
        if changed || lines.waiters.has_visitor(direction.line(), &waker) {
            drop(lines);
            drop_quietly(waker);
            return if changed { Waited::Changed } else { Waited::Queued };
        }
        let key = direction.line().key(lines.new_key());
        let crowded_out = lines.waiters.put_visitor(key, waker);
        drop(lines);
        if let Some(waker) = crowded_out {
            let mut woken = Wakers::new();
            woken.push(waker);
            woken.wake_all();
        }
        Waited::Queued
    }

    /// A waiter gives up, or is done.
    pub(super) fn forget(&self, direction: Direction, key: Key) {
        let waker = self.lines.lock().waiters.remove(direction.line().key(key));
        if waker.is_some() {
            drop_quietly(waker); // after the lock, as R3 has it
        }
    }

    /// How many wait, for reading and for writing.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let lines = self.lines.lock();
        (lines.waiters.len(Line::READ), lines.waiters.len(Line::WRITE))
    }
}

impl Lines {
    fn new_key(&mut self) -> Key {
        let key = self.next_key;
        self.next_key = key.saturating_add(1); // 64 bits: at a billion waits a second, full after five centuries
        key
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;
    use crate::base::atomic::{model, model_thread};

    /// Counts how often it was woken.
    struct Bell(AtomicU64);

    impl futures_task::ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            // ORDER: AcqRel, pairs with the Acquire in `rung`.
            bell.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    impl Bell {
        fn new() -> (Arc<Self>, Waker) {
            let bell = Arc::new(Self(AtomicU64::new(0)));
            (bell.clone(), futures_task::waker(bell))
        }

        fn rung(&self) -> u64 {
            // ORDER: Acquire, pairs with the AcqRel above.
            self.0.load(Ordering::Acquire)
        }
    }

    fn readable() -> Readiness {
        Readiness::new(Bits::READABLE.and(Bits::WRITABLE))
    }

    fn event(readiness: &Readiness, news: Bits) {
        let mut woken = Wakers::new();
        readiness.set(news, &mut woken);
        woken.wake_all();
    }

    /// RCT-02: a read that finds nothing, clears and waits, against the event that brings the data. Explored in
    /// full: two threads, no preemption bound.
    #[test]
    fn model_rct_02_an_event_between_the_failed_read_and_the_wait_is_never_lost() {
        model(|| {
            let readiness = Arc::new(readable());
            let data = Arc::new(AtomicU64::new(0));
            let (bell, waker) = Bell::new();
            let kernel = model_thread::spawn({
                let (readiness, data) = (readiness.clone(), data.clone());
                move || {
                    // ORDER: Release, pairs with the Acquire of the read.
                    data.store(1, Ordering::Release);
                    event(&readiness, Bits::READABLE);
                }
            });
            let mut key = None;
            let asleep = loop {
                let seen = readiness.look();
                // ORDER: Acquire, pairs with the Release of the kernel's store.
                if seen.is_ready(Direction::Read) && data.load(Ordering::Acquire) == 1 {
                    break false;
                }
                readiness.clear(Direction::Read, seen);
                if readiness.wait(Direction::Read, &mut key, seen, &waker) == Waited::Queued {
                    break true;
                }
            };
            kernel.join().expect("the kernel does not panic");
            assert!(!asleep || bell.rung() == 1, "asleep with data there");
            assert!(!asleep || readiness.look().is_ready(Direction::Read));
        });
    }

    /// Two events of two reactors (the source has just moved), and a waiter that is dropped meanwhile.
    #[test]
    fn model_rct_02_two_events_and_a_waiter_that_gives_up_leave_both_bits_and_no_waiter() {
        model(|| {
            let readiness = Arc::new(Readiness::new(Bits::NONE));
            let (bell, waker) = Bell::new();
            let other = model_thread::spawn({
                let readiness = readiness.clone();
                move || event(&readiness, Bits::WRITABLE)
            });
            let mut key = None;
            let seen = readiness.look();
            let waited = readiness.wait(Direction::Write, &mut key, seen, &waker);
            event(&readiness, Bits::READ_CLOSED);
            if let Some(key) = key {
                readiness.forget(Direction::Write, key);
            }
            other.join().expect("the other reactor does not panic");
            assert!(waited == Waited::Queued || bell.rung() == 0);
            assert!(readiness.look().is_ready(Direction::Read));
            assert!(readiness.look().is_ready(Direction::Write));
            assert_eq!(readiness.waiting(), (0, 0));
        });
    }

    #[test]
    fn a_clear_takes_back_what_its_try_could_know_and_nothing_newer_or_sticky() {
        let readiness = readable();
        let old = readiness.look();
        event(&readiness, Bits::READABLE.and(Bits::READ_CLOSED));
        readiness.clear(Direction::Read, old);
        assert!(Bits(readiness.look().0).meets(Bits::READABLE));
        readiness.clear(Direction::Read, readiness.look());
        assert!(!Bits(readiness.look().0).meets(Bits::READABLE));
        // The end of the stream arrived with the data; taking that back would hang the reader.
        assert!(readiness.look().is_ready(Direction::Read));
        assert!(!readiness.look().allows_short_cut());
    }

    #[test]
    fn rct_03_only_the_right_direction_is_woken_and_both_are_on_an_error() {
        let readiness = Readiness::new(Bits::NONE);
        let ((reader, reads), (writer, writes)) = (Bell::new(), Bell::new());
        let (mut read_key, mut write_key) = (None, None);
        let wait = |direction, key: &mut Option<Key>, waker| {
            assert_eq!(readiness.wait(direction, key, readiness.look(), waker), Waited::Queued);
        };
        wait(Direction::Read, &mut read_key, &reads);
        wait(Direction::Write, &mut write_key, &writes);
        event(&readiness, Bits::READABLE);
        assert_eq!((reader.rung(), writer.rung()), (1, 0));
        wait(Direction::Read, &mut read_key, &reads);
        event(&readiness, Bits::WRITABLE);
        assert_eq!((reader.rung(), writer.rung()), (1, 1));
        wait(Direction::Write, &mut write_key, &writes);
        event(&readiness, Bits::ERROR);
        assert_eq!((reader.rung(), writer.rung()), (2, 2));
        for (direction, key, waker) in
            [(Direction::Read, &mut read_key, &reads), (Direction::Write, &mut write_key, &writes)]
        {
            wait(direction, key, waker);
        }
        event(&readiness, Bits::SHUTDOWN);
        assert_eq!((reader.rung(), writer.rung()), (3, 3));
        assert!(readiness.look().is_shut_down());
    }

    #[test]
    fn rct_04_in_the_shared_place_the_last_waker_wins() {
        let readiness = Readiness::new(Bits::NONE);
        let ((first, a), (second, b)) = (Bell::new(), Bell::new());
        for waker in [&a, &b, &b] {
            let mut key = Some(Readiness::SHARED_KEY);
            assert_eq!(readiness.wait(Direction::Read, &mut key, readiness.look(), waker), Waited::Queued);
        }
        assert_eq!(readiness.waiting(), (1, 0));
        event(&readiness, Bits::READABLE);
        assert_eq!((first.rung(), second.rung()), (0, 1));
    }
}
