//! SYN-01 for `Condvar`: against a plain reference of a mutex and of those who wait to be notified under it.

use super::kit::{Bell, Boxed, check, now, poll};
use crate::panic_quietly;
use mainspring::sync::{Condvar, Mutex, MutexGuard};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(Clone, Debug)]
enum Step {
    Lock,
    Unlock,
    /// Whoever has the mutex waits to be notified.
    Wait,
    /// Somebody else asks for the mutex, and never waits to be notified.
    Ask,
    Poll(usize),
    Leave(usize),
    One,
    All,
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0_usize..1_000;
    prop_oneof![
        4 => Just(Step::Lock),
        3 => Just(Step::Unlock),
        6 => Just(Step::Wait),
        1 => Just(Step::Ask),
        5 => index().prop_map(Step::Poll),
        3 => index().prop_map(Step::Leave),
        4 => Just(Step::One),
        1 => Just(Step::All),
    ]
}

/// Where somebody stands, to the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// In line to be notified.
    Line,
    /// Notified, and has not asked for the mutex yet.
    Told,
    /// In line for the mutex.
    Mutex,
    /// Has been given the mutex, and does not know it yet.
    Given,
}

struct Waiting<'a> {
    future: Boxed<'a, MutexGuard<'a, ()>>,
    bell: Arc<Bell>,
    waker: Waker,
    at: At,
    /// By `notify_one`, so that it goes on to the next.
    by_one: bool,
    /// How often it should have been woken.
    rings: usize,
}

/// The reference.
struct Room<'a> {
    mutex: &'a Mutex<()>,
    condvar: &'a Condvar,
    /// The guard, while it is in this test's hands.
    held: Option<MutexGuard<'a, ()>>,
    /// In the order in which they came, those in either line and those who have something.
    waiting: Vec<Waiting<'a>>,
    /// Those in line for the mutex, by their bells, in the order in which they asked.
    asking: Vec<Arc<Bell>>,
}

impl<'a> Room<'a> {
    fn new(mutex: &'a Mutex<()>, condvar: &'a Condvar) -> Self {
        Self { mutex, condvar, held: None, waiting: Vec::new(), asking: Vec::new() }
    }

    fn is_locked(&self) -> bool {
        self.held.is_some() || self.waiting.iter().any(|waiting| waiting.at == At::Given)
    }

    fn take(&mut self, step: Step) {
        let count = self.waiting.len();
        match step {
            Step::Lock => {
                let guard = self.mutex.try_lock();
                assert_eq!(guard.is_ok(), !self.is_locked());
                self.held = guard.ok().or(self.held.take());
            }
            Step::Unlock => self.unlock(),
            Step::Wait => {
                let Some(guard) = self.held.take() else { return };
                self.come(Box::pin(self.condvar.wait(guard)), At::Line);
                self.hand_over();
            }
            Step::Ask if self.is_locked() => {
                let bell = self.come(Box::pin(self.mutex.lock()), At::Mutex);
                self.asking.push(bell);
            }
            Step::Poll(index) if count > 0 => self.poll(index % count),
            Step::Leave(index) if count > 0 => self.leave(index % count),
            Step::One => {
                self.condvar.notify_one();
                self.one();
            }
            Step::All => {
                self.condvar.notify_all();
                while let Some(next) = self.first_in_line() {
                    (next.at, next.rings) = (At::Told, next.rings + 1);
                }
            }
            Step::Ask | Step::Poll(_) | Step::Leave(_) => {}
        }
        for waiting in &self.waiting {
            assert_eq!(waiting.bell.rings(), waiting.rings, "woken once for each that it is given: {:?}", waiting.at);
        }
    }

    /// Stands in line, by a first poll.
    fn come(&mut self, mut future: Boxed<'a, MutexGuard<'a, ()>>, at: At) -> Arc<Bell> {
        let (bell, waker) = Bell::new();
        assert!(poll(&mut future, &waker).is_pending());
        self.waiting.push(Waiting { future, bell: bell.clone(), waker, at, by_one: false, rings: 0 });
        bell
    }

    fn first_in_line(&mut self) -> Option<&mut Waiting<'a>> {
        self.waiting.iter_mut().find(|waiting| waiting.at == At::Line)
    }

    /// The reference's `notify_one`: nothing is kept if nobody is in line.
    fn one(&mut self) {
        if let Some(next) = self.first_in_line() {
            (next.at, next.by_one, next.rings) = (At::Told, true, next.rings + 1);
        }
    }

    fn unlock(&mut self) {
        if self.held.take().is_some() {
            self.hand_over();
        }
    }

    /// The mutex has been let go of: it is the first one's who asks for it.
    fn hand_over(&mut self) {
        if self.asking.is_empty() {
            return;
        }
        let bell = self.asking.remove(0);
        let next = self.waiting.iter_mut().find(|waiting| Arc::ptr_eq(&waiting.bell, &bell)).unwrap();
        (next.at, next.rings) = (At::Given, next.rings + 1);
    }

    fn poll(&mut self, index: usize) {
        let is_locked = self.is_locked();
        let waiting = &mut self.waiting[index];
        let answer = poll(&mut waiting.future, &waiting.waker);
        let expected = waiting.at == At::Given || (waiting.at == At::Told && !is_locked);
        assert_eq!(answer.is_ready(), expected, "{:?}", waiting.at);
        if waiting.at == At::Told && is_locked {
            waiting.at = At::Mutex;
            self.asking.push(waiting.bell.clone());
        }
        if let Poll::Ready(guard) = answer {
            self.waiting.remove(index);
            self.held = Some(guard);
        }
    }

    fn leave(&mut self, index: usize) {
        let gone = self.waiting.remove(index);
        drop(gone.future);
        self.asking.retain(|bell| !Arc::ptr_eq(bell, &gone.bell));
        if gone.at == At::Given {
            self.hand_over();
        }
        if gone.by_one {
            self.one();
        }
    }
}

#[test]
fn syn_01_a_condition_does_what_the_reference_does() {
    check(step(), |steps| {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut room = Room::new(&mutex, &condvar);
        steps.into_iter().for_each(|step| room.take(step));
        drop(room);
        assert!(mutex.try_lock().is_ok() && format!("{condvar:?}").contains("waiters: []"));
    });
}

#[test]
fn syn_03_a_notification_goes_to_the_next_when_the_look_after_it_panics() {
    let (mutex, condvar) = (Mutex::new(0), Condvar::new());
    let look = |n: &mut i32| if *n == 0 { true } else { panic_quietly("at the sight of it") };
    let mut panicking = Box::pin(condvar.wait_while(now(mutex.lock()), look));
    assert!(poll(&mut panicking, Waker::noop()).is_pending());
    let mut next = Box::pin(condvar.wait_while(now(mutex.lock()), |n| *n == 0));
    let (bell, waker) = Bell::new();
    assert!(poll(&mut next, &waker).is_pending());
    *now(mutex.lock()) = 1;
    condvar.notify_one();
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut panicking, Waker::noop()).is_ready())).is_err());
    assert_eq!(bell.rings(), 1);
    assert!(matches!(poll(&mut next, &waker), Poll::Ready(guard) if *guard == 1), "and the mutex is free");
}

#[test]
fn a_notification_is_used_up_by_whoever_looks_and_waits_on() {
    let (mutex, condvar) = (Mutex::new(0), Condvar::new());
    let mut looking = Box::pin(condvar.wait_while(now(mutex.lock()), |n| *n < 2));
    assert!(poll(&mut looking, Waker::noop()).is_pending());
    let mut next = Box::pin(condvar.wait_while(now(mutex.lock()), |n| *n < 1));
    let (bell, waker) = Bell::new();
    assert!(poll(&mut next, &waker).is_pending());
    *now(mutex.lock()) = 1;
    condvar.notify_one();
    assert!(poll(&mut looking, Waker::noop()).is_pending());
    assert_eq!(bell.rings(), 0, "as with std's: conditions that differ are for `notify_all`");
    drop(looking);
    assert_eq!(bell.rings(), 0);
    condvar.notify_all();
    assert!(poll(&mut next, &waker).is_ready());
}
