//! The end of a runtime as far as it is logic: who is cancelled, who hears of it, and what the report says. Ends that race
//! with threads, sockets or the clock are in `tests/real`. Whatever is done with a handle after the end runs in a process of
//! its own: it was a use after free once, and may not take the other tests along.
//!
//! Cases of the catalogue: SHD-02, SHD-04.

use super::{Watch, builders, in_child, message_of, panic_quietly, result_of, runtimes};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{CancelCause, JoinHandle, yield_now};
use mainspring::time::{Duration, sleep};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// Long enough for whatever the tests here leave to be ended.
const AMPLE: Duration = Duration::from_secs(60);

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (Arc<AtomicUsize>, impl Fn() -> Counted) {
    let count = Arc::new(AtomicUsize::new(0));
    let made = count.clone();
    (count, move || Counted(made.clone()))
}

/// A future that holds something for ever.
async fn hold<T>(held: T) {
    pending::<()>().await;
    drop(held);
}

#[test]
fn after_shutdown_a_spawn_gives_a_cancelled_handle_and_drops_the_future_once() {
    in_child(|| {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            let handle = runtime.handle().clone();
            assert!(runtime.shutdown_timeout(AMPLE).is_complete());
            for round in 1..=3 {
                let (drops, counted) = counter();
                let held = counted();
                let task = handle.spawn(async move { drop(held) });
                assert_eq!(drops.load(Ordering::SeqCst), 1, "{flavour}: dropped at once");
                let error = result_of(task).expect_err("nobody runs it");
                assert_eq!(
                    (error.cancel_cause(), error.had_started()),
                    (Some(CancelCause::Shutdown), false),
                    "{flavour}"
                );
                assert_eq!(drops.load(Ordering::SeqCst), 1, "{flavour}: and once only, in round {round}");
            }
            drop(handle);
            watch.assert_freed();
        }
    });
}

#[test]
fn after_shutdown_block_on_polls_its_future_alone() {
    in_child(|| {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            let handle = runtime.handle().clone();
            drop(runtime);
            let steps = handle.block_on(async {
                for _ in 0..200 {
                    yield_now().await;
                }
                let error = mainspring::spawn(async {}).await.expect_err("nobody runs it");
                assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown), "{flavour}");
                // What belongs to this thread needs no runtime.
                mainspring::spawn_local(async { 200 }).await.unwrap()
            });
            assert_eq!(steps, 200, "{flavour}");
            let outcome = catch_unwind(AssertUnwindSafe(|| handle.block_on(async { sleep(AMPLE).await })));
            let said = message_of(outcome.expect_err("nobody would wake it"));
            assert!(said.contains("its runtime has shut down"), "{flavour}: {said}");
            drop(handle);
            watch.assert_freed();
        }
    });
}

#[test]
fn shd_02_a_runtime_dropped_inside_its_own_task_ends_behind_it() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (drops, counted) = counter();
        let sibling = runtime.spawn(hold(counted()));
        let handle = runtime.handle().clone();
        let task_held = counted();
        handle.block_on(async {
            let task = mainspring::spawn(async move {
                yield_now().await;
                drop(runtime);
                // Its own poll goes on to its end or its next wait.
                drop(task_held);
                pending::<()>().await;
            });
            let error = task.await.expect_err("it was cancelled by the shutdown that it began");
            assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown), "{flavour}");
            let error = sibling.await.expect_err("so was everybody else");
            assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown), "{flavour}");
        });
        assert_eq!(drops.load(Ordering::SeqCst), 2, "{flavour}");
        drop(handle);
        watch.assert_freed();
    }
}

#[test]
fn shd_02_waiting_for_one_s_own_end_is_refused_with_the_cure() {
    in_child(|| {
        for (flavour, runtime) in runtimes() {
            let handle = runtime.handle().clone();
            handle.block_on(async {
                let outcome = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_timeout(AMPLE)));
                let said = message_of(outcome.map(drop).expect_err("it would wait for itself"));
                assert!(said.contains("call it outside, or drop the runtime"), "{flavour}: {said}");
            });
            // The runtime was dropped by that call, inside its own task, so it has ended all the same.
            let error = result_of(handle.spawn(async {})).expect_err("it has ended");
            assert!(error.is_cancelled(), "{flavour}");
        }
    });
}

#[test]
fn shd_04_a_task_elsewhere_that_joins_one_of_a_runtime_that_ends_hears_of_it() {
    for (flavour, ends) in runtimes() {
        let lives = Builder::new_current_thread().build().unwrap();
        let (drops, counted) = counter();
        let doomed = ends.spawn(hold(counted()));
        let waiter = lives.spawn(async move { doomed.await.expect_err("it was cancelled").cancel_cause() });
        lives.block_on(yield_now());
        drop(ends);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "{flavour}");
        assert_eq!(lives.block_on(waiter).unwrap(), Some(CancelCause::Shutdown), "{flavour}");
    }
}

/// Spawns more of itself when it is dropped.
struct SpawnsInDrop {
    handle: Handle,
    generations: usize,
    counted: Counted,
    errors: Arc<Mutex<Vec<bool>>>,
}

impl Drop for SpawnsInDrop {
    fn drop(&mut self) {
        if self.generations == 0 {
            return;
        }
        let child = || Self {
            handle: self.handle.clone(),
            generations: self.generations - 1,
            counted: Counted(self.counted.0.clone()),
            errors: self.errors.clone(),
        };
        // By the handle, and in the place where the drop runs.
        let tasks: [JoinHandle<()>; 2] = [self.handle.spawn(hold(child())), mainspring::spawn(hold(child()))];
        let ended = tasks.iter().all(JoinHandle::is_finished);
        self.errors.lock().unwrap().push(ended);
    }
}

#[test]
fn shd_02_what_is_spawned_while_tasks_are_dropped_is_dropped_too() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (drops, counted) = counter();
        let errors = Arc::new(Mutex::new(Vec::new()));
        let handle = runtime.handle().clone();
        let root = SpawnsInDrop { handle, generations: 4, counted: counted(), errors: errors.clone() };
        drop(runtime.spawn(hold(root)));
        runtime.block_on(yield_now());
        let report = runtime.shutdown_timeout(AMPLE);
        assert!(report.is_complete(), "{flavour}: {report}");
        assert_eq!(drops.load(Ordering::SeqCst), 1 + 2 + 4 + 8 + 16, "{flavour}: each once");
        assert_eq!(errors.lock().unwrap().len(), 15, "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn a_panic_in_a_drop_at_shutdown_is_told_and_stops_nobody() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic_quietly("in a drop")
        }
    }
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (drops, counted) = counter();
        drop(runtime.spawn(hold(counted())));
        let joined = runtime.spawn(hold(Panics));
        drop(runtime.spawn(hold(Panics)));
        drop(runtime.spawn(hold(counted())));
        runtime.block_on(yield_now());
        assert!(runtime.shutdown_timeout(AMPLE).is_complete(), "{flavour}");
        assert_eq!(drops.load(Ordering::SeqCst), 2, "{flavour}");
        assert_eq!(message_of(result_of(joined).expect_err("it panicked").into_panic()), "in a drop", "{flavour}");
        assert_eq!(watch.seen(), ["in a drop"], "{flavour}: of the one that nobody joins");
        watch.assert_freed();
    }
}

/// A runtime with three tasks of different kinds: one waits, one has never run, one has ended.
fn with_three_tasks(runtime: &Runtime) -> u32 {
    let line = line!() + 1;
    drop(mainspring::task::Builder::new().name("sleeper").spawn_on(async { sleep(AMPLE).await }, runtime.handle()));
    drop(runtime.spawn(async {}));
    runtime.block_on(async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
    line
}

#[test]
fn the_report_names_each_task_that_was_cancelled_with_its_place_and_what_it_waited_for() {
    for (flavour, runtime) in runtimes() {
        if flavour == "multi thread" {
            continue; // When its workers run what is spawned is for them to say; see the next test.
        }
        let line = with_three_tasks(&runtime);
        let report = runtime.shutdown_timeout(AMPLE);
        assert!(report.is_complete() && report.stuck().is_empty(), "{flavour}: {report}");
        assert_eq!(report.cancelled_count(), 1, "{flavour}: {report}");
        let [sleeper] = report.cancelled() else { panic!("{flavour}: {report}") };
        assert_eq!(sleeper.name(), Some("sleeper"), "{flavour}");
        let place = sleeper.spawned_at().expect("it can be read");
        assert_eq!((place.file(), place.line()), (file!(), line), "{flavour}");
        assert!(sleeper.waiting_for().contains("timer"), "{flavour}: {}", sleeper.waiting_for());
        assert!(sleeper.waiting_for().contains(&format!("{}:{line}", file!())), "{flavour}: {}", sleeper.waiting_for());
        let text = report.to_string();
        assert!(text.contains("everything has ended") && text.contains("\"sleeper\""), "{flavour}: {text}");
    }
}

#[test]
fn the_report_counts_tasks_that_were_never_polled() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (drops, counted) = counter();
        for _ in 0..150 {
            drop(runtime.spawn(hold(counted())));
        }
        // Nobody has been in `block_on`, and workers have had no time to see them all.
        let report = runtime.shutdown_timeout(AMPLE);
        assert_eq!(report.cancelled_count(), 150, "{flavour}");
        assert_eq!(report.cancelled().len(), 100, "{flavour}: a hundred of them are described");
        assert!(report.to_string().contains("and 50 more"), "{flavour}");
        assert_eq!(drops.load(Ordering::SeqCst), 150, "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn shutdown_wakes_whoever_sleeps_by_the_runtime_s_timers_elsewhere() {
    for (flavour, runtime) in runtimes() {
        let (drops, counted) = counter();
        let bell = std::task::Waker::from(Arc::new(Rings(counted())));
        let inside = runtime.enter();
        let mut nap = Box::pin(sleep(AMPLE));
        let polled = nap.as_mut().poll(&mut std::task::Context::from_waker(&bell));
        assert!(polled.is_pending(), "{flavour}");
        drop(inside);
        drop(bell);
        assert_eq!(drops.load(Ordering::SeqCst), 0, "{flavour}: the timer holds the waker");
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "{flavour}: and the end has taken it out");
    }
}

/// A waker that does nothing but own something.
struct Rings(#[expect(dead_code, reason = "is dropped with the waker")] Counted);

impl std::task::Wake for Rings {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_task_that_wakes_itself_for_ever_is_ended_by_the_shutdown() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (drops, counted) = counter();
        for _ in 0..10 {
            let held = counted();
            drop(runtime.spawn(poll_fn(move |cx| {
                let _held = &held;
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })));
        }
        runtime.block_on(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        let report = runtime.shutdown_timeout(AMPLE);
        assert!(report.is_complete(), "{flavour}");
        assert_eq!((report.cancelled_count(), drops.load(Ordering::SeqCst)), (10, 10), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn whom_a_sibling_cancels_before_its_home_has_noted_it_is_in_the_report_and_once() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let home = runtime.spawn(async move {
        // Born here, and run by the other worker, since this one does not come back before it is dropped.
        let (goes, gone) = std::sync::mpsc::channel::<()>();
        let guest = async move {
            let _goes = goes;
            begun.send(()).unwrap();
            loop {
                yield_now().await;
            }
        };
        drop(mainspring::task::Builder::new().name("guest").spawn(guest));
        assert!(gone.recv().is_err(), "nobody sends anything");
        pending::<()>().await;
    });
    has_begun.recv_timeout(AMPLE).unwrap();
    let report = runtime.shutdown_timeout(AMPLE);
    assert!(report.is_complete(), "{report}");
    let guests = report.cancelled().iter().filter(|task| task.name() == Some("guest")).count();
    assert_eq!((guests, report.cancelled_count()), (1, 2), "{report}");
    assert!(result_of(home).is_err());
}

#[test]
fn a_report_counts_each_task_once_while_they_move_between_the_workers() {
    for _ in 0..100 {
        let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
        let restless = || async {
            loop {
                yield_now().await;
            }
        };
        (0..300).for_each(|_| drop(runtime.spawn(restless())));
        let report = runtime.shutdown_timeout(AMPLE);
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.cancelled_count(), 300, "{report}");
    }
}
