//! SYN-01, SYN-06: a queue in each of its orders, against a plain reference.

use crate::sync::kit::{Bell, Boxed, check, poll};
use mainspring::sync::queue::Queue;
use mainspring::sync::queue::error::{GetError, PutError, TryGetError, TryPutError};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cmp::Ordering;
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    TryPut(u8),
    PollPut(usize),
    LeavePut(usize),
    Get,
    TryGet,
    PollGet(usize),
    LeaveGet(usize),
    Done,
    Join,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0_usize..1_000;
    prop_oneof![
        6 => (0_u8..3).prop_map(Step::Put),
        3 => (0_u8..3).prop_map(Step::TryPut),
        3 => index().prop_map(Step::PollPut),
        2 => index().prop_map(Step::LeavePut),
        6 => Just(Step::Get),
        3 => Just(Step::TryGet),
        4 => index().prop_map(Step::PollGet),
        3 => index().prop_map(Step::LeaveGet),
        4 => Just(Step::Done),
        2 => Just(Step::Join),
        1 => Just(Step::Close),
    ]
}

/// An item that is compared by its key alone, and counted.
#[derive(Clone, Debug)]
struct Work {
    key: u8,
    number: usize,
    _alive: Arc<()>,
}

impl PartialEq for Work {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Work {}

impl PartialOrd for Work {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Work {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// Key and number.
type Plain = (u8, usize);

fn plain(work: &Work) -> Plain {
    (work.key, work.number)
}

/// Somebody in line, and whether he was given a permit, or told that it is closed.
struct Waiting<'a, T> {
    future: Boxed<'a, T>,
    bell: Arc<Bell>,
    waker: Waker,
    item: Option<Plain>,
    given: Option<bool>,
}

/// The reference: the items, how many of them and of the places nobody has a right to, and who stands in line.
struct Reference<'a> {
    queue: &'a Queue<Work>,
    order: usize,
    capacity: Option<usize>,
    items: Vec<Plain>,
    free_items: usize,
    free_room: usize,
    is_closed: bool,
    unfinished: usize,
    getting: Vec<Waiting<'a, Result<Work, GetError>>>,
    putting: Vec<Waiting<'a, Result<(), PutError<Work>>>>,
    joining: Vec<Waiting<'a, ()>>,
    put: usize,
    alive: Arc<()>,
}

/// Gives permits to those who stand first, or the news that it is closed to all.
fn settle<T>(line: &mut [Waiting<'_, T>], free: &mut usize, is_closed: bool) {
    for waiting in line.iter_mut().filter(|waiting| waiting.given.is_none()) {
        if !is_closed && *free == 0 {
            return;
        }
        *free -= usize::from(!is_closed);
        waiting.given = Some(!is_closed);
    }
}

impl<'a> Reference<'a> {
    fn take(&mut self) -> Option<Plain> {
        let index = match self.order {
            0 => 0,
            1 => self.items.len().checked_sub(1)?,
            // Of equals the one that was put in first, which need not be the one that was begun to be put first.
            _ => self.items.iter().enumerate().min_by_key(|(_, item)| item.0)?.0,
        };
        (index < self.items.len()).then(|| self.items.remove(index))
    }

    fn work(&mut self, key: u8) -> Work {
        self.put += 1;
        Work { key, number: self.put, _alive: self.alive.clone() }
    }

    fn pushed(&mut self, item: Plain) {
        self.items.push(item);
        self.unfinished += 1;
        self.free_items += 1;
    }

    fn start_put(&mut self, key: u8) {
        let (work, (bell, waker)) = (self.work(key), Bell::new());
        let item = plain(&work);
        let mut future: Boxed<'a, _> = Box::pin(self.queue.put(work));
        match poll(&mut future, &waker) {
            Poll::Ready(Ok(())) => {
                assert!(!self.is_closed && self.free_room > 0);
                self.free_room -= 1;
                self.pushed(item);
            }
            Poll::Ready(Err(PutError(work))) => assert!(self.is_closed && plain(&work) == item),
            Poll::Pending => {
                assert!(!self.is_closed && self.free_room == 0);
                self.putting.push(Waiting { future, bell, waker, item: Some(item), given: None });
            }
        }
    }

    fn try_put(&mut self, key: u8) {
        let work = self.work(key);
        let item = plain(&work);
        match self.queue.try_put(work) {
            Ok(()) => {
                assert!(!self.is_closed && self.free_room > 0);
                self.free_room -= 1;
                self.pushed(item);
            }
            Err(TryPutError::Full(work)) => {
                assert!(!self.is_closed && self.free_room == 0 && plain(&work) == item);
            }
            Err(TryPutError::Closed(work)) => assert!(self.is_closed && plain(&work) == item),
        }
    }

    fn poll_put(&mut self, index: usize) {
        let waiting = &mut self.putting[index];
        let answer = poll(&mut waiting.future, &waiting.waker);
        assert_eq!(answer.is_ready(), waiting.given.is_some());
        let Poll::Ready(answer) = answer else { return };
        let gone = self.putting.remove(index);
        let is_put = gone.given == Some(true) && !self.is_closed;
        assert_eq!(answer.map_err(|error| plain(&error.0)), if is_put { Ok(()) } else { Err(gone.item.unwrap()) });
        if is_put {
            self.pushed(gone.item.unwrap());
        }
    }

    /// What a get gives now, with a permit or because it is closed.
    fn taken(&mut self, has_permit: bool) -> Option<Plain> {
        let item = self.take();
        self.free_room += usize::from(has_permit && item.is_some());
        item
    }

    fn start_get(&mut self) {
        let (bell, waker) = Bell::new();
        let mut future: Boxed<'a, _> = Box::pin(self.queue.get());
        match poll(&mut future, &waker) {
            Poll::Ready(answer) => {
                assert!(self.is_closed || self.free_items > 0);
                self.free_items -= usize::from(!self.is_closed);
                let expected = self.taken(!self.is_closed);
                assert_eq!(answer.ok().as_ref().map(plain), expected);
            }
            Poll::Pending => {
                assert!(!self.is_closed && self.free_items == 0);
                self.getting.push(Waiting { future, bell, waker, item: None, given: None });
            }
        }
    }

    fn try_get(&mut self) {
        let is_now = !self.is_closed && self.free_items > 0;
        self.free_items -= usize::from(is_now);
        let expected = if self.is_closed || is_now { self.taken(is_now) } else { None };
        let answer = self.queue.try_get();
        assert_eq!(answer.as_ref().ok().map(plain), expected);
        let error = if self.is_closed { TryGetError::Closed } else { TryGetError::Empty };
        assert_eq!(answer.err(), expected.is_none().then_some(error));
    }

    fn poll_get(&mut self, index: usize) {
        let waiting = &mut self.getting[index];
        let answer = poll(&mut waiting.future, &waiting.waker);
        assert_eq!(answer.is_ready(), waiting.given.is_some());
        let Poll::Ready(answer) = answer else { return };
        let has_permit = self.getting.remove(index).given == Some(true);
        let expected = self.taken(has_permit);
        assert_eq!(answer.ok().as_ref().map(plain), expected);
    }

    fn join(&mut self) {
        let (bell, waker) = Bell::new();
        let mut future: Boxed<'a, _> = Box::pin(self.queue.join());
        let is_done = poll(&mut future, &waker).is_ready();
        assert_eq!(is_done, self.unfinished == 0);
        if !is_done {
            self.joining.push(Waiting { future, bell, waker, item: None, given: None });
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Put(key) => self.start_put(key),
            Step::TryPut(key) => self.try_put(key),
            Step::PollPut(index) if !self.putting.is_empty() => self.poll_put(index % self.putting.len()),
            Step::LeavePut(index) if !self.putting.is_empty() => {
                let gone = self.putting.remove(index % self.putting.len());
                self.free_room += usize::from(gone.given == Some(true));
            }
            Step::Get => self.start_get(),
            Step::TryGet => self.try_get(),
            Step::PollGet(index) if !self.getting.is_empty() => self.poll_get(index % self.getting.len()),
            Step::LeaveGet(index) if !self.getting.is_empty() => {
                let gone = self.getting.remove(index % self.getting.len());
                self.free_items += usize::from(gone.given == Some(true));
            }
            Step::Done if self.unfinished > 0 => {
                self.queue.task_done();
                self.unfinished -= 1;
                if self.unfinished == 0 {
                    self.joining.iter_mut().for_each(|waiting| waiting.given = Some(true));
                }
            }
            Step::Join => self.join(),
            Step::Close => {
                self.queue.close();
                self.is_closed = true;
            }
            _ => return,
        }
        settle(&mut self.getting, &mut self.free_items, self.is_closed);
        settle(&mut self.putting, &mut self.free_room, self.is_closed);
        self.compare();
    }

    fn compare(&mut self) {
        let queue = self.queue;
        let in_line = self.putting.len();
        assert_eq!(Arc::strong_count(&self.alive), 1 + self.items.len() + in_line, "none is lost, none is there twice");
        assert_eq!((queue.len(), queue.is_empty()), (self.items.len(), self.items.is_empty()));
        assert_eq!(queue.is_full(), self.capacity == Some(self.items.len()));
        assert!(self.capacity.is_none_or(|capacity| queue.len() <= capacity));
        assert_eq!((queue.unfinished(), queue.is_closed()), (self.unfinished, self.is_closed));
        let once = |given: Option<bool>| usize::from(given.is_some());
        assert!(self.getting.iter().all(|waiting| waiting.bell.rings() == once(waiting.given)));
        assert!(self.putting.iter().all(|waiting| waiting.bell.rings() == once(waiting.given)));
        self.joining.retain_mut(|waiting| {
            assert_eq!(waiting.bell.rings(), once(waiting.given));
            let is_ready = waiting.given.is_some();
            assert!(!is_ready || poll(&mut waiting.future, &waiting.waker).is_ready());
            !is_ready
        });
    }
}

/// A queue with so much room, in that order, against a reference that begins where it does.
fn live(capacity: Option<usize>, order: usize, steps: impl IntoIterator<Item = Step>) {
    let queue = capacity.map_or_else(Queue::unbounded, Queue::bounded);
    let queue = match order {
        0 => queue,
        1 => queue.lifo(),
        _ => queue.priority(),
    };
    let mut reference = Reference {
        queue: &queue,
        order,
        capacity,
        items: Vec::new(),
        free_items: 0,
        free_room: capacity.unwrap_or(usize::MAX / 2),
        is_closed: false,
        unfinished: 0,
        getting: Vec::new(),
        putting: Vec::new(),
        joining: Vec::new(),
        put: 0,
        alive: Arc::new(()),
    };
    steps.into_iter().for_each(|step| reference.run(step));
}

#[test]
fn syn_01_syn_06_a_queue_does_what_the_reference_does_in_each_order() {
    check((step(), 0_usize..4, 0_usize..3), |steps| {
        let (capacity, order) = (Some(steps[0].1).filter(|capacity| *capacity > 0), steps[0].2);
        live(capacity, order, steps.into_iter().map(|(step, ..)| step));
    });
}

#[test]
fn syn_02_syn_06_a_hundred_thousand_steps_of_long_lives_lose_no_place_and_no_item() {
    // So many for each of eighteen queues, which fill up and run empty many times, and are closed near the end.
    const STEPS: usize = 5_600;
    for (index, capacity) in [Some(1), Some(2), Some(31), Some(32), Some(33), None].into_iter().enumerate() {
        for order in 0..3 {
            let mut seed = [order as u8; 32];
            seed[0] = index as u8;
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
            let mut runner = TestRunner::new_with_rng(Config::default(), rng);
            let steps = prop::collection::vec(step(), STEPS).new_tree(&mut runner).unwrap().current();
            let is_late = |at| at > STEPS - 200;
            let open = |(at, step): &(usize, Step)| is_late(*at) || !matches!(step, Step::Close);
            live(capacity, order, steps.into_iter().enumerate().filter(open).map(|(_, step)| step));
        }
    }
}
