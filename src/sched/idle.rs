//! Who sleeps, who is woken to help, and who stands guard over those that are awake.
//!
//! No wake-up from outside depends on this file: it goes to one worker's parker, which loses none (`driver::parker`). What
//! is decided here is parallelism and rescue:
//!
//! 1. *Help.* A worker that pushes onto its own queue looks at a hint (relaxed). If somebody sleeps and nobody is on its
//!    way already, it wakes one. A woken helper is *searching* until it finds work or goes back to sleep, and while one is
//!    searching nobody else is woken: a burst of 10,000 pushes makes a few system calls, not 10,000.
//! 2. *Chain.* A helper that found more than it can run at once wakes the next one.
//! 3. *Guard.* While some worker is awake and some worker sleeps, one sleeper is the guard: it sleeps at most
//!    [`GUARD_NAP`]. When it wakes by that bound it looks for a sibling that is still in the same batch as at its last
//!    look, turns that sibling's driver (timers included) and takes its tasks. So a missed look in 1, or a task that
//!    blocks its thread (SCH-03, SCH-12), costs some 10 ms and never a hang.
//! 4. *Silence.* When the last worker falls asleep nobody needs a guard. The present one comes back once, finds everybody
//!    asleep and sleeps without bound: an idle runtime makes no system call (SCH-11).
//!
//! Proof sketch of 3. Sleeping and waking change the state under one lock. (a) Whoever falls asleep while another is awake
//! and there is no guard becomes it. (b) Whoever wakes to work and leaves sleepers without a guard names one and arms its
//! timer. These are the only changes that can make "somebody works, somebody sleeps, no guard" true, so it never is, but for
//! the moment between the naming and the arming in (b), which is the waking worker's own. A guard that wakes by its nap and
//! finds nothing works not; if it does find something, (b) is made up for before the first poll.
//!
//! INSTEAD OF one packed atomic word: a worker that falls asleep makes a system call of 160 ns at least, beside which an
//! uncontended lock of 10 ns is nothing, and the proof is five lines instead of two pages.

use crate::base::atomic::{AtomicUsize, Mutex, Ordering};
use std::time::Duration;

/// How long the guard sleeps at most: a task on a blocked worker waits at most twice this, and a hundred wake-ups a second
/// while there is work are too few to be seen in a profile.
pub(crate) const GUARD_NAP: Duration = Duration::from_millis(10);

/// The sleepers of one runtime.
#[derive(Debug)]
pub(crate) struct Idle {
    locked: Mutex<Sleepers>,
    /// How many could be woken to help: 0 while one is searching. A hint, written under the lock.
    wakeable: AtomicUsize,
    /// One of the sleepers, plus one; 0 if nobody sleeps. A hint, written under the lock.
    sleeper: AtomicUsize,
}

#[derive(Debug)]
struct Sleepers {
    /// Which workers are asleep, or so near it that they will see a notification.
    asleep: Vec<bool>,
    /// Which of them would give their core to a guest, and have not been asked to.
    lends: Vec<bool>,
    count: usize,
    /// Helpers on their way.
    searching: usize,
    /// The guard, if there is one; it is asleep.
    guard: Option<usize>,
}

/// What a worker finds when it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Woken {
    /// It was picked to help.
    pub(crate) is_helper: bool,
    /// It was the guard until now.
    pub(crate) was_guard: bool,
    /// It named this sleeper as the new guard; the caller arms that one's timer.
    pub(crate) named: Option<usize>,
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Self {
        let none = vec![false; workers];
        let locked = Sleepers { asleep: none.clone(), lends: none, count: 0, searching: 0, guard: None };
        Self { locked: Mutex::new(locked), wakeable: AtomicUsize::new(0), sleeper: AtomicUsize::new(0) }
    }

    /// A hint: would waking a helper find one? One relaxed load, for every push.
    #[inline]
    pub(crate) fn may_help(&self) -> bool {
        // ORDER: Relaxed, a hint (1); a stale answer is made good by the guard (3).
        self.wakeable.load(Ordering::Relaxed) > 0
    }

    /// Names a sleeper as the next helper. The caller notifies its driver.
    pub(crate) fn pick_helper(&self) -> Option<usize> {
        let mut sleepers = self.locked.lock();
        if sleepers.searching > 0 {
            return None;
        }
        // The guard is the last choice: its place would have to be filled again.
        let guard = sleepers.guard;
        let helper = sleepers.sleeping().max_by_key(|&i| (Some(i) != guard, i))?;
        sleepers.rouse(helper);
        sleepers.searching += 1;
        self.publish(&sleepers);
        Some(helper)
    }

    /// A hint: a sleeper, the best address for a task from outside. No lock, for it is asked with every such spawn, while the
    /// workers fall asleep and wake; one that is awake by now sees the push as well.
    #[inline]
    pub(crate) fn any_sleeper(&self) -> Option<usize> {
        // ORDER: Relaxed, a hint.
        self.sleeper.load(Ordering::Relaxed).checked_sub(1)
    }

    /// A sleeper that would give its core to a guest; each is asked once a sleep. The caller notifies its driver.
    pub(crate) fn pick_lender(&self) -> Option<usize> {
        let mut sleepers = self.locked.lock();
        let lender = sleepers.lends.iter().position(|&lends| lends)?;
        sleepers.lends[lender] = false;
        Some(lender)
    }

    /// A worker falls asleep; true if it is the guard and must come back soon.
    pub(crate) fn fall_asleep(&self, me: usize, searching: bool, lends: bool) -> bool {
        let mut sleepers = self.locked.lock();
        sleepers.asleep[me] = true;
        sleepers.lends[me] = lends;
        sleepers.count += 1;
        sleepers.searching -= usize::from(searching);
        let others_awake = sleepers.count < sleepers.asleep.len();
        let is_guard = others_awake && sleepers.guard.is_none();
        if is_guard {
            sleepers.guard = Some(me);
        }
        self.publish(&sleepers);
        is_guard
    }

    /// A worker is awake again. If it has `news` to see to, or was picked to help, it makes sure that a sleeper stands guard
    /// over it; a guard whose nap has run out for nothing is about to sleep again, and when everybody else sleeps, naming the
    /// next guard would keep an idle runtime awake for ever (4).
    pub(crate) fn wake_up(&self, me: usize, news: bool) -> Woken {
        let mut sleepers = self.locked.lock();
        let was_guard = sleepers.guard == Some(me);
        let is_helper = !sleepers.asleep[me];
        if !is_helper {
            sleepers.rouse(me);
        }
        let named = if news || is_helper { sleepers.name_guard() } else { None };
        self.publish(&sleepers);
        Woken { is_helper, was_guard, named }
    }

    /// A worker that woke without news has found work after all: the same as in `wake_up`.
    pub(crate) fn name_guard(&self) -> Option<usize> {
        self.locked.lock().name_guard()
    }

    /// A worker that has helped wants to go on looking; false if somebody else does already.
    pub(crate) fn begin_search(&self) -> bool {
        let mut sleepers = self.locked.lock();
        let first = sleepers.searching == 0;
        sleepers.searching += usize::from(first);
        self.publish(&sleepers);
        first
    }

    /// A helper has found work.
    pub(crate) fn found_work(&self) {
        let mut sleepers = self.locked.lock();
        sleepers.searching -= 1;
        self.publish(&sleepers);
    }

    fn publish(&self, sleepers: &Sleepers) {
        let wakeable = if sleepers.searching == 0 { sleepers.count } else { 0 };
        // ORDER: Relaxed, pairs with the hint in `may_help`.
        self.wakeable.store(wakeable, Ordering::Relaxed);
        let sleeper = sleepers.sleeping().next().map_or(0, |sleeper| sleeper + 1);
        // ORDER: Relaxed, pairs with the hint in `any_sleeper`.
        self.sleeper.store(sleeper, Ordering::Relaxed);
    }
}

impl Sleepers {
    /// A sleeper becomes the guard, if there is none yet.
    fn name_guard(&mut self) -> Option<usize> {
        if self.guard.is_some() {
            return None;
        }
        self.guard = self.asleep.iter().position(|&asleep| asleep);
        self.guard
    }

    fn sleeping(&self) -> impl Iterator<Item = usize> {
        (0..self.asleep.len()).filter(|&worker| self.asleep[worker])
    }

    fn rouse(&mut self, worker: usize) {
        self.asleep[worker] = false;
        self.lends[worker] = false;
        self.count -= 1;
        if self.guard == Some(worker) {
            self.guard = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;

    /// Somebody is awake and somebody is asleep: then there is a guard, and it is asleep.
    fn check(idle: &Idle) {
        let sleepers = idle.locked.lock();
        let count = sleepers.asleep.iter().filter(|&&asleep| asleep).count();
        assert_eq!(count, sleepers.count);
        if count > 0 && count < sleepers.asleep.len() {
            let guard = sleepers.guard.expect("rule 3: there is a guard");
            assert!(sleepers.asleep[guard], "rule 3: the guard is a sleeper");
        }
        // The hint is written under the lock that is held here. (Asked without it, a helper may have been and gone.)
        assert!(sleepers.searching <= 1, "rule 1: one helper at a time");
        assert!(sleepers.searching == 0 || !idle.may_help(), "rule 1: while one searches, none is called");
    }

    #[test]
    fn model_sch_12_there_is_always_a_guard_over_those_awake() {
        model(|| {
            let idle = Arc::new(Idle::new(2));
            let workers: Vec<_> = (0..2)
                .map(|me| {
                    let idle = idle.clone();
                    model_thread::spawn(move || {
                        idle.fall_asleep(me, false, false);
                        check(&idle);
                        let helper = idle.wake_up(me, true).is_helper;
                        check(&idle);
                        if helper {
                            idle.found_work();
                        }
                    })
                })
                .collect();
            let _ = idle.pick_helper();
            check(&idle);
            workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
            let sleepers = idle.locked.lock();
            assert_eq!((sleepers.count, sleepers.searching, sleepers.guard), (0, 0, None));
        });
    }

    /// A guest stands in line only between two rounds of its own tasks (L3 of `lend`), and must not sleep there while a worker
    /// that would lend sleeps, too.
    #[test]
    fn model_a_guest_that_comes_back_to_the_line_is_seen_or_sees_the_sleeper() {
        model(|| {
            let idle = Arc::new(Idle::new(1));
            let in_line = Arc::new(AtomicUsize::new(0));
            let (idle_too, line) = (idle.clone(), in_line.clone());
            let worker = model_thread::spawn(move || {
                idle_too.fall_asleep(0, false, true);
                // ORDER: Relaxed, as in `Resting::has_guests`.
                line.load(Ordering::Relaxed) > 0
            });
            let mut asked = false;
            for _ in 0..2 {
                // ORDER: Relaxed, as in `Resting::publish`.
                in_line.store(0, Ordering::Relaxed);
                in_line.store(1, Ordering::Relaxed);
                asked |= idle.pick_lender().is_some();
            }
            let seen = worker.join().expect("no panic");
            assert!(asked || seen, "both sleep");
        });
    }

    #[test]
    fn the_last_to_fall_asleep_needs_no_guard() {
        let idle = Idle::new(2);
        assert!(idle.fall_asleep(0, false, true), "the other is awake");
        assert!(!idle.fall_asleep(1, false, false), "everybody sleeps");
        assert_eq!((idle.pick_lender(), idle.pick_lender()), (Some(0), None), "each is asked once");
        let woken = Woken { is_helper: false, was_guard: true, named: Some(1) };
        assert_eq!(idle.wake_up(0, true), woken, "who wakes to work leaves a guard behind");
        assert!(!idle.fall_asleep(0, false, false));
        let woken = Woken { is_helper: false, was_guard: true, named: None };
        assert_eq!(idle.wake_up(1, false), woken, "who wakes for nothing does not");
        assert_eq!((idle.name_guard(), idle.name_guard()), (Some(0), None), "unless it finds something");
    }
}
