//! The book of a group: who is inside, who waits for room, who waits for the last to leave.
//!
//! ```text
//!            enter: a place          attach: whom to wake         leave: the place is free
//!   spawn ─────────────────> inside ─────────────────> inside ─────────────────> gone
//!                              │ has room: counted as running
//!                              └ or stands in line for it, if the group has a limit and others were before
//!
//!   open ── close: nobody enters any more; rouse: everybody inside is woken ──> closing
//!   open or closing ── nobody is inside, and the scope has looked ─────> closed
//! ```
//!
//! - **G1** Who has entered leaves once, on every way out: the place is given to the member's future before there is a task, and
//!   its `Drop` leaves.
//! - **G2** Who is inside is seen by `rouse`, or has seen it: both hold the lock. A handle that is attached after it is given
//!   back, and its task woken by who came to attach it. So nobody inside sleeps over the end.
//! - **G3** `poll_closed` says Ready only while nobody is inside, and in the same critical section closes the book for good. So
//!   whoever is told can rely on it: no child is alive, and none can come.
//! - **G4** The first in line is woken whenever there is room and the one before it has taken its place or gone away. One that has no waker
//!   there looks by itself: it was woken and is on its way, or it is a child whose first poll is still due.
//! - **G5** No waker and no handle is woken or dropped under the lock.
//! - **G6** Room goes to those who ask in the order in which they ask. A child asks when it enters, not when it is first polled: else whoever
//!   asks in between would overtake it.

use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};
use slab::Slab;
use std::collections::BTreeMap;
use std::mem;
use std::task::{Poll, Waker};

/// One group's book. `H` is what wakes a member.
pub(super) struct Book<H> {
    inner: Mutex<Inner<H>>,
}

/// The life of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Members come and go.
    Open,
    /// Nobody enters; those inside are asked to go.
    Closing,
    /// Nobody is inside, for good.
    Closed,
}

struct Inner<H> {
    phase: Phase,
    /// Who is inside.
    members: Slab<Member<H>>,
    /// Everybody inside was told to look up.
    roused: bool,
    /// A number for each member, since places are used again.
    entered: u64,
    /// Who waits for the last one to leave.
    closer: Option<Waker>,
    /// So many may run at once.
    running_max: usize,
    running: usize,
    /// Who waits for room, by number; `None`: it looks by itself (G4).
    line: BTreeMap<u64, Option<Waker>>,
    /// The next number in line.
    next_in_line: u64,
}

struct Member<H> {
    number: u64,
    /// `None` until its task is made.
    handle: Option<H>,
}

/// Whose place it is in the book. Not `Copy`: it is given back once (G1).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "who has entered must leave"]
pub(super) struct Entry {
    pub(super) place: usize,
    pub(super) number: u64,
}

/// How waiting for room went so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Not asked yet.
    New,
    /// In line, under this number.
    InLine(u64),
    /// Counted as running.
    Taken,
}

impl<H> Book<H> {
    pub(super) fn new(running_max: usize) -> Self {
        let inner = Inner {
            phase: Phase::Open,
            members: Slab::new(),
            roused: false,
            entered: 0,
            closer: None,
            running_max,
            running: 0,
            line: BTreeMap::new(),
            next_in_line: 0,
        };
        Self { inner: Mutex::new(inner) }
    }

    pub(super) fn phase(&self) -> Phase {
        self.inner.lock().phase
    }

    /// How many are inside.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().members.len()
    }

    /// A place inside, unless the book is closing or closed; and in the same breath room, or a place in line for it (G6), for one that has
    /// neither yet.
    pub(super) fn enter(&self, room: &mut Room) -> Option<Entry> {
        let mut inner = self.inner.lock();
        if inner.phase != Phase::Open {
            return None;
        }
        if inner.running_max < usize::MAX {
            inner.ask_for_room(room);
        }
        inner.entered += 1;
        let number = inner.entered;
        let place = inner.members.insert(Member { number, handle: None });
        Some(Entry { place, number })
    }

    /// The member that entered there has a task now. Gives the handle back if the task has left already, or if everybody inside
    /// was woken: then the caller wakes it (G2), which does no harm to one that has left.
    pub(super) fn attach(&self, place: usize, number: u64, handle: H) -> Option<H> {
        let mut inner = self.inner.lock();
        let roused = inner.roused;
        match inner.members.get_mut(place) {
            Some(member) if member.number == number && !roused => {
                member.handle = Some(handle);
                None
            }
            _ => Some(handle),
        }
    }

    /// A member's future is gone (G1).
    pub(super) fn leave(&self, entry: Entry, room: Room) {
        let mut inner = self.inner.lock();
        let member = inner.members.remove(entry.place);
        debug_assert!(member.number == entry.number, "G1: a place is given back by who has it");
        let (next, own) = inner.give_back(room);
        let closer = if inner.members.is_empty() { inner.closer.take() } else { None };
        drop(inner);
        drop(member);
        drop_quietly(own);
        [next, closer].into_iter().flatten().for_each(|waker| quietly(|| waker.wake()));
    }

    /// Ready once nobody is inside; the book is closed then (G3). Until then `waker` is woken by the last one.
    pub(super) fn poll_closed(&self, waker: &Waker) -> Poll<()> {
        let mut new = Some(waker.clone());
        let mut inner = self.inner.lock();
        let is_over = inner.members.is_empty();
        let old = if is_over {
            inner.phase = Phase::Closed;
            inner.closer.take()
        } else {
            mem::replace(&mut inner.closer, new.take())
        };
        drop(inner);
        drop_quietly((old, new));
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Nobody enters any more.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        if inner.phase == Phase::Open {
            inner.phase = Phase::Closing;
        }
    }

    /// Gives the handles of all who are inside, to be woken. Who comes to attach one later is told (G2).
    pub(super) fn rouse(&self) -> Vec<H> {
        let mut inner = self.inner.lock();
        inner.roused = true;
        inner.members.iter_mut().filter_map(|(_, member)| member.handle.take()).collect()
    }

    /// Takes room if there is some and nobody stands before; else `waker` is woken when it is our turn. True if it was taken.
    pub(super) fn poll_room(&self, room: &mut Room, waker: &Waker) -> bool {
        if *room == Room::Taken {
            return true;
        }
        let mut waker = Some(waker.clone());
        let mut inner = self.inner.lock();
        inner.ask_for_room(room);
        let mut next = None;
        let mut old = None;
        if let Room::InLine(number) = *room {
            let is_first = inner.line.first_key_value().is_some_and(|(first, _)| *first == number);
            if is_first && inner.running < inner.running_max {
                inner.running += 1;
                *room = Room::Taken;
                old = inner.line.remove(&number).flatten();
                next = inner.next_with_room();
            } else {
                old = inner.line.insert(number, waker.take()).flatten();
            }
        }
        drop(inner);
        drop_quietly((old, waker));
        next.into_iter().for_each(|waker| quietly(|| waker.wake()));
        *room == Room::Taken
    }

    /// As `poll_room`, for who does not wait.
    pub(super) fn try_room(&self) -> Option<Room> {
        let mut inner = self.inner.lock();
        let has_room = inner.line.is_empty() && inner.running < inner.running_max;
        inner.running += usize::from(has_room);
        has_room.then_some(Room::Taken)
    }

    /// Who waited for room, or has it, goes away without having entered.
    pub(super) fn give_room_back(&self, room: Room) {
        let (next, own) = self.inner.lock().give_back(room);
        next.into_iter().for_each(|waker| quietly(|| waker.wake()));
        drop_quietly(own);
    }
}

impl<H> Inner<H> {
    /// For one that has not asked yet: room, if there is some and nobody stands in line; else the last place there, without a waker.
    fn ask_for_room(&mut self, room: &mut Room) {
        if *room != Room::New {
            return;
        }
        if self.line.is_empty() && self.running < self.running_max {
            self.running += 1;
            *room = Room::Taken;
        } else {
            *room = Room::InLine(self.next_in_line);
            self.line.insert(self.next_in_line, None);
            self.next_in_line += 1;
        }
    }

    /// Out of the line, or one less that runs; gives the waker of who is next, and the own one.
    fn give_back(&mut self, room: Room) -> (Option<Waker>, Option<Waker>) {
        let own = match room {
            Room::New => return (None, None),
            Room::InLine(number) => self.line.remove(&number).flatten(),
            Room::Taken => {
                self.running -= 1;
                None
            }
        };
        (self.next_with_room(), own)
    }

    /// The first in line, if there is room for it and it was not woken yet (G4). It keeps its place until it takes the room.
    fn next_with_room(&mut self) -> Option<Waker> {
        if self.running >= self.running_max {
            return None;
        }
        self.line.first_entry().and_then(|mut first| first.get_mut().take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, Ordering, model, model_thread};
    use crate::base::rng::Rng;
    use std::sync::Arc;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    impl Count {
        fn get(&self) -> u32 {
            self.0.load(Ordering::Acquire)
        }
    }

    fn counter() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(AtomicU32::new(0)));
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn model_whoever_closes_is_told_after_the_last_has_left_and_nobody_enters_then() {
        model(|| {
            let book = Arc::new(Book::<u32>::new(usize::MAX));
            let entry = book.enter(&mut Room::New).expect("open");
            let member = {
                let book = book.clone();
                model_thread::spawn(move || {
                    // A child that spawns another while the scope looks.
                    let second = book.enter(&mut Room::New);
                    book.leave(entry, Room::New);
                    let entered = second.is_some();
                    second.into_iter().for_each(|second| book.leave(second, Room::New));
                    entered
                })
            };
            let (count, waker) = counter();
            let over = book.poll_closed(&waker).is_ready();
            let entered = member.join().expect("no panic");
            assert!(entered, "the first was inside, so the book was open");
            assert_eq!(count.get() == 1, !over, "G3: told once, now or by a wake");
            assert!(book.poll_closed(&waker).is_ready() && book.enter(&mut Room::New).is_none(), "G3: for good");
        });
    }

    #[test]
    fn model_nobody_inside_sleeps_over_a_close() {
        model(|| {
            let book = Arc::new(Book::<u32>::new(usize::MAX));
            let closer = {
                let book = book.clone();
                model_thread::spawn(move || {
                    book.close();
                    book.rouse().len()
                })
            };
            let mut woken_here = 0;
            let entry = book.enter(&mut Room::New);
            if let Some(entry) = &entry {
                woken_here = usize::from(book.attach(entry.place, entry.number, 1).is_some());
            }
            let woken_there = closer.join().expect("no panic");
            assert_eq!(woken_here + woken_there, usize::from(entry.is_some()), "G2: exactly once");
            entry.into_iter().for_each(|entry| book.leave(entry, Room::New));
        });
    }

    #[test]
    fn model_room_for_one_goes_to_each_in_turn() {
        model(|| {
            let book = Arc::new(Book::<u32>::new(1));
            let first = book.try_room().expect("there is room");
            let leaver = {
                let book = book.clone();
                model_thread::spawn(move || book.give_room_back(first))
            };
            let (count, waker) = counter();
            let mut room = Room::New;
            let taken = book.poll_room(&mut room, &waker);
            leaver.join().expect("no panic");
            assert_eq!(count.get() == 1, !taken, "G4: woken if and only if it waited");
            assert!(book.poll_room(&mut room, &waker));
            assert!(book.try_room().is_none());
        });
    }

    #[test]
    fn model_a_child_in_line_finds_the_room_by_its_first_poll_or_is_woken_after_it() {
        model(|| {
            let book = Arc::new(Book::<u32>::new(1));
            let first = book.try_room().expect("there is room");
            let leaver = {
                let book = book.clone();
                model_thread::spawn(move || book.give_room_back(first))
            };
            let (count, waker) = counter();
            let mut room = Room::New;
            let entry = book.enter(&mut room).expect("open");
            let taken = book.poll_room(&mut room, &waker);
            leaver.join().expect("no panic");
            assert_eq!(count.get() == 1, !taken, "G4: woken if and only if it waited");
            assert!(book.poll_room(&mut room, &waker) && book.try_room().is_none());
            book.leave(entry, room);
            assert!(book.try_room().is_some());
        });
    }

    #[test]
    fn model_a_child_that_goes_before_its_first_poll_passes_the_turn_on() {
        model(|| {
            let book = Arc::new(Book::<u32>::new(1));
            let running = book.try_room().expect("there is room");
            let mut room = Room::New;
            let entry = book.enter(&mut room).expect("open");
            let (count, waker) = counter();
            let mut behind = Room::New;
            assert!(!book.poll_room(&mut behind, &waker));
            let leaver = {
                let book = book.clone();
                model_thread::spawn(move || book.give_room_back(running))
            };
            book.leave(entry, room);
            leaver.join().expect("no panic");
            assert_eq!(count.get(), 1, "G4: by the later of the two");
            assert!(book.poll_room(&mut behind, &waker));
        });
    }

    /// One that asked for room in the test below.
    struct Asker {
        room: Room,
        /// A child's; `None` for who waits before it spawns.
        entry: Option<Entry>,
        count: Arc<Count>,
        /// How often it had been woken when it was last polled; `None` while its first poll is due.
        seen: Option<u32>,
    }

    impl Asker {
        /// Will it look without anybody's doing?
        fn looks_by_itself(&self) -> bool {
            self.seen.is_none_or(|seen| self.count.get() > seen)
        }

        fn poll(&mut self, book: &Book<u32>) {
            self.seen = Some(self.count.get());
            book.poll_room(&mut self.room, &Waker::from(self.count.clone()));
        }

        fn go(self, book: &Book<u32>) {
            match self.entry {
                Some(entry) => book.leave(entry, self.room),
                None => book.give_room_back(self.room),
            }
        }
    }

    /// Against the plainest line there is: those who have room are the first who asked of those still there, as soon as they have looked.
    #[test]
    fn scp_06_room_goes_in_the_order_of_asking_whatever_happens_in_between() {
        for seed in 0..500 {
            let rng = Rng::new(seed);
            let running_max = 1 + rng.below(3);
            let book = Book::<u32>::new(running_max);
            let mut line: Vec<Asker> = Vec::new(); // in the order in which they asked
            for _ in 0..200 {
                match rng.below(5) {
                    asks @ (0 | 1) => {
                        let mut room = Room::New;
                        let entry = (asks == 0).then(|| book.enter(&mut room).expect("open"));
                        let mut asker = Asker { room, entry, count: counter().0, seen: None };
                        if asks == 1 {
                            asker.poll(&book);
                        }
                        line.push(asker);
                    }
                    2 if !line.is_empty() => line.remove(rng.below(line.len())).go(&book),
                    3 => {
                        let has_room = line.iter().filter(|asker| asker.room == Room::Taken).count() < running_max;
                        let is_empty = line.iter().all(|asker| asker.room == Room::Taken);
                        let tried = book.try_room();
                        assert_eq!(tried.is_some(), has_room && is_empty, "seed {seed}");
                        tried.into_iter().for_each(|room| book.give_room_back(room));
                    }
                    _ if line.is_empty() => {}
                    _ => {
                        let at = rng.below(line.len());
                        line[at].poll(&book);
                    }
                }
                let taken = line.iter().filter(|asker| asker.room == Room::Taken).count();
                assert!(line[..taken].iter().all(|asker| asker.room == Room::Taken), "G6, seed {seed}");
                let next = line.get(taken).filter(|_| taken < running_max);
                assert!(next.is_none_or(Asker::looks_by_itself), "G4, seed {seed}");
            }
            line.into_iter().for_each(|asker| asker.go(&book));
            let inner = book.inner.lock();
            assert_eq!((inner.members.len(), inner.running, inner.line.len()), (0, 0, 0), "seed {seed}");
        }
    }

    #[test]
    fn who_leaves_the_line_passes_the_turn_on() {
        let book = Book::<u32>::new(1);
        let running = book.try_room().expect("there is room");
        let (first_count, first_waker) = counter();
        let (second_count, second_waker) = counter();
        let (mut first, mut second) = (Room::New, Room::New);
        assert!(!book.poll_room(&mut first, &first_waker) && !book.poll_room(&mut second, &second_waker));
        book.give_room_back(running);
        assert_eq!((first_count.get(), second_count.get()), (1, 0));
        assert!(!book.poll_room(&mut second, &second_waker), "it is the other's turn");
        book.give_room_back(first);
        assert_eq!(second_count.get(), 1);
        assert!(book.poll_room(&mut second, &second_waker));
    }
}
