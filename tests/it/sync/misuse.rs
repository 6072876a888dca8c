//! MIS-04, MIS-08, MIS-11, SYN-08, SYN-11, SYN-12: what nobody should do, and some do.

use super::kit::{now, poll};
use crate::{message_of, panic_quietly, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::{
    Barrier, Condvar, Mutex, MutexGuard, Notify, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SetError,
};
use std::future::pending;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::thread;

/// What a closure panics with.
#[track_caller]
fn panic_of(body: impl FnOnce()) -> String {
    message_of(catch_unwind(AssertUnwindSafe(body)).expect_err("it must panic"))
}

#[test]
fn mis_04_a_future_polled_after_its_end_panics_and_says_so() {
    let (mutex, lock, semaphore) = (Mutex::new(()), RwLock::new(()), Semaphore::new(1));
    let (bell, barrier) = (Notify::new(), Barrier::new(1));
    bell.notify_one();
    macro_rules! again {
        ($($future:expr, $name:literal;)*) => {$({
            let mut future = Box::pin($future);
            assert!(poll(&mut future, Waker::noop()).is_ready());
            assert!(format!("{future:?}").contains("stage: ready"));
            let message = panic_of(|| assert!(poll(&mut future, Waker::noop()).is_ready()));
            assert_eq!(message, concat!("a `", $name, "` was polled after it was ready: await it once"));
        })*};
    }
    again! {
        mutex.lock(), "Lock";
        lock.read(), "Read";
        lock.write(), "Write";
        semaphore.acquire(), "Acquire";
        bell.notified(), "Notified";
        barrier.wait(), "BarrierWait";
    }
}

#[test]
fn mis_08_a_semaphore_never_has_more_permits_than_it_can_count() {
    let message = panic_of(|| drop(Semaphore::new(Semaphore::MAX_PERMITS + 1)));
    assert!(message.contains("MAX_PERMITS"), "{message}");
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    assert!(panic_of(|| semaphore.add_permits(1)).contains("1 more are too many"));
    assert!(panic_of(|| semaphore.add_permits(usize::MAX)).contains("too many"));
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS, "nothing wraps");
    let permit = semaphore.try_acquire_many(u32::MAX).unwrap();
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS - u32::MAX as usize);
    drop(permit);
    semaphore.forget_permits(usize::MAX);
    assert_eq!(semaphore.available_permits(), 0);
    drop(now(semaphore.acquire_many(0)).unwrap());
    assert!(now(Barrier::new(0).wait()).is_leader());
}

#[test]
fn permits_are_split_and_merged_and_forgotten() {
    let (semaphore, other) = (Arc::new(Semaphore::new(5)), Semaphore::new(1));
    let mut all = semaphore.try_acquire_many(5).unwrap();
    let two = all.split(2).unwrap();
    assert!(all.split(4).is_none() && all.num_permits() == 3);
    drop(two);
    assert_eq!(semaphore.available_permits(), 2);
    all.merge(semaphore.try_acquire().unwrap());
    assert!(panic_of(|| all.merge(other.try_acquire().unwrap())).contains("one semaphore"));
    assert_eq!(other.available_permits(), 1);
    all.forget();
    assert_eq!(semaphore.available_permits(), 1);
    let mut owned = semaphore.clone().try_acquire_owned().unwrap();
    let part = owned.split(1).unwrap();
    assert_eq!((owned.num_permits(), part.num_permits()), (0, 1));
    drop((owned, part));
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn mis_11_futures_and_guards_that_are_forgotten_harm_nobody_but_those_behind_them() {
    let mutex = Arc::new(Mutex::new(vec![1]));
    let guard = mutex.try_lock().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(mutex.clone().lock_owned())).collect();
    waiting.iter_mut().for_each(|future| assert!(poll(future, Waker::noop()).is_pending()));
    forget(waiting.remove(1));
    drop(waiting.pop());
    drop(guard);
    // The first, then the one that was forgotten, and there the lock stays.
    assert!(poll(&mut waiting[0], Waker::noop()).is_ready());
    assert!(mutex.try_lock().is_err());

    let lock = RwLock::new(String::from("read"));
    forget(lock.try_read().unwrap());
    assert!(lock.try_write().is_err() && *lock.try_read().unwrap() == "read");

    // A list that dies with forgotten nodes in it.
    let (bell, semaphore) = (Box::new(Notify::new()), Box::new(Semaphore::new(0)));
    let (mut notified, mut acquiring) = (Box::pin(bell.notified()), Box::pin(semaphore.acquire()));
    assert!(poll(&mut notified, Waker::noop()).is_pending() && poll(&mut acquiring, Waker::noop()).is_pending());
    forget((notified, acquiring));
    let moved = *semaphore;
    drop(bell);
    moved.add_permits(1);
    assert_eq!(moved.available_permits(), 0, "granted to the one that was forgotten");
}

#[test]
fn mis_11_a_cell_that_is_taken_from_forgets_makers_and_waiters_that_were_forgotten() {
    let mut cell = OnceCell::new();
    let mut making = Box::pin(cell.get_or_init(pending));
    let mut waiting = Box::pin(cell.get_or_init(pending));
    assert!(poll(&mut making, Waker::noop()).is_pending() && poll(&mut waiting, Waker::noop()).is_pending());
    forget((making, waiting));
    assert_eq!(cell.set(1), Err(SetError::InitializingError(1)), "it may go on, as far as a shared cell knows");
    assert_eq!(cell.take(), None);
    let shown = format!("{cell:?}");
    assert!(shown.contains("making: false") && shown.contains("waiters: []"), "{shown}");
    // The right does not go to the one that waited and was forgotten, either.
    assert_eq!(now(cell.get_or_try_init(|| async { Err(()) })), Err(()));
    assert_eq!(*now(cell.get_or_init(|| async { 2 })), 2);
    assert_eq!((cell.take(), cell.set(3)), (Some(2), Ok(())), "and once more");
}

#[test]
fn syn_08_a_panic_releases_the_lock_and_poisons_nothing() {
    for (name, runtime) in runtimes() {
        let shared = Arc::new((Mutex::new(1), RwLock::new(1)));
        let theirs = shared.clone();
        let task = runtime.spawn(async move {
            let (mut guard, mut writer) = (theirs.0.lock().await, theirs.1.write().await);
            *guard = 2;
            *writer = 2;
            panic_quietly("while it holds both");
        });
        assert!(runtime.block_on(task).unwrap_err().is_panic(), "{name}");
        assert_eq!((*now(shared.0.lock()), *now(shared.1.read())), (2, 2), "as the panic left them");
    }
}

#[test]
fn a_maker_that_panics_leaves_the_cell_to_the_next() {
    let cell = OnceCell::new();
    let mut making = Box::pin(cell.get_or_init(|| async { panic_quietly("no value") }));
    assert_eq!(panic_of(|| assert!(poll(&mut making, Waker::noop()).is_ready())), "no value");
    assert_eq!(*now(cell.get_or_init(|| async { 2 })), 2);
}

#[test]
fn syn_11_blocking_calls_work_on_threads_and_in_blocking_jobs_and_panic_in_a_task() {
    for (name, runtime) in runtimes() {
        let mutex = Arc::new(Mutex::new(0));
        let in_task = mutex.clone();
        let message = runtime.block_on(async move { panic_of(|| drop(in_task.blocking_lock())) });
        assert!(message.contains("`blocking_lock` inside an async task"), "{name}: {message}");
        let in_job = mutex.clone();
        runtime.block_on(runtime.handle().spawn_blocking(move || *in_job.blocking_lock() += 1)).unwrap();
        assert_eq!(*mutex.blocking_lock(), 1);
    }
    // A job of a simulation runs among the tasks: it may ask, and must not wait.
    let runtime = Builder::new_simulated(1).build().unwrap();
    let mutex = Arc::new(Mutex::new(0));
    let guard = mutex.clone().blocking_lock_owned();
    let in_job = mutex.clone();
    let job = runtime.handle().spawn_blocking(move || panic_of(|| drop(in_job.blocking_lock())));
    assert!(runtime.block_on(job).unwrap().contains("would wait for ever"));
    drop(guard);
    assert!(mutex.try_lock().is_ok(), "the place in line was given up");
}

#[test]
fn syn_11_threads_wait_for_tasks_and_tasks_for_threads() {
    let shared = Arc::new((Mutex::new(0), Condvar::new(), Barrier::new(2)));
    let theirs = shared.clone();
    let thread = thread::spawn(move || {
        let mut guard = theirs.0.blocking_lock();
        while *guard == 0 {
            guard = theirs.1.blocking_wait(guard);
        }
        *guard += 1;
        drop(guard);
        theirs.2.blocking_wait()
    });
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        *shared.0.lock().await = 1;
        shared.1.notify_all();
        shared.2.wait().await;
        assert_eq!(*shared.0.lock().await, 2);
    });
    thread.join().unwrap();
}

#[test]
fn syn_12_a_million_waits_given_up_cost_no_memory() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let before = resident_kb();
    for _ in 0..1_000_000 {
        let mut waiting = std::pin::pin!(mutex.lock());
        assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
    }
    let grown = resident_kb().saturating_sub(before);
    // Other tests of this binary run beside this one, and they do need memory: a leaked node of 100 bytes each would be 100 MB.
    assert!(grown < 90_000, "{grown} kB");
    drop(guard);
    assert!(mutex.try_lock().is_ok(), "nobody is left in line");
}

fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn guards_are_mapped_and_downgraded_without_letting_go() {
    let mutex = Mutex::new((1, Some(2)));
    let guard = MutexGuard::try_map(mutex.try_lock().unwrap(), |pair| pair.1.as_mut().filter(|n| **n > 2));
    let guard = guard.expect_err("there is no such part, so the guard comes back");
    let mut part = MutexGuard::try_map(guard, |pair| pair.1.as_mut()).unwrap();
    *part += 1;
    assert!(mutex.try_lock().is_err());
    drop(part);
    assert_eq!(mutex.into_inner(), (1, Some(3)));

    let lock = Arc::new(RwLock::new([1, 2]));
    let writer = lock.clone().try_write_owned().unwrap();
    let reader = writer.downgrade();
    assert_eq!(Arc::strong_count(&lock), 2);
    let other = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair[1]);
    assert!(lock.try_write().is_err() && *other == 2 && reader[0] == 1);
    drop((reader, other));
    let mut part = RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair[0]);
    *part = 5;
    assert!(lock.try_read().is_err());
    drop(part);
    assert_eq!(*lock.try_read().unwrap(), [5, 2]);
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn values_without_a_size_can_be_locked() {
    let mutex: Arc<Mutex<dyn Fn() -> u32 + Send>> = Arc::new(Mutex::new(|| 7));
    assert_eq!(now(mutex.clone().lock_owned())(), 7);
    let lock: Box<RwLock<[u32]>> = Box::new(RwLock::new([1, 2, 3]));
    now(lock.write())[1] = 5;
    assert_eq!(now(lock.read()).iter().sum::<u32>(), 9);
}
