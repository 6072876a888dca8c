//! SYN-03: whoever was given something and goes away before he has been polled passes it on.

use super::kit::{Bell, now, poll};
use mainspring::sync::{Barrier, Condvar, Mutex, Notify, OnceCell, RwLock, Semaphore};
use std::future::pending;
use std::task::{Poll, Waker};

#[test]
fn syn_03_a_mutex_handed_to_somebody_who_leaves_goes_to_the_next() {
    let mutex = Mutex::new(0);
    let guard = mutex.try_lock().unwrap();
    let (bell, waker) = Bell::new();
    let (mut first, mut second) = (Box::pin(mutex.lock()), Box::pin(mutex.lock()));
    assert!(poll(&mut first, Waker::noop()).is_pending() && poll(&mut second, &waker).is_pending());
    drop(guard);
    assert_eq!(bell.rings(), 0);
    drop(first);
    assert_eq!(bell.rings(), 1);
    assert!(poll(&mut second, &waker).is_ready());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn syn_03_permits_granted_to_somebody_who_leaves_serve_several() {
    let semaphore = Semaphore::new(0);
    let mut first = Box::pin(semaphore.acquire_many(2));
    let mut others = [Box::pin(semaphore.acquire()), Box::pin(semaphore.acquire())];
    assert!(poll(&mut first, Waker::noop()).is_pending());
    others.iter_mut().for_each(|other| assert!(poll(other, Waker::noop()).is_pending()));
    semaphore.add_permits(2);
    drop(first);
    others.iter_mut().for_each(|other| assert!(poll(other, Waker::noop()).is_ready()));
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn syn_03_a_notification_goes_on_in_the_way_it_came() {
    let notify = Notify::new();
    for last in [false, true] {
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(notify.notified())).collect();
        waiting.iter_mut().for_each(|one| assert!(poll(one, Waker::noop()).is_pending()));
        if last {
            notify.notify_last()
        } else {
            notify.notify_one()
        }
        drop(waiting.remove(if last { 3 } else { 0 }));
        let ready: Vec<_> = waiting.iter_mut().map(|one| poll(one, Waker::noop()).is_ready()).collect();
        assert_eq!(ready, if last { [false, false, true] } else { [true, false, false] });
    }
    notify.notify_waiters();
    let mut alone = Box::pin(notify.notified());
    assert!(poll(&mut alone, Waker::noop()).is_pending(), "nothing is kept of it");
    notify.notify_one();
    drop(alone);
    now(notify.notified());
}

#[test]
fn syn_03_notify_waiters_uses_up_no_notification_by_notify_one() {
    let notify = Notify::new();
    let mut overtaken = Box::pin(notify.notified());
    assert!(poll(&mut overtaken, Waker::noop()).is_pending());
    notify.notify_one();
    notify.notify_waiters();
    // Somebody waits by then, or nobody does.
    let mut next = Box::pin(notify.notified());
    assert!(poll(&mut next, Waker::noop()).is_pending());
    drop(overtaken);
    assert!(poll(&mut next, Waker::noop()).is_ready());

    let mut overtaken = Box::pin(notify.notified());
    assert!(poll(&mut overtaken, Waker::noop()).is_pending());
    notify.notify_one();
    notify.notify_waiters();
    drop(overtaken);
    now(notify.notified());
    assert!(poll(&mut Box::pin(notify.notified()), Waker::noop()).is_pending(), "once");

    // One that was kept is still there for who comes next, after a future that `notify_waiters` has reached.
    let reached = notify.notified();
    notify.notify_one();
    notify.notify_waiters();
    now(reached);
    now(notify.notified());
}

#[test]
fn syn_03_a_writer_that_leaves_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    let reading = now(lock.read());
    let mut writer = Box::pin(lock.write());
    assert!(poll(&mut writer, Waker::noop()).is_pending());
    let (bell, waker) = Bell::new();
    let mut readers = [Box::pin(lock.read()), Box::pin(lock.read())];
    readers.iter_mut().for_each(|reader| assert!(poll(reader, &waker).is_pending(), "not past the writer"));
    drop(writer);
    assert_eq!(bell.rings(), 2);
    let guards = readers.each_mut().map(|reader| poll(reader, &waker));
    assert!(guards.iter().all(Poll::is_ready));
    drop((reading, guards));
    assert!(lock.try_write().is_ok());
}

#[test]
fn syn_03_a_maker_that_leaves_lets_the_next_one_make_the_value() {
    let cell = OnceCell::new();
    let mut first = Box::pin(cell.get_or_init(pending));
    assert!(poll(&mut first, Waker::noop()).is_pending());
    let (bell, waker) = Bell::new();
    let mut second = Box::pin(cell.get_or_init(|| async { 2 }));
    assert!(poll(&mut second, &waker).is_pending());
    drop(first);
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut second, &waker), Poll::Ready(&2));
}

#[test]
fn syn_03_whoever_leaves_a_barrier_has_not_come() {
    let barrier = Barrier::new(2);
    let mut first = Box::pin(barrier.wait());
    assert!(poll(&mut first, Waker::noop()).is_pending());
    drop(first);
    let mut second = Box::pin(barrier.wait());
    assert!(poll(&mut second, Waker::noop()).is_pending());
    assert!(now(barrier.wait()).is_leader());
    assert!(matches!(poll(&mut second, Waker::noop()), Poll::Ready(result) if !result.is_leader()));
}

#[test]
fn syn_03_a_condition_notified_to_somebody_who_leaves_goes_to_the_next() {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let mut first = Box::pin(condition.wait(now(mutex.lock())));
    assert!(poll(&mut first, Waker::noop()).is_pending());
    let mut second = Box::pin(condition.wait(now(mutex.lock())));
    assert!(poll(&mut second, Waker::noop()).is_pending());
    condition.notify_one();
    drop(first);
    assert!(poll(&mut second, Waker::noop()).is_ready());
    condition.notify_one();
    let mut third = Box::pin(condition.wait(now(mutex.lock())));
    assert!(poll(&mut third, Waker::noop()).is_pending(), "none is kept");
    condition.notify_all();
    assert!(poll(&mut third, Waker::noop()).is_ready());
}

#[test]
fn syn_03_a_condition_notified_to_somebody_who_leaves_while_he_takes_the_mutex_goes_to_the_next() {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let mut first = Box::pin(condition.wait(now(mutex.lock())));
    assert!(poll(&mut first, Waker::noop()).is_pending());
    let (bell, waker) = Bell::new();
    let mut second = Box::pin(condition.wait(now(mutex.lock())));
    assert!(poll(&mut second, &waker).is_pending());
    let guard = now(mutex.lock());
    condition.notify_one();
    assert!(poll(&mut first, Waker::noop()).is_pending(), "notified, and in line for the mutex");
    drop(first);
    assert_eq!(bell.rings(), 1);
    drop(guard);
    assert!(poll(&mut second, &waker).is_ready());
}
