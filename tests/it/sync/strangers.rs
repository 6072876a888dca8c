#![allow(unsafe_code, reason = "implements RawWaker")]
//! SYN-04, TSK-16, MIS-10: wakers that come back to the very lock that wakes them, wakers that panic, and executors that are none
//! of ours.

use super::kit::{Bell, now, poll};
use crate::panic_quietly;
use mainspring::sync::{Barrier, Condvar, Mutex, Notify, OnceCell, RwLock, Semaphore};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::thread;

/// What a stranger's waker does when it is cloned, woken or dropped.
pub(crate) struct Deeds {
    deed: Box<dyn Fn(&'static str) + Send + Sync>,
    pub(crate) count: AtomicUsize,
}

/// # Safety
/// The data of a waker of [`waker`], with a count to take.
unsafe fn deeds(data: *const ()) -> Arc<Deeds> {
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(data.cast()) }
}

/// A waker that does it. The count of its clones is that of an `Arc`, which the vtable keeps.
pub(crate) fn waker(deed: impl Fn(&'static str) + Send + Sync + 'static) -> (Waker, Arc<Deeds>) {
    /// # Safety
    /// The waker is alive.
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: the waker that is cloned keeps its count.
        unsafe { Arc::increment_strong_count(data.cast::<Deeds>()) };
        // SAFETY: the new count; given back if the deed panics.
        unsafe { deeds(data) }.act("clone");
        // SAFETY: as above, for the new waker.
        unsafe { Arc::increment_strong_count(data.cast::<Deeds>()) };
        RawWaker::new(data, &TABLE)
    }
    /// # Safety
    /// The waker is alive, and given up.
    unsafe fn wake(data: *const ()) {
        // SAFETY: the waker's own count.
        unsafe { deeds(data) }.act("wake");
    }
    /// # Safety
    /// The waker is alive.
    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: lent, and not given back.
        std::mem::ManuallyDrop::new(unsafe { deeds(data) }).act("wake");
    }
    /// # Safety
    /// The waker is alive, and given up.
    unsafe fn drop(data: *const ()) {
        // SAFETY: the waker's own count.
        unsafe { deeds(data) }.act("drop");
    }
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);
    let deeds = Arc::new(Deeds { deed: Box::new(deed), count: AtomicUsize::new(0) });
    let data = Arc::into_raw(deeds.clone()).cast();
    // SAFETY: the four functions above keep the contract, and deeds may go to any thread.
    (unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }, deeds)
}

impl Deeds {
    fn act(&self, what: &'static str) {
        self.count.fetch_add(1, Ordering::SeqCst);
        (self.deed)(what);
    }
}

/// Every primitive in one bundle, and something that makes its waiter wait, and something that wakes it.
#[derive(Default)]
struct All {
    mutex: Mutex<u32>,
    lock: RwLock<u32>,
    bell: Notify,
    condition: Condvar,
}

#[test]
fn syn_04_a_waker_may_use_the_lock_that_clones_wakes_or_drops_it() {
    for leaves in [false, true] {
        come_back(leaves);
    }
}

/// With futures that are woken, or dropped first.
fn come_back(leaves: bool) {
    let all = Arc::new((All::default(), Semaphore::new(0), Barrier::new(2), OnceCell::<u32>::new()));
    let theirs = all.clone();
    let (waker, deeds) = waker(move |_| {
        let (All { mutex, lock, bell, condition }, semaphore, _, cell) = &*theirs;
        // Everything that takes a list's lock; that it comes back at all is the test.
        drop(mutex.try_lock());
        drop(poll(&mut Box::pin(mutex.lock()), Waker::noop()));
        drop(poll(&mut Box::pin(lock.write()), Waker::noop()));
        drop(poll(&mut Box::pin(semaphore.acquire_many(7)), Waker::noop()));
        semaphore.add_permits(0);
        bell.notify_waiters();
        condition.notify_all();
        drop(poll(&mut Box::pin(theirs.2.wait()), Waker::noop()));
        let words = format!("{mutex:?} {lock:?} {bell:?} {condition:?} {semaphore:?} {:?} {cell:?}", theirs.2);
        assert!(words.contains("waiters"));
    });
    let mut cx = Context::from_waker(&waker);
    let (All { mutex, lock, bell, condition }, semaphore, barrier, cell) = &*all;
    {
        let (held, read) = (mutex.try_lock().unwrap(), lock.try_read().unwrap());
        let mut locking = Box::pin(mutex.lock());
        let mut writing = Box::pin(lock.write());
        let mut acquiring = Box::pin(semaphore.acquire());
        let mut notified = Box::pin(bell.notified());
        let own = Mutex::new(());
        let mut waiting = Box::pin(condition.wait(own.try_lock().unwrap()));
        let mut meeting = Box::pin(barrier.wait());
        assert!(locking.as_mut().poll(&mut cx).is_pending() && writing.as_mut().poll(&mut cx).is_pending());
        assert!(acquiring.as_mut().poll(&mut cx).is_pending());
        // The deed that is done when its waker is cloned may have notified it.
        let _ = notified.as_mut().poll(&mut cx);
        let _ = waiting.as_mut().poll(&mut cx);
        // The deeds have met at the barrier, or the deed's own future has; either way it may be polled.
        let _ = meeting.as_mut().poll(&mut cx);
        if leaves {
            drop((locking, writing, acquiring, notified, waiting, meeting));
        }
        drop((held, read));
        semaphore.add_permits(1);
        bell.notify_one();
        condition.notify_one();
    }
    let mut making = Box::pin(cell.get_or_init(std::future::pending));
    assert!(making.as_mut().poll(&mut cx).is_pending());
    let mut asking = Box::pin(cell.get_or_init(|| async { 1 }));
    assert!(asking.as_mut().poll(&mut cx).is_pending());
    drop(making);
    assert!(asking.as_mut().poll(&mut cx).is_ready());
    assert!(deeds.count.load(Ordering::SeqCst) > 10, "the waker was cloned, woken and dropped");
}

/// Makes two wait, of whom the first has a bad waker; wakes both; and then it must all go on.
fn outlives(bad: &Waker, what: &str) {
    let semaphore = Semaphore::new(0);
    let (bell, good) = Bell::new();
    let (mut first, mut second) = (Box::pin(semaphore.acquire()), Box::pin(semaphore.acquire()));
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut first, bad).is_pending()));
    assert_eq!(polled.is_ok(), what != "clone", "a clone's panic is the poll's, and no other");
    assert!(poll(&mut second, &good).is_pending());
    // Another waker takes the place of the bad one, which is dropped; then the bad one's again.
    if what != "clone" {
        assert!(poll(&mut first, &good).is_pending());
        assert!(poll(&mut first, bad).is_pending());
    }
    semaphore.add_permits(2);
    assert_eq!(bell.rings(), 1, "the second was woken in spite of the first");
    assert!(poll(&mut second, &good).is_ready());
    assert!(poll(&mut first, &good).is_ready());
    assert_eq!(semaphore.available_permits(), 2);

    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut leaving = Box::pin(mutex.lock());
    let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut leaving, bad)));
    drop(leaving);
    let (bell, good) = Bell::new();
    let mut waiting = Box::pin(mutex.lock());
    assert!(poll(&mut waiting, &good).is_pending());
    drop(guard);
    assert_eq!(bell.rings(), 1);
    assert!(poll(&mut waiting, &good).is_ready());
}

#[test]
fn tsk_16_a_waker_that_panics_when_it_is_cloned_woken_or_dropped_harms_nobody_else() {
    for what in ["clone", "wake", "drop"] {
        let (bad, _deeds) = waker(move |deed| {
            if deed == what {
                panic_quietly(format!("in {what}"));
            }
        });
        outlives(&bad, what);
        // Its last drop may panic, too, and that is ours.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(bad)));
    }
}

#[test]
fn mis_10_plain_threads_and_another_executor_share_our_locks() {
    let shared = Arc::new((Mutex::new(0_u32), Semaphore::new(2), RwLock::new(0_u32)));
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let shared = shared.clone();
            other.spawn(async move {
                for _ in 0..200 {
                    let _permit = shared.1.acquire().await.unwrap();
                    *shared.0.lock().await += 1;
                    tokio::task::yield_now().await;
                    *shared.2.write().await += 1;
                    assert!(*shared.2.read().await > 0);
                }
            })
        })
        .collect();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || {
                for _ in 0..200 {
                    let _permit = shared.1.blocking_acquire().unwrap();
                    *shared.0.blocking_lock() += 1;
                    *shared.2.blocking_write() += 1;
                    assert!(*shared.2.blocking_read() > 0);
                }
            })
        })
        .collect();
    let runtime = mainspring::runtime::Builder::new_multi_thread().workers(2).build().unwrap();
    let ours = shared.clone();
    runtime.block_on(async {
        for _ in 0..200 {
            *ours.0.lock().await += 1;
            *ours.2.write().await += 1;
        }
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    other.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!((*now(shared.0.lock()), *now(shared.2.read())), (1_400, 1_400));
    assert_eq!(shared.1.available_permits(), 2);
}
