//! TSK-01, 10, 11: how often a task is polled.
//!
//! Cases of the catalogue: TSK-01, TSK-10, TSK-11.

use super::{Counts, WAYS};
use crate::{poll_with, runtimes, until};
use mainspring::runtime::Builder;
use mainspring::task::yield_now;
use mainspring::time::timeout;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn tsk_01_three_yields_are_four_polls_and_one_drop_on_every_flavour() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            for way in WAYS {
                let counts = Counts::default();
                let yields = counts.count(async {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    7
                });
                assert_eq!(way.spawn(yields).await.unwrap(), 7);
                assert_eq!((counts.polls(), counts.futures_dropped()), (4, 1), "{flavour}, {way:?}");
            }
        });
    }
}

#[test]
fn tsk_01_a_task_that_nobody_wakes_is_polled_once() {
    for (flavour, runtime) in runtimes() {
        let counts = Counts::default();
        runtime.block_on(async {
            let waiting = mainspring::spawn(counts.count(std::future::pending::<()>()));
            until(|| counts.polls() == 1).await;
            for _ in 0..100 {
                yield_now().await;
            }
            drop(waiting);
        });
        assert_eq!((counts.polls(), counts.futures_dropped()), (1, 0), "{flavour}");
        drop(runtime);
        assert_eq!((counts.polls(), counts.futures_dropped()), (1, 1), "{flavour}");
    }
}

#[test]
fn tsk_10_a_task_that_wakes_itself_in_every_poll_is_polled_once_a_wake_and_others_run_in_between() {
    for (flavour, runtime) in runtimes() {
        let (polls, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let over = Arc::new(AtomicBool::new(false));
        runtime.block_on(async {
            let other = mainspring::spawn({
                let (turns, over) = (turns.clone(), over.clone());
                async move {
                    while !over.load(Ordering::SeqCst) {
                        turns.fetch_add(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                }
            });
            let counted = polls.clone();
            let busy = mainspring::spawn(poll_fn(move |cx| {
                if counted.fetch_add(1, Ordering::SeqCst) == 1_000 {
                    over.store(true, Ordering::SeqCst);
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
            busy.await.unwrap();
            other.await.unwrap();
        });
        assert_eq!(polls.load(Ordering::SeqCst), 1_001, "{flavour}");
        // With two workers the other one runs beside it, as often as the machine lets it.
        let fair = if flavour == "multi thread" { 1 } else { 500 };
        assert!(turns.load(Ordering::SeqCst) >= fair, "{flavour}: {turns:?} turns");
    }
}

#[test]
fn tsk_10_a_wake_by_reference_and_one_by_value_in_one_poll_are_one_more_poll() {
    for (flavour, runtime) in runtimes() {
        let counts = Counts::default();
        runtime.block_on(async {
            let mut first = true;
            let twice = poll_fn(move |cx| {
                if !std::mem::take(&mut first) {
                    return Poll::Ready(());
                }
                let by_value = cx.waker().clone();
                cx.waker().wake_by_ref();
                by_value.wake();
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            mainspring::spawn(counts.count(twice)).await.unwrap();
        });
        assert_eq!(counts.polls(), 2, "{flavour}");
    }
}

#[test]
fn tsk_10_a_wake_in_the_last_poll_is_no_further_poll() {
    for (flavour, runtime) in runtimes() {
        let counts = Counts::default();
        runtime.block_on(async {
            let ends = poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(cx.waker().clone())
            });
            let waker = mainspring::spawn(counts.count(ends)).await.unwrap();
            waker.wake();
            for _ in 0..10 {
                yield_now().await;
            }
        });
        assert_eq!((counts.polls(), counts.futures_dropped()), (1, 1), "{flavour}");
    }
}

#[test]
fn tsk_11_a_storm_of_wakes_ends_with_a_poll_after_the_last_and_has_no_more_polls_than_wakes() {
    const THREADS: usize = 16;
    const WAKES: usize = 100_000;
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        let counts = Counts::default();
        let (wakes, waker) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None::<Waker>)));
        let all_seen = poll_fn({
            let (wakes, waker) = (wakes.clone(), waker.clone());
            move |cx| {
                waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
                if wakes.load(Ordering::Relaxed) == THREADS * WAKES { Poll::Ready(()) } else { Poll::Pending }
            }
        });
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            let task = mainspring::spawn(counts.count(all_seen));
            until(|| waker.lock().unwrap().is_some()).await;
            let waker = waker.lock().unwrap().clone().unwrap();
            let storm = (0..THREADS).map(|_| {
                let (wakes, waker) = (wakes.clone(), waker.clone());
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        wakes.fetch_add(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }
                })
            });
            let storm: Vec<_> = storm.collect();
            timeout(crate::PATIENCE, task).await.expect("the last wake is not lost").unwrap();
            storm.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let polls = counts.polls();
        assert!((2..=THREADS * WAKES + 1).contains(&polls), "{polls} polls");
    }
}

#[test]
fn a_yield_lets_everything_that_was_queued_run_first() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let order = order.clone();
                mainspring::spawn(async move {
                    for round in 0..3 {
                        order.lock().unwrap().push((round, n));
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let rounds = (0..3).flat_map(|round| (0..5).map(move |n| (round, n)));
    assert_eq!(*order.lock().unwrap(), rounds.collect::<Vec<_>>());
}

#[test]
fn a_future_that_is_dropped_before_it_is_polled_has_done_nothing() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut yields = yield_now();
        assert!(poll_with(&mut yields, Waker::noop()).is_pending());
        drop(yields);
        let sleep = pin!(mainspring::time::sleep(crate::PATIENCE));
        assert!(!sleep.is_elapsed());
    });
}
