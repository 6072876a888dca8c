//! The book: which items are begun, which outputs wait, and who waits for what.

use crate::base::atomic::{Mutex, MutexGuard};
use crate::base::quiet::{drop_quietly, quietly};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Poll, Waker};
use std::thread::Thread;

/// What became of an item.
pub(super) enum Made<U> {
    Output(U),
    /// The payload of the panic of the closure, or of the source.
    Panicked(Box<dyn Any + Send>),
    /// Its worker was dropped meanwhile.
    Lost,
}

/// What workers and consumer share.
pub(super) struct Line<U>(Mutex<Book<U>>);

pub(super) struct Book<U> {
    /// What is begun and not taken, in the order of the numbers; `None` while it is being made. It grows to what is used of the window.
    slots: VecDeque<Option<Made<U>>>,
    /// So many of them may be.
    window: usize,
    /// So many outputs were taken: the number of the first slot.
    taken: u64,
    /// A worker has the source.
    pulling: bool,
    /// Nothing more comes from the source.
    dry: bool,
    /// The consumer is gone.
    closed: bool,
    /// The runtime of the threads is going.
    hung_up: bool,
    /// Workers that have not ended.
    workers: usize,
    /// The wakers of those that wait to pull.
    waiting: VecDeque<Waker>,
    /// The threads of workers that are no tasks: told of the end.
    threads: Vec<Thread>,
    consumer: Option<Waker>,
    /// The lookout's, see `Lookout`.
    lookout: Option<Waker>,
}

/// A worker asked for the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Pull an item, and say so.
    Pull,
    /// There is no room, or another one pulls; the waker is kept.
    Wait,
    /// There is nothing more to do.
    End,
}

// Nothing of the user's runs under the lock (O5), so no panic leaves it half changed.
impl<U> UnwindSafe for Line<U> {}
impl<U> RefUnwindSafe for Line<U> {}

impl<U> Line<U> {
    pub(super) fn new(window: usize, workers: usize) -> Self {
        Self(Mutex::new(Book {
            slots: VecDeque::new(),
            window,
            taken: 0,
            pulling: false,
            dry: false,
            closed: false,
            hung_up: false,
            workers,
            waiting: VecDeque::new(),
            threads: Vec::new(),
            consumer: None,
            lookout: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Book<U>> {
        self.0.lock()
    }

    /// A worker that has a thread of its own begins.
    pub(super) fn enter_thread(&self, thread: Thread) {
        self.lock().threads.push(thread);
    }

    /// Must those on threads go, whatever they are at?
    pub(super) fn is_over(&self) -> bool {
        let book = self.lock();
        book.closed || book.hung_up
    }

    /// Ready once all workers have ended; for the lookout alone.
    pub(super) fn poll_left(&self, waker: &Waker) -> Poll<()> {
        let ours = waker.clone();
        let mut book = self.lock();
        let are_gone = book.workers == 0;
        let spare = if are_gone { Some(ours) } else { book.lookout.replace(ours) };
        drop(book);
        drop_quietly(spare);
        if are_gone { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The runtime of the threads is going: they end at their next step. What is made already can still be taken.
    pub(super) fn hang_up(&self) {
        let mut book = self.lock();
        book.hung_up = true;
        let threads = std::mem::take(&mut book.threads);
        let woken = Woken { workers: std::mem::take(&mut book.waiting), ..Woken::default() };
        drop(book);
        woken.wake();
        threads.iter().for_each(Thread::unpark);
    }

    pub(super) fn ask(&self, waker: &Waker) -> Ask {
        // Cloned before the lock, since a stranger's waker may do anything (O5).
        let (ours, mut spare) = (waker.clone(), None);
        let mut book = self.lock();
        let answer = book.ask();
        if answer == Ask::Wait && !book.waiting.iter().any(|other| other.will_wake(&ours)) {
            book.waiting.push_back(ours);
        } else {
            spare = Some(ours);
        }
        drop(book);
        drop(spare);
        answer
    }

    /// The source is back, and has given an item, or (`None`) has no more. The item's number.
    pub(super) fn pulled(&self, is_item: bool) -> u64 {
        let mut book = self.lock();
        let (number, mut wake) = (book.taken + book.slots.len() as u64, Woken::default());
        book.pulling = false;
        if is_item {
            book.slots.push_back(None);
            wake.worker = book.next_puller();
        } else {
            book.dry = true;
            wake.consumer = book.consumer.take();
        }
        if book.dry {
            wake.workers = std::mem::take(&mut book.waiting); // to end, for there is nothing to wait for any more
        }
        drop(book);
        wake.wake();
        number
    }

    /// The source must not be asked again: it has panicked, or is lost. `pulled` follows, and lets the other workers go.
    pub(super) fn give_up_source(&self) {
        self.lock().dry = true;
    }

    pub(super) fn put(&self, number: u64, made: Made<U>) {
        let mut made = Some(made);
        let mut book = self.lock();
        let mut consumer = None;
        if !book.closed {
            let slot = (number - book.taken) as usize;
            std::mem::swap(&mut book.slots[slot], &mut made);
            debug_assert!(made.is_none(), "O2: the slot was free");
            if slot == 0 {
                consumer = book.consumer.take();
            }
        }
        drop(book);
        consumer.into_iter().for_each(|waker| quietly(|| waker.wake()));
        drop(made); // of one that nobody wants any more
    }

    /// The next output, for the consumer.
    pub(super) fn take(&self, waker: &Waker) -> Poll<Option<Made<U>>> {
        let mut book = self.lock();
        if let Poll::Ready(made) = book.take() {
            let worker = book.next_puller();
            drop(book);
            worker.into_iter().for_each(|waker| quietly(|| waker.wake()));
            return Poll::Ready(made);
        }
        if book.consumer.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return Poll::Pending;
        }
        drop(book);
        let ours = waker.clone();
        let mut book = self.lock();
        let made = book.take();
        let old = if made.is_pending() { book.consumer.replace(ours) } else { Some(ours) };
        let worker = if made.is_ready() { book.next_puller() } else { None };
        drop(book);
        worker.into_iter().for_each(|waker| quietly(|| waker.wake()));
        drop_quietly(old);
        made
    }

    /// A worker has ended.
    pub(super) fn leave(&self) {
        let mut book = self.lock();
        book.workers -= 1;
        let woken = if book.workers == 0 { [book.consumer.take(), book.lookout.take()] } else { [None, None] };
        drop(book);
        woken.into_iter().flatten().for_each(|waker| quietly(|| waker.wake()));
    }

    /// The consumer is gone: workers end at their next step. What waits is for the caller to drop, after all else, since that may panic.
    pub(super) fn close(&self) -> VecDeque<Option<Made<U>>> {
        let mut book = self.lock();
        book.closed = true;
        let slots = std::mem::take(&mut book.slots);
        let threads = std::mem::take(&mut book.threads);
        let woken = Woken { worker: None, workers: std::mem::take(&mut book.waiting), consumer: book.consumer.take() };
        drop(book);
        woken.wake();
        threads.iter().for_each(Thread::unpark);
        slots
    }

    /// For people: how many outputs wait, and how many items are begun and not taken.
    pub(super) fn counts(&self) -> (usize, usize) {
        let book = self.lock();
        (book.slots.iter().flatten().count(), book.slots.len())
    }
}

impl<U> Book<U> {
    fn has_room(&self) -> bool {
        self.slots.len() < self.window
    }

    fn ask(&mut self) -> Ask {
        if self.closed || self.dry || self.hung_up {
            return Ask::End;
        }
        if self.pulling || !self.has_room() {
            return Ask::Wait;
        }
        self.pulling = true;
        Ask::Pull
    }

    /// O4: the one to wake, if somebody could pull now.
    fn next_puller(&mut self) -> Option<Waker> {
        if self.closed || self.dry || self.pulling || !self.has_room() { None } else { self.waiting.pop_front() }
    }

    fn take(&mut self) -> Poll<Option<Made<U>>> {
        if let Some(Some(_)) = self.slots.front() {
            self.taken += 1;
            return Poll::Ready(self.slots.pop_front().flatten());
        }
        if self.dry && self.slots.is_empty() && !self.pulling {
            return Poll::Ready(None);
        }
        // O3 answers for every number given out, so without workers what is missing was never begun.
        if self.workers == 0 && self.slots.is_empty() {
            self.dry = true;
            return Poll::Ready(Some(Made::Lost));
        }
        Poll::Pending
    }
}

/// Who is to be woken once the lock is released.
#[derive(Default)]
struct Woken {
    worker: Option<Waker>,
    workers: VecDeque<Waker>,
    consumer: Option<Waker>,
}

impl Woken {
    fn wake(self) {
        for waker in self.worker.into_iter().chain(self.workers).chain(self.consumer) {
            quietly(|| waker.wake());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_taken_in_the_order_of_their_numbers_and_nobody_pulls_beyond_the_window() {
        let line = Line::new(2, 2);
        let noop = Waker::noop();
        assert!(line.take(noop).is_pending());
        assert_eq!((line.ask(noop), line.ask(noop)), (Ask::Pull, Ask::Wait), "one at a time");
        assert_eq!(line.pulled(true), 0);
        assert_eq!(line.ask(noop), Ask::Pull);
        assert_eq!(line.pulled(true), 1);
        assert_eq!(line.ask(noop), Ask::Wait, "O2");
        line.put(1, Made::Output('b'));
        assert!(line.take(noop).is_pending(), "O1");
        line.put(0, Made::Output('a'));
        assert!(matches!(line.take(noop), Poll::Ready(Some(Made::Output('a')))));
        assert_eq!(line.ask(noop), Ask::Pull);
        assert_eq!(line.pulled(false), 2);
        assert_eq!(line.ask(noop), Ask::End);
        assert!(matches!(line.take(noop), Poll::Ready(Some(Made::Output('b')))));
        assert!(matches!(line.take(noop), Poll::Ready(None)));
    }

    #[test]
    fn without_workers_the_consumer_hears_of_it_once() {
        let line = Line::<u8>::new(1, 1);
        assert!(line.take(Waker::noop()).is_pending());
        line.leave();
        assert!(matches!(line.take(Waker::noop()), Poll::Ready(Some(Made::Lost))));
        assert!(matches!(line.take(Waker::noop()), Poll::Ready(None)));
    }
}
