//! TSK-03, 17, 18: join handles that are dropped at the wrong moment, or by the wrong one.
//!
//! Cases of the catalogue: TSK-03, TSK-17, TSK-18.

use super::{Counts, WAYS};
use crate::{Watch, builders, message_of, poll_with, result_of, runtimes, until};
use mainspring::runtime::Builder;
use mainspring::task::{Builder as TaskBuilder, JoinHandle, yield_now};
use std::future::{pending, poll_fn};
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// Where two threads meet, round after round, to go on at the same moment.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn attend(&self, round: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        let mut spins = 0_u32;
        while self.0.load(Ordering::SeqCst) < 2 * (round + 1) {
            spins += 1;
            if spins.is_multiple_of(64) { thread::yield_now() } else { spin_loop() }
        }
    }
}

#[test]
fn tsk_03_a_handle_dropped_while_its_task_ends_drops_the_output_once_in_100_000_races() {
    const BATCHES: usize = 200;
    const RACES: usize = 500;
    // One worker runs them in the order in which they were spawned, so that this thread can meet them one by one.
    let (runtime, watch) = Watch::build(Builder::new_multi_thread().workers(1));
    let (counts, meeting) = (Counts::default(), Arc::new(Meeting::default()));
    for batch in 0..BATCHES {
        let rounds = batch * RACES..(batch + 1) * RACES;
        let racers = rounds.clone().map(|round| {
            let (output, met) = (counts.output(), meeting.clone());
            runtime.spawn(counts.count(async move {
                met.attend(round);
                output
            }))
        });
        let racers: Vec<_> = racers.collect();
        for (round, mut handle) in rounds.zip(racers) {
            if round % 3 == 0 {
                assert!(poll_with(&mut handle, Waker::noop()).is_pending());
            }
            meeting.attend(round);
            match round % 4 {
                0 => handle.abort(),
                1 => drop(poll_with(&mut handle, Waker::noop())),
                _ => {}
            }
            drop(handle);
        }
    }
    drop(runtime);
    let all = BATCHES * RACES;
    assert_eq!((counts.polls(), counts.futures_dropped(), counts.outputs_dropped()), (all, all, all));
    assert!(watch.seen().is_empty());
    watch.assert_freed();
}

#[test]
fn a_dropped_handle_detaches_its_task_which_runs_to_its_end() {
    for (flavour, runtime) in runtimes() {
        for way in WAYS {
            let counts = Counts::default();
            runtime.block_on(async {
                let output = counts.output();
                drop(way.spawn(counts.count(async move {
                    yield_now().await;
                    output
                })));
                until(|| counts.outputs_dropped() == 1).await;
            });
            assert_eq!((counts.polls(), counts.futures_dropped()), (2, 1), "{flavour}, {way:?}");
        }
    }
}

/// A task that waits for itself, and the only way left to reach it.
fn knot(runtime_way: super::Way, counts: &Counts) -> mainspring::task::AbortHandle {
    let own = Arc::new(Mutex::new(None::<JoinHandle<()>>));
    let given = own.clone();
    let task = runtime_way.spawn(counts.count(async move {
        until(|| given.lock().unwrap().is_some()).await;
        let own = given.lock().unwrap().take().unwrap();
        own.await.unwrap();
    }));
    let abort = task.abort_handle();
    *own.lock().unwrap() = Some(task);
    abort
}

#[test]
fn tsk_17_a_task_that_joins_itself_hangs_itself_alone_and_can_be_aborted() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for way in WAYS {
            let counts = Counts::default();
            runtime.block_on(async {
                let knot = knot(way, &counts);
                for n in 0..100 {
                    assert_eq!(mainspring::spawn(async move { n }).await.unwrap(), n);
                }
                assert!(!knot.is_finished(), "{flavour}, {way:?}");
                knot.abort();
                until(|| knot.is_finished()).await;
            });
            assert_eq!(counts.futures_dropped(), 1, "{flavour}, {way:?}");
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_17_a_task_that_joins_itself_does_not_outlive_its_runtime() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        runtime.block_on(async {
            for way in WAYS {
                drop(knot(way, &counts));
            }
            for _ in 0..100 {
                yield_now().await;
            }
        });
        drop(runtime);
        assert_eq!(counts.futures_dropped(), 2, "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_17_a_task_that_has_looked_at_its_own_handle_leaves_nothing_behind() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for way in WAYS {
            let own = Arc::new(Mutex::new(None::<JoinHandle<u32>>));
            let given = own.clone();
            let joined = runtime.block_on(async {
                let task = way.spawn(async move {
                    until(|| given.lock().unwrap().is_some()).await;
                    // Its own waker is left in its own handle, which it then gives back.
                    poll_fn(|cx| {
                        assert!(poll_with(given.lock().unwrap().as_mut().unwrap(), cx.waker()).is_pending());
                        Poll::Ready(1)
                    })
                    .await
                });
                let abort = task.abort_handle();
                *own.lock().unwrap() = Some(task);
                until(|| abort.is_finished()).await;
                own.lock().unwrap().take().unwrap()
            });
            assert_eq!(result_of(joined).unwrap(), 1, "{flavour}, {way:?}");
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_17_a_stalled_simulation_names_the_task_that_joins_itself() {
    let runtime = Builder::new_simulated(3).build().unwrap();
    let (named, line) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU32::new(0)));
    static AWAITED: AtomicU32 = AtomicU32::new(0);
    let awaited = &AWAITED;
    let stalled = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let own = Arc::new(Mutex::new(None::<JoinHandle<()>>));
            let given = own.clone();
            let builder = TaskBuilder::new().name("ouroboros");
            line.store(line!() + 1, Ordering::SeqCst);
            let task = builder.spawn(async move {
                until(|| given.lock().unwrap().is_some()).await;
                let own = given.lock().unwrap().take().unwrap();
                awaited.store(line!() + 1, Ordering::SeqCst);
                own.await.unwrap();
            });
            *named.lock().unwrap() = Some(task.id());
            *own.lock().unwrap() = Some(task);
            pending::<()>().await;
        });
    }));
    let report = message_of(stalled.expect_err("nothing can ever happen again"));
    let id = named.lock().unwrap().unwrap();
    let place = |line: &AtomicU32| format!("{}:{}:", file!(), line.load(Ordering::SeqCst));
    let named = report.lines().find(|line| line.contains("\"ouroboros\"")).expect(&report);
    assert!(named.contains(&format!("task {id} \"ouroboros\", spawned at {}", place(&line))), "{report}");
    assert!(named.contains(&format!("waits for task {id}, at {}", place(awaited))), "{report}");
}

#[test]
fn tsk_18_a_task_that_drops_its_own_handle_runs_to_its_end_and_its_output_is_dropped_once() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for way in WAYS {
            for polls_it_first in [false, true] {
                let counts = Counts::default();
                let (output, own) = (counts.output(), Arc::new(Mutex::new(None::<JoinHandle<super::Output>>)));
                let given = own.clone();
                runtime.block_on(async {
                    let task = way.spawn(counts.count(async move {
                        until(|| given.lock().unwrap().is_some()).await;
                        let mut own = given.lock().unwrap().take().unwrap();
                        if polls_it_first {
                            assert!(poll_fn(|cx| Poll::Ready(poll_with(&mut own, cx.waker()).is_pending())).await);
                        }
                        drop(own);
                        yield_now().await;
                        output
                    }));
                    *own.lock().unwrap() = Some(task);
                    until(|| counts.outputs_dropped() == 1).await;
                });
                assert_eq!(counts.futures_dropped(), 1, "{flavour}, {way:?}");
                assert_eq!(counts.outputs_dropped(), 1, "{flavour}, {way:?}");
            }
        }
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn a_handle_knows_its_task_and_says_when_it_is_done() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let task = TaskBuilder::new().name("worker bee").spawn(async { mainspring::task::id() });
            let (id, abort) = (task.id(), task.abort_handle());
            assert_eq!((task.name(), abort.id()), (Some("worker bee"), id), "{flavour}");
            let shown = format!("{task:?}");
            assert!(shown.contains("worker bee") && shown.contains(file!()), "{flavour}: {shown}");
            until(|| task.is_finished()).await;
            assert!(abort.is_finished());
            assert_eq!(task.await.unwrap(), id, "{flavour}");
            let other = mainspring::spawn(async {});
            assert_ne!(other.id(), id, "{flavour}: numbers are not used twice");
            assert_eq!(other.name(), None);
        });
    }
}
