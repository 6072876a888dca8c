//! Turns: the cursor of a file is one thing, and who moves it stands in line for it.
//!
//! Whoever has the [`Turn`] may move the cursor. A job takes it along and brings it back with its result, so an operation
//! whose future was dropped keeps its turn until its job has ended, and the next one finds the cursor at rest.
//!
//! - **L1** There is one `Turn` at most for a line. It is handed out in the order in which futures first asked.
//! - **L2** If there is none and somebody waits, then the first of those has been woken and not polled since. Passing the
//!   turn on wakes the first; a first one that goes away wakes the next.
//! - **L4** A poll that waits (see `polls`) has a place as well, but nobody drops it if it never comes again. So it is woken
//!   together with the first future behind it, and until it has come it keeps its place and holds up nobody.
//! - **L3** Wakers are woken, cloned and dropped outside the lock: they are user code.

use crate::base::atomic::Mutex;
use crate::base::quiet::quietly;
use crate::task::wait::{self, Wait, WaitKind};
use std::collections::VecDeque;
use std::io;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What the operations on one cursor share.
#[derive(Debug)]
pub(super) struct Line {
    /// Held for a few instructions at a time.
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// Somebody has the turn.
    taken: bool,
    /// Who waits, in order.
    waiting: VecDeque<Waiting>,
    /// The number of whoever comes next.
    next: u64,
    /// The buffer of the last job, for the next one: a loop of reads allocates once.
    spare: Vec<u8>,
    /// What became of a write that nobody waited for, if it failed.
    missed: Option<io::Error>,
    /// How many turns there were.
    turns: u64,
    /// What a poll's job has read and no poll has taken: the cursor stands behind it.
    unread: Vec<u8>,
}

/// Somebody in line.
#[derive(Debug)]
struct Waiting {
    number: u64,
    /// Taken out when it is woken.
    waker: Option<Waker>,
    /// It may never come again (L4).
    is_poll: bool,
}

impl Waiting {
    /// It was woken, has not come since, and nobody waits for it to come.
    fn is_passed_over(&self) -> bool {
        self.is_poll && self.waker.is_none()
    }
}

/// The right to move the cursor. Dropping it passes it on.
#[derive(Debug)]
pub(super) struct Turn {
    /// To which it is given back.
    line: Arc<Line>,
    /// The how many-th it is.
    pub(super) number: u64,
    /// There is something read that nobody has taken: see [`Line::take_unread`].
    pub(super) finds_unread: bool,
}

/// A place in line; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place<'a> {
    line: &'a Arc<Line>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
    /// None until it had to wait.
    number: Option<u64>,
    /// L4.
    is_poll: bool,
}

// No code of a user's runs under the lock, so no panic leaves the book half written.
impl UnwindSafe for Line {}
impl RefUnwindSafe for Line {}

impl Line {
    pub(super) fn new() -> Arc<Self> {
        let book =
            Book { taken: false, waiting: VecDeque::new(), next: 0, spare: Vec::new(), missed: None, turns: 0, unread: Vec::new() };
        Arc::new(Self { book: Mutex::new(book) })
    }

    /// The buffer of the last job, or an empty one.
    pub(super) fn take_spare(&self) -> Vec<u8> {
        std::mem::take(&mut self.book.lock().spare)
    }

    /// Keeps a buffer for the next job.
    pub(super) fn give_spare(&self, buf: Vec<u8>) {
        let old = std::mem::replace(&mut self.book.lock().spare, buf);
        drop(old);
    }

    /// A write that nobody waits for any more has failed: the next one to ask is told.
    pub(super) fn miss(&self, error: io::Error) {
        // The first error is the cause; those after it are its consequences.
        self.book.lock().missed.get_or_insert(error);
    }

    /// Has an earlier write failed unseen? Told once.
    pub(super) fn tell_missed(&self) -> io::Result<()> {
        self.book.lock().missed.take().map_or(Ok(()), Err)
    }

    /// Leaves what a poll's job has read for whoever has the turn next.
    pub(super) fn put_unread(&self, bytes: Vec<u8>) {
        let old = std::mem::replace(&mut self.book.lock().unread, bytes);
        debug_assert!(old.is_empty(), "nobody reads more while some is unread");
    }

    /// Gives what was left, to whoever has the turn and takes it or moves the cursor back over it.
    pub(super) fn take_unread(&self) -> Vec<u8> {
        std::mem::take(&mut self.book.lock().unread)
    }

    /// Has nobody had a turn since this one?
    pub(super) fn is_last(&self, turn: u64) -> bool {
        self.book.lock().turns == turn
    }

    /// Wakes the first in line, if nobody has the turn (L2), and the polls before it (L4), one after the other: a vector of them
    /// would cost an allocation, and there is seldom more than one.
    fn call(&self) {
        while let Some((waker, is_last)) = self.book.lock().next_to_call() {
            quietly(|| waker.wake());
            if is_last {
                return;
            }
        }
    }
}

impl Book {
    /// L1: gives the turn to whoever is first.
    fn try_take(&mut self, number: Option<u64>) -> bool {
        let first = self.waiting.iter().find(|other| Some(other.number) == number || !other.is_passed_over());
        let is_first = first.is_none_or(|first| Some(first.number) == number);
        let taken = !self.taken && is_first;
        self.taken |= taken;
        self.turns += u64::from(taken);
        taken
    }

    /// The first who was not woken yet, if nobody has the turn, and whether those behind it have to wait for it.
    fn next_to_call(&mut self) -> Option<(Waker, bool)> {
        if self.taken {
            return None;
        }
        let next = self.waiting.iter_mut().find(|waiting| !waiting.is_passed_over())?;
        Some((next.waker.take()?, !next.is_poll))
    }

    /// The turn that was just taken.
    fn turn(&self, line: &Arc<Line>) -> Turn {
        Turn { line: line.clone(), number: self.turns, finds_unread: !self.unread.is_empty() }
    }

    /// Out of the line, wherever it stands.
    fn remove(&mut self, number: u64) -> Option<Waker> {
        let index = self.waiting.iter().position(|waiting| waiting.number == number)?;
        self.waiting.remove(index).and_then(|waiting| waiting.waker)
    }

    /// Into the line, or its new waker to its old place.
    fn wait(&mut self, number: Option<u64>, is_poll: bool, waker: Waker) -> (u64, Option<Waker>) {
        if let Some(number) = number {
            let place = self.waiting.iter_mut().find(|waiting| waiting.number == number);
            let place = place.expect("who has a number stands in line until it gets its turn or gives it up");
            return (number, place.waker.replace(waker));
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { number, waker: Some(waker), is_poll });
        (number, None)
    }
}

impl<'a> Place<'a> {
    pub(super) fn new(line: &'a Arc<Line>, at: &'static Location<'static>) -> Self {
        Self { line, at, number: None, is_poll: false }
    }

    /// That of a poll, as it was when [`leave`](Self::leave) gave this number.
    pub(super) fn again(line: &'a Arc<Line>, at: &'static Location<'static>, number: Option<u64>) -> Self {
        Self { line, at, number, is_poll: true }
    }

    /// Keeps the place in line, under this number, for whoever can hold no reference to it between two polls.
    pub(super) fn leave(mut self) -> Option<u64> {
        self.number.take()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if let Some(turn) = self.try_take() {
            return Poll::Ready(turn);
        }
        let waker = cx.waker().clone();
        let old = {
            let mut book = self.line.book.lock();
            // The turn may have come back between the two locks; then the second look must find it.
            if book.try_take(self.number) {
                let old = self.number.take().and_then(|number| book.remove(number));
                let turn = book.turn(self.line);
                drop(book);
                drop((old, waker));
                return Poll::Ready(turn);
            }
            let (number, old) = book.wait(self.number, self.is_poll, waker);
            self.number = Some(number);
            old
        };
        drop(old);
        wait::note(Wait { kind: WaitKind::Turn, object: 0, at: self.at });
        Poll::Pending
    }

    fn try_take(&mut self) -> Option<Turn> {
        let mut book = self.line.book.lock();
        if !book.try_take(self.number) {
            return None;
        }
        let old = self.number.take().and_then(|number| book.remove(number));
        let turn = book.turn(self.line);
        drop(book);
        drop(old);
        Some(turn)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number.take() else { return };
        let old = self.line.book.lock().remove(number);
        drop(old);
        self.line.call();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.line.book.lock().taken = false;
        self.line.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Bell(AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn turns_are_taken_in_order_and_who_leaves_calls_the_next() {
        let (line, at) = (Line::new(), Location::caller());
        let bells: Vec<Arc<Bell>> = (0..3).map(|_| Arc::default()).collect();
        let rung = || bells.iter().map(|bell| bell.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let wakers: Vec<Waker> = bells.iter().map(|bell| Waker::from(bell.clone())).collect();
        let mut first = Place::new(&line, at);
        let Poll::Ready(turn) = first.poll(&mut Context::from_waker(&wakers[0])) else { panic!("nobody has it") };
        let mut second = Place::new(&line, at);
        let mut third = Place::new(&line, at);
        assert!(second.poll(&mut Context::from_waker(&wakers[1])).is_pending());
        assert!(third.poll(&mut Context::from_waker(&wakers[2])).is_pending());
        drop(turn);
        assert_eq!(rung(), [0, 1, 0]);
        assert!(third.poll(&mut Context::from_waker(&wakers[2])).is_pending(), "it is not third's turn");
        assert!(first.poll(&mut Context::from_waker(&wakers[0])).is_pending(), "nobody overtakes");
        drop(second);
        assert_eq!(rung(), [0, 1, 1], "L2");
        let Poll::Ready(turn) = third.poll(&mut Context::from_waker(&wakers[2])) else { panic!("it was called") };
        drop(turn);
        assert_eq!(rung(), [1, 1, 1]);
        drop(first);
        assert!(line.book.lock().waiting.is_empty());
    }
}
