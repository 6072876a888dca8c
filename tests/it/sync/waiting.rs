//! SYN-07 and what a dump can say: in which order waiters come, who waits where, and who holds what, in every flavour.

use super::kit::{now, poll};
use crate::runtimes;
use mainspring::runtime::{Builder, Runtime};
use mainspring::sync::{Barrier, Condvar, Mutex, Notify, OnceCell, RwLock, Semaphore};
use mainspring::task::yield_now;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Tasks that all do the same, to their end.
fn crowd<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, size: u32, one: impl Fn(u32) -> F) {
    let tasks: Vec<_> = (0..size).map(|n| runtime.spawn(one(n))).collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_crowd_excludes_each_other_in_every_flavour() {
    for (name, runtime) in runtimes() {
        let shared = Arc::new((Mutex::new(0_u32), RwLock::new(0_u32), Semaphore::new(3), AtomicU32::new(0)));
        let all = shared.clone();
        crowd(&runtime, 20, move |n| {
            let shared = all.clone();
            async move {
                for _ in 0..50 {
                    let mut guard = shared.0.lock().await;
                    let seen = *guard;
                    yield_now().await;
                    *guard = seen + 1;
                    drop(guard);
                    if n % 4 == 0 {
                        let mut guard = shared.1.write().await;
                        let seen = *guard;
                        yield_now().await;
                        *guard = seen + 1;
                    } else {
                        let guard = shared.1.read().await;
                        let seen = *guard;
                        yield_now().await;
                        assert_eq!(*guard, seen);
                    }
                    let _permits = shared.2.acquire_many(1 + n % 3).await.unwrap();
                    let inside = shared.3.fetch_add(1 + n % 3, Ordering::SeqCst);
                    yield_now().await;
                    assert!(inside < 3);
                    shared.3.fetch_sub(1 + n % 3, Ordering::SeqCst);
                }
            }
        });
        assert_eq!((*now(shared.0.lock()), *now(shared.1.read())), (1_000, 250), "{name}");
        assert_eq!(shared.2.available_permits(), 3, "{name}");
    }
}

#[test]
fn syn_07_who_comes_first_is_served_first_while_others_come_back_again_and_again() {
    for (name, runtime) in runtimes() {
        let shared = Arc::new((Semaphore::new(1), std::sync::Mutex::new(0), std::sync::Mutex::new(vec![])));
        let all = shared.clone();
        crowd(&runtime, 10, move |_| {
            let shared = all.clone();
            async move {
                let (semaphore, numbers, order) = &*shared;
                for _ in 0..100 {
                    // A number is drawn and the place in line taken in one go, so that the one says what the other must be.
                    let mut got = None;
                    let mut waiting = Box::pin(semaphore.acquire());
                    let number = draw(numbers, || {
                        if let Poll::Ready(permit) = poll(&mut waiting, Waker::noop()) {
                            got = Some(permit);
                        }
                    });
                    let permit = match got {
                        Some(permit) => permit,
                        None => waiting.await,
                    };
                    order.lock().unwrap().push(number);
                    yield_now().await;
                    drop(permit);
                }
            }
        });
        let order = shared.2.lock().unwrap().clone();
        assert_eq!(order.len(), 1_000);
        // Nine stand before somebody at most, and while each of these is first 63 may pass.
        let passed = |n: usize| order[..n].iter().filter(|&&number| number > order[n]).count();
        let most = (0..order.len()).map(passed).max();
        assert!(most.is_some_and(|most| most <= 10 * 63), "{name}: somebody was passed by {most:?}");
    }
}

/// Draws a number and does something else before anybody draws the next.
fn draw(numbers: &std::sync::Mutex<u32>, and: impl FnOnce()) -> u32 {
    let mut number = numbers.lock().unwrap();
    *number += 1;
    and();
    *number
}

#[test]
fn syn_07_whoever_wants_many_permits_is_not_starved_by_those_who_want_few() {
    for (name, runtime) in runtimes() {
        let semaphore = Arc::new(Semaphore::new(4));
        runtime.block_on(async {
            let few: Vec<_> = (0..8)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    mainspring::spawn(async move {
                        while let Ok(_permit) = semaphore.acquire().await {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for _ in 0..20 {
                drop(semaphore.acquire_many(4).await.unwrap());
            }
            semaphore.close();
            for task in few {
                task.await.unwrap();
            }
            assert_eq!(semaphore.available_permits(), 4, "{name}");
        });
    }
}

#[test]
fn a_dump_says_who_waits_for_what_and_debug_says_who_holds_it() {
    for (name, runtime) in runtimes() {
        let all = Arc::new((
            (Mutex::new(()), RwLock::new(()), Semaphore::new(0), Notify::new()),
            (Barrier::new(2), OnceCell::<u32>::new(), Condvar::new()),
        ));
        let shared = all.clone();
        runtime.block_on(async move {
            let ((mutex, lock, ..), _) = &*shared;
            let held = (mutex.lock().await, lock.read().await);
            let me = mainspring::task::id().to_string();
            let each = |n| {
                let shared = shared.clone();
                mainspring::spawn(async move {
                    let ((mutex, lock, semaphore, bell), (barrier, cell, condition)) = &*shared;
                    match n {
                        0 => drop(mutex.lock().await),
                        1 => drop(lock.write().await),
                        2 => {
                            // Behind the writer.
                            while lock.try_read().is_ok() {
                                yield_now().await;
                            }
                            drop(lock.read().await);
                        }
                        3 => drop(semaphore.acquire().await),
                        4 => bell.notified().await,
                        5 => assert!(!barrier.wait().await.is_leader()),
                        6 => drop(cell.get_or_init(std::future::pending).await),
                        7 => drop(cell.get_or_init(std::future::pending).await),
                        _ => {
                            let own = Mutex::new(());
                            drop(condition.wait(own.lock().await).await);
                        }
                    }
                })
            };
            let tasks: Vec<_> = (0..9).map(each).collect();
            for _ in 0..100 {
                yield_now().await;
            }
            mainspring::time::sleep(Duration::from_millis(20)).await;
            let shown = format!("{mutex:?} {lock:?}");
            assert!(
                shown.contains(&format!("held_by: Some(task {me}, at tests/it/sync/waiting.rs:")),
                "{name}: {shown}"
            );
            assert!(
                shown.contains(&format!("waiters: [task {}, at tests/it/sync/waiting.rs:", tasks[0].id())),
                "{shown}"
            );
            std::mem::forget(held); // they wait on, until the runtime says how it found them
            drop(tasks);
        });
        let report = runtime.shutdown_timeout(Duration::from_secs(60)).to_string();
        assert_says_what_for(name, &report);
    }
}

fn assert_says_what_for(name: &str, report: &str) {
    let kinds = ["waits for lock ", "for writing", "for reading", "permits of semaphore ", "a notification of "];
    let more = ["the others at barrier ", "the value of cell ", "condition "];
    for words in kinds.into_iter().chain(more) {
        let line = report.lines().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("{name}: nobody says `{words}`: {report}"));
        assert!(line.contains("at tests/it/sync/waiting.rs:"), "{line}");
        assert!(!line.contains(&format!("{words}0,")), "it has a number: {line}");
    }
}

#[test]
fn sim_01_two_runs_of_one_seed_take_the_same_way_through_the_locks() {
    let run = |seed| {
        let runtime = Builder::new_simulated(seed).build().unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let all = (order.clone(), Arc::new(Semaphore::new(2)), Arc::new(RwLock::new(())));
        crowd(&runtime, 8, move |n| {
            let (order, semaphore, lock) = all.clone();
            async move {
                for _ in 0..10 {
                    let _permit = semaphore.acquire().await.unwrap();
                    if n % 2 == 0 {
                        drop(lock.write().await)
                    } else {
                        drop(lock.read().await)
                    }
                    order.lock().await.push(n);
                    yield_now().await;
                }
            }
        });
        (runtime.event_hash(), now(order.lock()).clone())
    };
    let mut different = 0;
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
        different += u32::from(run(seed).1 != run(seed + 1).1);
    }
    assert!(different > 10, "the seed decides");
}

#[test]
fn a_loop_over_a_free_lock_lets_others_run() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let stop = Arc::new(AtomicU32::new(0));
            let other = stop.clone();
            let task = mainspring::spawn(async move { other.store(1, Ordering::SeqCst) });
            let mutex = Mutex::new(0_u64);
            while stop.load(Ordering::SeqCst) == 0 {
                *mutex.lock().await += 1;
            }
            task.await.unwrap();
            assert!(*mutex.lock().await < 1_000_000_000, "{name}");
        });
    }
}

#[test]
fn a_waiter_that_is_polled_by_another_task_wakes_that_one() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.clone().try_lock_owned().unwrap();
    let mut waiting = Box::pin(mutex.clone().lock_owned());
    assert!(poll(&mut waiting, Waker::noop()).is_pending());
    let runtime = Builder::new_current_thread().build().unwrap();
    let task = runtime.spawn(waiting);
    runtime.block_on(yield_now());
    drop(guard);
    assert!(runtime.block_on(task).is_ok());
}
