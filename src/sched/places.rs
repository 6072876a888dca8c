//! Places in the queue of blocking jobs, for those who would rather wait than let it grow.
//!
//! A place is free while fewer jobs wait, and places are kept, than the queue may hold. Whoever finds none stands in line. A place
//! that becomes free is given to the first in line at once, and counts as kept from then on: nobody who comes later can
//! take it away, and who goes away with it passes it on.
//!
//! - **P1** While somebody waits no place is free, so `take` refuses whoever has not waited.
//! - **P2** Places are given in the order in which they were asked for.
//! - **P3** Wakers are given to the caller, to be woken or dropped outside the lock: they are user code.

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::task::Waker;

/// The book of places. The length of the queue is known to whoever asks.
#[derive(Debug)]
pub(super) struct Places {
    /// So many jobs may wait.
    queue_max: usize,
    /// Places kept for jobs that are not in the queue yet.
    kept: usize,
    /// Who stands in line, by number, in order.
    waiting: VecDeque<(u64, Waker)>,
    /// Who was given a place and has not fetched it. Each is one of those that are kept.
    given: BTreeSet<u64>,
    /// The number of whoever comes next.
    next: u64,
}

/// How a look at a place in line went.
#[derive(Debug)]
pub(super) enum Look {
    /// A place is kept for the caller, who stands in line no more.
    Kept,
    /// In line, under this number. What the new waker has displaced is to be dropped.
    Waiting(u64, Option<Waker>),
}

impl Places {
    pub(super) fn new(queue_max: usize) -> Self {
        Self { queue_max, kept: 0, waiting: VecDeque::new(), given: BTreeSet::new(), next: 0 }
    }

    /// Keeps a place, if one is free.
    pub(super) fn take(&mut self, queue_len: usize) -> bool {
        let free = self.is_free(queue_len);
        self.kept += usize::from(free);
        free
    }

    /// Takes a place or stands in line, or looks whether the turn has come.
    pub(super) fn look(&mut self, queue_len: usize, number: Option<u64>, waker: Waker) -> Look {
        let Some(number) = number else {
            if self.take(queue_len) {
                return Look::Kept;
            }
            let number = self.next;
            self.next += 1;
            self.waiting.push_back((number, waker));
            return Look::Waiting(number, None);
        };
        if self.given.remove(&number) {
            return Look::Kept;
        }
        let place = self.waiting.iter_mut().find(|(other, _)| *other == number);
        let (_, slot) = place.expect("who has a number stands in line until it is given a place or goes");
        Look::Waiting(number, Some(mem::replace(slot, waker)))
    }

    /// The job is in the queue, or there will be none: its place is kept no more.
    pub(super) fn release(&mut self) {
        self.kept -= 1;
    }

    /// Gives the first in line a place, if one is free: the caller wakes it.
    pub(super) fn give(&mut self, queue_len: usize) -> Option<Waker> {
        if self.waiting.is_empty() || self.kept + queue_len >= self.queue_max {
            return None;
        }
        let (number, waker) = self.waiting.pop_front()?;
        self.kept += 1;
        self.given.insert(number);
        Some(waker)
    }

    /// Somebody in line goes away. Its waker is to be dropped; a place it was given and has not fetched is free again.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waker> {
        if self.given.remove(&number) {
            self.release();
        }
        let at = self.waiting.iter().position(|(other, _)| *other == number)?;
        self.waiting.remove(at).map(|(_, waker)| waker)
    }

    /// There is no queue any more, so everybody is let through; what they keep is given back like any other place.
    pub(super) fn enter_closed(&mut self, number: Option<u64>) {
        let was_given = number.is_some_and(|number| self.given.remove(&number));
        self.kept += usize::from(!was_given);
    }

    /// Nobody needs a place any more: all in line are to be woken.
    pub(super) fn close(&mut self) -> VecDeque<(u64, Waker)> {
        mem::take(&mut self.waiting)
    }

    fn is_free(&self, queue_len: usize) -> bool {
        self.waiting.is_empty() && self.kept + queue_len < self.queue_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{Mutex, model, model_thread};
    use std::sync::Arc;

    fn wait(places: &mut Places, queue_len: usize) -> u64 {
        match places.look(queue_len, None, Waker::noop().clone()) {
            Look::Waiting(number, _) => number,
            Look::Kept => panic!("there is none"),
        }
    }

    #[test]
    fn places_are_given_in_order_and_nobody_overtakes() {
        let mut places = Places::new(2);
        assert!(places.take(0) && places.take(0), "two may wait");
        assert!(!places.take(0));
        let (first, second) = (wait(&mut places, 0), wait(&mut places, 0));
        assert!(places.give(0).is_none(), "both are kept");
        places.release();
        assert!(!places.take(1), "in the queue it counts as before");
        assert!(places.give(1).is_none());
        assert!(!places.take(0), "one is free, but it is the first one's");
        assert!(places.give(0).is_some());
        assert!(matches!(places.look(0, Some(second), Waker::noop().clone()), Look::Waiting(..)));
        assert!(matches!(places.look(0, Some(first), Waker::noop().clone()), Look::Kept));
        places.release();
        assert!(places.give(0).is_some());
        assert!(places.leave(second).is_none(), "it goes away with what it was given");
        assert!(places.take(0), "which is free again");
    }

    /// Against the plainest line there is: who asked, in order, and what has become of each.
    #[test]
    fn blk_08_places_go_in_the_order_of_asking_and_none_is_lost_whatever_happens_in_between() {
        use crate::base::rng::Rng;
        for seed in 0..500 {
            let (rng, queue_max) = (Rng::new(seed), 1 + seed as usize % 3);
            let mut places = Places::new(queue_max);
            let (mut queue_len, mut permits) = (0, 0);
            // Each with whether it was given a place.
            let mut line: Vec<(u64, bool)> = Vec::new();
            let give = |places: &mut Places, line: &mut Vec<(u64, bool)>, queue_len| {
                while places.give(queue_len).is_some() {
                    let next = line.iter_mut().find(|(_, given)| !given).expect("P2: one that waits is woken");
                    next.1 = true;
                }
            };
            for _ in 0..300 {
                match rng.below(7) {
                    0 | 1 => match places.look(queue_len, None, Waker::noop().clone()) {
                        Look::Kept => {
                            assert!(line.iter().all(|(_, given)| *given), "P1, seed {seed}");
                            permits += 1;
                        }
                        Look::Waiting(number, _) => line.push((number, false)),
                    },
                    2 if !line.is_empty() => {
                        let at = rng.below(line.len());
                        match places.look(queue_len, Some(line[at].0), Waker::noop().clone()) {
                            Look::Kept => {
                                assert!(line.remove(at).1, "P2, seed {seed}");
                                permits += 1;
                            }
                            Look::Waiting(..) => assert!(!line[at].1, "a place that was given is kept, seed {seed}"),
                        }
                    }
                    3 if !line.is_empty() => drop(places.leave(line.remove(rng.below(line.len())).0)),
                    4 if permits > 0 => {
                        permits -= 1;
                        places.release();
                        queue_len += rng.below(2); // it is used, or dropped
                    }
                    5 if queue_len > 0 => queue_len -= 1,
                    6 if rng.below(8) == 0 => queue_len += 1, // one that did not ask
                    _ => {}
                }
                give(&mut places, &mut line, queue_len);
                let given = line.iter().filter(|(_, given)| *given).count();
                assert!(line[..given].iter().all(|(_, given)| *given), "P2, seed {seed}");
                assert!(given == line.len() || queue_len + permits + given >= queue_max, "none is lost, seed {seed}");
                assert_eq!(places.kept, permits + given, "seed {seed}");
            }
        }
    }

    #[test]
    fn model_a_place_is_not_lost_when_who_was_given_it_goes_away() {
        model(|| {
            let places = Arc::new(Mutex::new(Places::new(1)));
            assert!(places.lock().take(0));
            let first = wait(&mut places.lock(), 0);
            let second = wait(&mut places.lock(), 0);
            let other = places.clone();
            let gone = model_thread::spawn(move || {
                let mut places = other.lock();
                drop(places.leave(first));
                drop(places.give(0));
            });
            {
                let mut places = places.lock();
                places.release();
                drop(places.give(0));
            }
            gone.join().expect("no panic");
            let look = places.lock().look(0, Some(second), Waker::noop().clone());
            assert!(matches!(look, Look::Kept), "the second one has it");
        });
    }
}
