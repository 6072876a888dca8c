//! The wheel behind its lock, and what sleepers and adders tell each other through it.
//!
//! The lock is uncontended in the calm case: the owner adds, fires and removes its own timers. A parked owner does not
//! hold it, so that other threads can add timers meanwhile; D3 says how they make sure that it wakes for them.
//!
//! Cases of the catalogue: TIM-04.

use super::alarm::SLACK_NS;
use super::wheel::{Crowd, TimerKey, Wakes, Wheel};
use super::{Driver, with_current};
use crate::base::atomic::{AtomicU64, Mutex, Ordering};
use crate::base::quiet::drop_quietly;
use crate::base::wakers::Wakers;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

/// The owner is awake, and will ask the wheel before it sleeps.
const AWAKE: u64 = 0;
/// Nothing to wake for.
const NEVER: u64 = u64::MAX;
/// References to its driver that a wheel keeps, as many as it keeps places for timers.
const SPARE_MAX: usize = 1_024;

/// The wheel of one driver.
pub(crate) struct Timers {
    locked: Mutex<Locked>,
    /// A lower bound of the next deadline: written under the lock, read by the owner at every look.
    next_hint: AtomicU64,
}

struct Locked {
    wheel: Wheel,
    /// AWAKE, or until when the owner sleeps; NEVER if no timer wakes it.
    asleep_until: u64,
    /// No timer is taken any more (D4).
    shut_down: bool,
    /// Counted references to this driver, for timers to take along and bring back: both happen under this lock, which spares
    /// each timer two atomic operations on the count (12 of 86 ns). Empty from the shutdown on, so the driver cannot
    /// keep itself alive.
    spare: Vec<Arc<Driver>>,
    /// How many of them are kept at most.
    spare_max: usize,
}

/// A timer that is set: where, and its name there.
#[derive(Debug)]
pub(crate) struct Timer {
    /// Whose wheel it is in.
    pub(crate) driver: Arc<Driver>,
    /// Its name there.
    pub(crate) key: TimerKey,
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.locked.lock();
        let (live, shut_down) = (locked.wheel.len(), locked.shut_down);
        f.debug_struct("Timers").field("live", &live).field("shut_down", &shut_down).finish()
    }
}

impl Timers {
    pub(super) fn new() -> Self {
        let locked = Locked {
            wheel: Wheel::new(0),
            asleep_until: AWAKE,
            shut_down: false,
            spare: Vec::new(),
            spare_max: SPARE_MAX,
        };
        Self { locked: Mutex::new(locked), next_hint: AtomicU64::new(NEVER) }
    }

    /// Not later than the next deadline.
    #[inline]
    pub(super) fn next_hint(&self) -> u64 {
        // ORDER: Relaxed, a hint to the owner. Timers it adds itself it sees; those of others it sees through D3.
        self.next_hint.load(Ordering::Relaxed)
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.locked.lock().wheel.next_deadline()
    }

    /// The owner is about to sleep: gives what it must wake for, and publishes the first deadline (D3).
    pub(super) fn fall_asleep(&self) -> Option<Crowd> {
        let mut locked = self.locked.lock();
        let crowd = locked.wheel.next_crowd(SLACK_NS);
        locked.asleep_until = crowd.map_or(NEVER, |crowd| crowd.first_ns);
        crowd
    }

    pub(super) fn awake(&self) {
        self.locked.lock().asleep_until = AWAKE;
    }

    /// Takes out who is due.
    pub(super) fn advance(&self, now_ns: u64, woken: &mut Wakers, max: usize) {
        let mut locked = self.locked.lock();
        locked.wheel.advance(now_ns, woken, max);
        self.publish_hint(&locked);
    }

    /// Every timer's waiter is taken out, and no timer is taken any more.
    pub(super) fn shut_down(&self, woken: &mut Wakers) {
        let mut locked = self.locked.lock();
        locked.shut_down = true;
        locked.wheel.advance(u64::MAX, woken, usize::MAX);
        self.publish_hint(&locked);
        locked.spare_max = 0;
        let spare = mem::take(&mut locked.spare);
        drop(locked);
        drop(spare);
    }

    fn publish_hint(&self, locked: &Locked) {
        // ORDER: Relaxed, pairs with the hint's load.
        self.next_hint.store(locked.wheel.next_deadline().unwrap_or(NEVER), Ordering::Relaxed);
    }
}

/// What the doors call: any thread.
impl Driver {
    /// Adds a timer that knows where it is; `None` if the runtime is shut down, and then the waker is still where it was.
    /// Runs no user code.
    #[inline]
    pub(crate) fn timer_set(self: &Arc<Self>, deadline_ns: u64, waker: &mut Option<Waker>) -> Option<Timer> {
        let mut locked = self.timers.locked.lock();
        if locked.shut_down {
            return None;
        }
        let key = locked.wheel.insert(deadline_ns, waker.take()?);
        self.earlier(&locked, deadline_ns);
        let driver = locked.spare.pop().unwrap_or_else(|| self.clone());
        Some(Timer { driver, key })
    }

    /// Makes sure that this waker is the one woken; false if the timer has fired.
    pub(crate) fn timer_update(&self, key: TimerKey, waker: &Waker) -> bool {
        let wakes = self.timers.locked.lock().wheel.wakes(key, waker);
        match wakes {
            Wakes::Same => true,
            Wakes::Gone => false,
            Wakes::Another => {
                // D1: cloned before the lock, and what comes back is dropped after it.
                let waker = waker.clone();
                let replaced = self.timers.locked.lock().wheel.replace_waker(key, waker);
                let in_place = replaced.is_ok();
                drop_quietly(replaced);
                in_place
            }
        }
    }

    /// Moves a timer; false if it has fired.
    pub(crate) fn timer_reset(&self, key: TimerKey, deadline_ns: u64) -> bool {
        let mut locked = self.timers.locked.lock();
        let moved = locked.wheel.reset(key, deadline_ns);
        if moved {
            self.earlier(&locked, deadline_ns);
        }
        moved
    }

    /// Takes a timer out, if it has not fired.
    pub(crate) fn timer_remove(&self, key: TimerKey) {
        let waker = self.timers.locked.lock().wheel.remove(key);
        if waker.is_some() {
            drop_quietly(waker);
        }
    }

    /// Takes out a timer of this driver, and its reference if there is room for it. What comes back is the caller's to drop.
    #[inline]
    fn take_back(&self, key: TimerKey, driver: Arc<Driver>) -> (Option<Waker>, Option<Arc<Driver>>) {
        let mut locked = self.timers.locked.lock();
        let waker = locked.wheel.remove(key);
        if locked.spare.len() < locked.spare_max {
            locked.spare.push(driver);
            return (waker, None);
        }
        (waker, Some(driver))
    }

    /// A deadline was added: the hint and a sleeping owner must hear of it if it is the earliest (D3).
    #[inline]
    fn earlier(&self, locked: &Locked, deadline_ns: u64) {
        if deadline_ns < self.timers.next_hint() {
            // ORDER: Relaxed, pairs with the hint's load; written under the lock, so writers do not cross.
            self.timers.next_hint.store(deadline_ns, Ordering::Relaxed);
        }
        if deadline_ns < locked.asleep_until {
            // The call is a system call at worst, and rare: only another thread can meet a sleeping owner.
            self.notify();
        }
    }
}

impl Timer {
    /// Takes the timer out, if it has not fired.
    #[inline]
    pub(crate) fn cancel(self) {
        let Self { driver, key } = self;
        let (waker, driver) = with_current(|current| match current {
            Some(current) if Arc::ptr_eq(current, &driver) => current.take_back(key, driver),
            // The lock may be held for ever, by a thread that was left behind at a fork.
            _ if driver.is_inherited() => (None, Some(driver)),
            _ => {
                let waker = driver.timers.locked.lock().wheel.remove(key);
                (waker, Some(driver))
            }
        });
        // Outside of the lock and of `with_current`, for a waker is user code, and this may be the last of the driver.
        if waker.is_some() {
            drop_quietly(waker);
        }
        drop(driver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, model, model_thread};
    use std::task::Wake;

    /// Counts how often it was woken.
    struct Bell(AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The owner turns the wheel past the deadline while another thread resets and removes the timer: it fires at most once,
    /// what the other thread is told agrees with that, and nothing stays behind.
    #[test]
    fn model_tim_04_a_timer_cancelled_on_its_firing_tick_fires_once_or_never() {
        model(|| {
            let timers = Arc::new(Timers::new());
            let bell = Arc::new(Bell(AtomicU32::new(0)));
            let key = timers.locked.lock().wheel.insert(10, Waker::from(bell.clone()));
            let other = {
                let timers = timers.clone();
                model_thread::spawn(move || {
                    let moved = timers.locked.lock().wheel.reset(key, 10);
                    let removed = timers.locked.lock().wheel.remove(key);
                    (moved, removed.is_some())
                })
            };
            let mut woken = Wakers::new();
            timers.advance(10, &mut woken, usize::MAX);
            woken.wake_all();
            let (moved, removed) = other.join().expect("no panic");
            let fired = bell.0.load(Ordering::Acquire);
            assert_eq!(fired + u32::from(removed), 1, "fired or removed, one of the two");
            assert!(moved || !removed, "who was told that it has fired cannot remove it");
            assert_eq!(timers.locked.lock().wheel.len(), 0);
        });
    }
}
