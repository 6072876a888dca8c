//! SYN-01: random sequences of everything that can be done, on the real thing and on a plain reference, and no answer and no
//! wake-up differs. A mutex is a semaphore with one permit, and a lock for readers and a writer is one with many, of which a
//! writer wants all: so these three share a reference.

use super::kit::{Bell, Boxed, check, poll};
use mainspring::sync::{Mutex, RwLock, Semaphore, TryAcquireError};
use proptest::prelude::*;
use std::any::Any;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Something held; dropping it releases it.
type Hold = Box<dyn Any>;

/// A lock as the reference sees it: so many permits, first come first served.
trait Subject {
    /// How many permits there are.
    fn permits(&self) -> usize;
    /// Waits for so many; none if it is closed.
    fn acquire(&self, count: usize) -> Boxed<'static, Option<Hold>>;
    fn try_acquire(&self, count: usize) -> Result<Hold, TryAcquireError>;
    /// Only a semaphore can do these.
    fn add(&self, _: usize) {}
    fn forget(&self, _: usize) -> usize {
        0
    }
    fn close(&self) {}
    /// What a step's number of permits becomes.
    fn wish(&self, count: usize) -> usize;
    /// Only a semaphore can do more than acquire and release.
    fn is_semaphore(&self) -> bool {
        false
    }
}

impl Subject for Arc<Semaphore> {
    fn permits(&self) -> usize {
        self.available_permits()
    }
    fn acquire(&self, count: usize) -> Boxed<'static, Option<Hold>> {
        let acquire = self.clone().acquire_many_owned(count as u32);
        Box::pin(async { acquire.await.ok().map(|permit| Box::new(permit) as Hold) })
    }
    fn try_acquire(&self, count: usize) -> Result<Hold, TryAcquireError> {
        self.clone().try_acquire_many_owned(count as u32).map(|permit| Box::new(permit) as Hold)
    }
    fn add(&self, count: usize) {
        self.add_permits(count);
    }
    fn forget(&self, count: usize) -> usize {
        self.forget_permits(count)
    }
    fn close(&self) {
        Semaphore::close(self);
    }
    fn wish(&self, count: usize) -> usize {
        count
    }
    fn is_semaphore(&self) -> bool {
        true
    }
}

impl Subject for Arc<Mutex<()>> {
    fn permits(&self) -> usize {
        1
    }
    fn acquire(&self, _: usize) -> Boxed<'static, Option<Hold>> {
        let lock = self.clone().lock_owned();
        Box::pin(async { Some(Box::new(lock.await) as Hold) })
    }
    fn try_acquire(&self, _: usize) -> Result<Hold, TryAcquireError> {
        self.clone().try_lock_owned().map(|guard| Box::new(guard) as Hold).map_err(|_| TryAcquireError::NoPermits)
    }
    fn wish(&self, _: usize) -> usize {
        1
    }
}

/// More than there are readers in a sequence.
const ALL: usize = 100;

impl Subject for Arc<RwLock<()>> {
    fn permits(&self) -> usize {
        ALL
    }
    fn acquire(&self, count: usize) -> Boxed<'static, Option<Hold>> {
        let lock = self.clone();
        if count == ALL {
            let write = lock.write_owned();
            return Box::pin(async { Some(Box::new(write.await) as Hold) });
        }
        let read = lock.read_owned();
        Box::pin(async { Some(Box::new(read.await) as Hold) })
    }
    fn try_acquire(&self, count: usize) -> Result<Hold, TryAcquireError> {
        let lock = self.clone();
        let hold = if count == ALL {
            lock.try_write_owned().map(|guard| Box::new(guard) as Hold)
        } else {
            lock.try_read_owned().map(|guard| Box::new(guard) as Hold)
        };
        hold.map_err(|_| TryAcquireError::NoPermits)
    }
    fn wish(&self, count: usize) -> usize {
        if count > 2 { ALL } else { 1 }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(usize),
    Poll(usize),
    Leave(usize),
    Release(usize),
    Try(usize),
    Add(usize),
    Forget(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..4).prop_map(Step::Acquire),
        4 => any::<prop::sample::Index>().prop_map(|index| Step::Poll(index.index(1 << 20))),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Leave(index.index(1 << 20))),
        5 => any::<prop::sample::Index>().prop_map(|index| Step::Release(index.index(1 << 20))),
        2 => (0_usize..4).prop_map(Step::Try),
        2 => (0_usize..3).prop_map(Step::Add),
        1 => (0_usize..3).prop_map(Step::Forget),
        1 => Just(Step::Close),
    ]
}

/// Somebody who waits, on both sides.
struct Waiting {
    future: Boxed<'static, Option<Hold>>,
    bell: Arc<Bell>,
    waker: Waker,
    count: usize,
    /// What the reference has given: nothing yet, permits, or the news that it is closed.
    given: Option<bool>,
}

/// The reference.
struct Locks<S> {
    subject: S,
    free: usize,
    closed: bool,
    /// In the order in which they came, those who were given something included.
    waiting: Vec<Waiting>,
    held: Vec<(Hold, usize)>,
}

impl<S: Subject> Locks<S> {
    fn new(subject: S) -> Self {
        Self { free: subject.permits(), subject, closed: false, waiting: Vec::new(), held: Vec::new() }
    }

    fn has_line(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.given.is_none())
    }

    /// Gives to whoever is first as long as there is enough.
    fn settle(&mut self) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.given.is_none()) {
            if self.closed {
                waiting.given = Some(false);
            } else if waiting.count <= self.free {
                self.free -= waiting.count;
                waiting.given = Some(true);
            } else {
                return;
            }
        }
    }

    fn at_once(&self, count: usize) -> Result<(), TryAcquireError> {
        if self.closed {
            return Err(TryAcquireError::Closed);
        }
        let fits = count == 0 || (count <= self.free && !self.has_line());
        fits.then_some(()).ok_or(TryAcquireError::NoPermits)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Acquire(count) => self.acquire(self.subject.wish(count)),
            Step::Poll(index) if !self.waiting.is_empty() => self.poll(index % self.waiting.len()),
            Step::Leave(index) if !self.waiting.is_empty() => {
                let gone = self.waiting.remove(index % self.waiting.len());
                self.free += if gone.given == Some(true) { gone.count } else { 0 };
                drop(gone);
            }
            Step::Release(index) if !self.held.is_empty() => {
                let (hold, count) = self.held.remove(index % self.held.len());
                self.free += count;
                drop(hold);
            }
            Step::Try(count) => {
                let count = self.subject.wish(count);
                let expected = self.at_once(count);
                let hold = self.subject.try_acquire(count);
                assert_eq!(hold.as_ref().err(), expected.as_ref().err());
                if let Ok(hold) = hold {
                    self.free -= count;
                    self.held.push((hold, count));
                }
            }
            Step::Add(count) if self.subject.is_semaphore() => {
                self.subject.add(count);
                self.free += count;
            }
            Step::Forget(count) if self.subject.is_semaphore() => {
                let gone = count.min(self.free);
                assert_eq!(self.subject.forget(count), gone);
                self.free -= gone;
            }
            Step::Close if self.subject.is_semaphore() => {
                self.subject.close();
                self.closed = true;
            }
            _ => return,
        }
        self.settle();
        self.compare();
    }

    fn acquire(&mut self, count: usize) {
        let (bell, waker) = Bell::new();
        let mut future = self.subject.acquire(count);
        match (poll(&mut future, &waker), self.at_once(count)) {
            (Poll::Ready(Some(hold)), Ok(())) => {
                self.free -= count;
                self.held.push((hold, count));
            }
            (Poll::Ready(None), Err(TryAcquireError::Closed)) => {}
            (Poll::Pending, Err(TryAcquireError::NoPermits)) => {
                self.waiting.push(Waiting { future, bell, waker, count, given: None });
            }
            (_, expected) => panic!("should have been {expected:?}"),
        }
    }

    fn poll(&mut self, index: usize) {
        let waiting = &mut self.waiting[index];
        let answer = poll(&mut waiting.future, &waiting.waker);
        assert_eq!(answer.is_ready(), waiting.given.is_some());
        if let Poll::Ready(hold) = answer {
            assert_eq!(hold.is_some(), waiting.given == Some(true));
            let count = self.waiting.remove(index).count;
            self.held.extend(hold.map(|hold| (hold, count)));
        }
    }

    fn compare(&self) {
        if self.subject.is_semaphore() {
            assert_eq!(self.subject.permits(), self.free);
        }
        for waiting in &self.waiting {
            assert_eq!(
                waiting.bell.rings(),
                usize::from(waiting.given.is_some()),
                "woken once, when it is given something"
            );
        }
    }
}

fn check_locks<S: Subject>(new: impl Fn() -> S) {
    check(step(), |steps| {
        let mut locks = Locks::new(new());
        steps.into_iter().for_each(|step| locks.take(step));
    });
}

#[test]
fn syn_01_syn_02_a_semaphore_does_what_the_reference_does_and_conserves_its_permits() {
    check_locks(|| Arc::new(Semaphore::new(3)));
}

#[test]
fn syn_01_a_mutex_does_what_the_reference_does() {
    check_locks(|| Arc::new(Mutex::new(())));
}

#[test]
fn syn_01_a_lock_for_readers_and_a_writer_does_what_the_reference_does() {
    check_locks(|| Arc::new(RwLock::new(())));
}
