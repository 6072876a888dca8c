//! `block_in_place`: the core goes to another thread, and what belongs to this one stays.
//!
//! Cases of the catalogue: BLK-05, BLK-06, SCH-12, SHD-02, MIS-02. That the system gives no thread stands in
//! `tests/real/refused.rs`.

use super::{PATIENCE, message_of, panic_quietly, until};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{JoinHandle, block_in_place, spawn_blocking, yield_now};
use mainspring::time::{Duration, sleep};
use mainspring::{spawn, spawn_local, task};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;

fn with_workers(workers: usize) -> Runtime {
    Builder::new_multi_thread().workers(workers).build().unwrap()
}

/// Blocks until another task of the runtime has run, which needs a worker.
pub(crate) fn wait_for_a_task() -> u32 {
    let (send, receive) = mpsc::channel();
    drop(spawn(async move {
        sleep(Duration::from_millis(1)).await;
        send.send(7).unwrap();
    }));
    receive.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_task_in_place_does_not_hold_up_the_only_worker() {
    for workers in [1, 2, 4] {
        let runtime = with_workers(workers);
        // More of them than there are workers.
        let all: Vec<_> = (0..10).map(|_| runtime.spawn(async { block_in_place(wait_for_a_task) })).collect();
        runtime.block_on(async {
            for one in all {
                assert_eq!(one.await.unwrap(), 7, "{workers} workers");
            }
        });
    }
}

#[test]
fn the_main_future_may_be_in_place_and_goes_on_with_a_core() {
    for workers in [1, 2] {
        let runtime = with_workers(workers);
        let sum = runtime.block_on(async {
            let mut sum = 0;
            for _ in 0..20 {
                sum += block_in_place(wait_for_a_task);
                sum += spawn(async { 1 }).await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 160);
    }
}

#[test]
fn tasks_of_the_thread_stay_with_it() {
    for workers in [1, 2] {
        with_workers(workers).block_on(async {
            let here = thread::current().id();
            let other = spawn_local(async move {
                let mut seen = BTreeSet::new();
                for _ in 0..20 {
                    seen.insert(thread::current().id() == here);
                    sleep(Duration::from_micros(100)).await;
                }
                seen
            });
            let blocker = spawn_local(async move {
                let mut sum = 0;
                for _ in 0..20 {
                    sum += block_in_place(wait_for_a_task);
                    assert_eq!(thread::current().id(), here);
                    yield_now().await;
                }
                sum
            });
            assert_eq!(blocker.await.unwrap(), 140);
            assert_eq!(other.await.unwrap(), BTreeSet::from([true]));
        });
    }
}

#[test]
fn a_worker_s_own_tasks_go_on_while_it_stands_in_line_for_a_core() {
    let runtime = with_workers(1);
    let (blocked, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (has_blocked, is_over) = (blocked.clone(), over.clone());
    let ticks = runtime.spawn(async move {
        let here = thread::current().id();
        let ticks = Arc::new(AtomicUsize::new(0));
        let count = ticks.clone();
        drop(spawn_local(async move {
            loop {
                sleep(Duration::from_millis(1)).await;
                assert_eq!(thread::current().id(), here, "it is not Send");
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
        block_in_place(wait_for_a_task);
        has_blocked.store(true, Ordering::SeqCst);
        ticks
    });
    let ticks = drive(ticks).unwrap();
    assert!(blocked.load(Ordering::SeqCst));
    // The one core is another thread's now, and kept busy there.
    let busy = runtime.spawn(async move {
        while !is_over.load(Ordering::SeqCst) {
            yield_now().await;
        }
    });
    let before = ticks.load(Ordering::SeqCst);
    let waited = std::time::Instant::now();
    while ticks.load(Ordering::SeqCst) < before + 5 {
        assert!(waited.elapsed() < PATIENCE, "the task of the thread without a core is forgotten");
        thread::sleep(Duration::from_millis(1));
    }
    over.store(true, Ordering::SeqCst);
    drive(busy).unwrap();
    assert!(runtime.shutdown_timeout(PATIENCE).is_complete());
    assert_eq!(Arc::strong_count(&ticks), 1, "it was dropped with its thread");
}

/// Waits on a thread of the test's own.
pub(crate) fn drive<T: Send>(handle: JoinHandle<T>) -> Result<T, task::JoinError> {
    let waited = std::time::Instant::now();
    while !handle.is_finished() {
        assert!(waited.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    super::result_of(handle)
}

#[test]
fn blk_05_mis_02_in_place_a_task_may_block_on_and_elsewhere_it_may_not() {
    for workers in [1, 2] {
        let runtime = with_workers(workers);
        let sum = runtime.block_on(async {
            let in_main = block_in_place(|| Handle::current().block_on(async { spawn(async { 1 }).await.unwrap() }));
            let in_task = spawn(async {
                block_in_place(|| {
                    Handle::current().block_on(async {
                        sleep(Duration::from_millis(1)).await;
                        spawn(async { 10 }).await.unwrap() + spawn_local(async { 100 }).await.unwrap()
                    })
                })
            });
            in_main + in_task.await.unwrap() + spawn(async { 1_000 }).await.unwrap()
        });
        assert_eq!(sum, 1_111);
        let error = drive(runtime.spawn(async {
            block_in_place(|| ());
            Handle::current().block_on(async {});
        }));
        assert!(message_of(error.unwrap_err().into_panic()).contains("block_in_place"), "it is over by then");
    }
}

#[test]
fn blk_06_nested_three_deep_with_one_worker_it_ends() {
    // Each level's closure is in place, and waits for a task that is in place itself, with nobody but the spares to run it.
    fn nested(depth: u32) -> u32 {
        block_in_place(|| {
            block_in_place(|| ()); // within itself it just runs
            if depth == 0 {
                return wait_for_a_task();
            }
            Handle::current().block_on(spawn(async move { nested(depth - 1) })).unwrap() + 1
        })
    }
    assert_eq!(drive(with_workers(1).spawn(async { nested(3) })).unwrap(), 10);
    let runtime = with_workers(1);
    let all = runtime.spawn(async {
        block_in_place(|| {
            let inner = spawn(async {
                block_in_place(|| Handle::current().block_on(spawn(async { block_in_place(wait_for_a_task) })).unwrap())
            });
            Handle::current().block_on(inner).unwrap()
        })
    });
    assert_eq!(drive(all).unwrap(), 7);
}

#[test]
fn a_panic_in_place_reaches_the_joiner_a_thousand_times() {
    let runtime = with_workers(2);
    runtime.block_on(async {
        for n in 0..1_000 {
            let task = spawn(async move { block_in_place(|| panic_quietly(format!("number {n}"))) });
            let error = task.await.map(|never: ()| never).unwrap_err();
            assert_eq!(message_of(error.into_panic()), format!("number {n}"));
        }
        let caught = std::panic::catch_unwind(|| block_in_place(|| panic_quietly("caught")));
        assert!(caught.is_err());
        assert_eq!(block_in_place(wait_for_a_task), 7);
    });
}

#[test]
fn where_there_is_no_worker_to_hand_over_it_runs_or_says_what_to_do() {
    assert_eq!(block_in_place(|| 1), 1, "outside");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(spawn_blocking(|| block_in_place(|| 2)).await.unwrap(), 2, "in a job");
        let error = spawn(async { block_in_place(|| 3) }).await.unwrap_err();
        assert!(message_of(error.into_panic()).contains("spawn_blocking"));
    });
    let simulated = Builder::new_simulated(1).build().unwrap();
    assert_eq!(simulated.block_on(async { spawn(async { block_in_place(|| 4) }).await.unwrap() }), 4);
    let error = std::panic::catch_unwind(|| {
        let runtime = with_workers(1);
        runtime.block_on(async { block_in_place(|| runtime.run(async {})) });
    });
    assert!(message_of(error.unwrap_err()).contains("would wait for the task around it"));
}

#[test]
fn an_abort_in_place_takes_effect_when_the_task_waits() {
    let runtime = with_workers(1);
    let (begun, has_begun) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let passed = Arc::new(AtomicBool::new(false));
    let mark = passed.clone();
    let task = runtime.spawn(async move {
        block_in_place(|| {
            begun.send(()).unwrap();
            let _ = gate.recv();
        });
        mark.store(true, Ordering::SeqCst);
        pending::<()>().await;
    });
    has_begun.recv_timeout(PATIENCE).unwrap();
    task.abort();
    assert!(!task.is_finished());
    drop(open);
    assert!(drive(task).unwrap_err().is_cancelled());
    assert!(passed.load(Ordering::SeqCst));
}

#[test]
fn a_wake_in_place_is_not_lost_although_another_future_was_driven_meanwhile() {
    let runtime = with_workers(1);
    let task = runtime.spawn(async {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(());
            }
            block_in_place(|| {
                cx.waker().wake_by_ref();
                Handle::current().block_on(async { yield_now().await });
            });
            Poll::Pending
        })
        .await;
        polls
    });
    assert_eq!(drive(task).unwrap(), 3);
}

#[test]
fn a_shutdown_names_a_task_in_place_and_one_that_is_patient_waits_for_it() {
    for workers in [1, 2] {
        let runtime = with_workers(workers);
        let (begun, has_begun) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let inside = runtime.enter();
        let task = task::Builder::new().name("glacier").spawn(async move {
            block_in_place(|| {
                begun.send(()).unwrap();
                let _ = gate.recv();
            });
        });
        drop(inside);
        has_begun.recv_timeout(PATIENCE).unwrap();
        let report = runtime.shutdown_timeout(Duration::from_millis(50));
        assert!(!report.is_complete());
        assert!(report.stuck().iter().any(|stuck| stuck.name() == Some("glacier")), "{report}");
        drop(open);
        drive(task).expect("its closure returned, and so did its one poll");

        let runtime = with_workers(workers);
        let (begun, has_begun) = mpsc::channel();
        let task = runtime.spawn(async move {
            block_in_place(|| {
                begun.send(()).unwrap();
                thread::sleep(Duration::from_millis(20));
                Handle::current().block_on(async { yield_now().await });
            });
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        let report = runtime.shutdown_timeout(PATIENCE);
        assert!(report.is_complete(), "{report}");
        assert!(task.is_finished());
    }
}

#[test]
fn shd_02_a_runtime_dropped_in_place_does_not_wait_for_itself() {
    for workers in [1, 2] {
        let (runtime, watch) =
            super::Watch::build(Builder::new_multi_thread().workers(workers).shutdown_timeout(PATIENCE));
        let handle = runtime.handle().clone();
        let task = handle.spawn(async move { block_in_place(move || drop(runtime)) });
        drive(task).unwrap();
        drop(handle);
        watch.assert_freed();
    }
}

#[test]
fn run_waits_for_tasks_in_place() {
    let runtime = with_workers(2);
    let ended = Arc::new(AtomicUsize::new(0));
    runtime.run(async {
        for _ in 0..20 {
            let ended = ended.clone();
            drop(spawn(async move {
                block_in_place(|| thread::sleep(Duration::from_millis(2)));
                ended.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                ended.fetch_add(1, Ordering::SeqCst);
            }));
        }
    });
    assert_eq!(ended.load(Ordering::SeqCst), 40);
}

#[test]
fn spare_threads_are_bounded_and_retire() {
    let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = |counter: &Arc<AtomicUsize>| {
        let counter = counter.clone();
        move || _ = counter.fetch_add(1, Ordering::SeqCst)
    };
    let runtime = Builder::new_multi_thread()
        .workers(2)
        .max_blocking_threads(3)
        .thread_keep_alive(Duration::from_millis(5))
        .on_thread_start(count(&started))
        .on_thread_stop(count(&stopped))
        .build()
        .unwrap();
    let names = Arc::new(Mutex::new(BTreeSet::new()));
    let (all, gate) = (runtime.handle().clone(), Arc::new(AtomicBool::new(false)));
    let blockers: Vec<_> = (0..20)
        .map(|_| {
            let (names, gate) = (names.clone(), gate.clone());
            all.spawn(async move {
                block_in_place(|| {
                    names.lock().unwrap().insert(thread::current().name().unwrap().to_owned());
                    while !gate.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            })
        })
        .collect();
    // Two workers and three spares are in place in the end; the others wait for a thread.
    let waited = std::time::Instant::now();
    while names.lock().unwrap().len() < 5 {
        assert!(waited.elapsed() < PATIENCE, "{:?}", names.lock().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    let alive = started.load(Ordering::SeqCst) - stopped.load(Ordering::SeqCst);
    assert_eq!(alive, 5, "two workers and three spares, all in place");
    gate.store(true, Ordering::SeqCst);
    for blocker in blockers {
        drive(blocker).unwrap();
    }
    while started.load(Ordering::SeqCst) - stopped.load(Ordering::SeqCst) > 2 {
        assert!(waited.elapsed() < PATIENCE, "spares stay for ever");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(drive(runtime.spawn(async { block_in_place(wait_for_a_task) })).unwrap(), 7);
    drop(runtime);
    assert_eq!(started.load(Ordering::SeqCst), stopped.load(Ordering::SeqCst));
}

#[test]
fn sch_12_under_load_nothing_is_lost_and_nobody_is_held_up() {
    for workers in [1, 2, 4] {
        let runtime = with_workers(workers);
        let sum: usize = runtime.block_on(async {
            let gate = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..200)
                .map(|n| {
                    let gate = gate.clone();
                    spawn(async move {
                        for round in 0..20 {
                            match (n + round) % 5 {
                                0 => block_in_place(|| thread::sleep(Duration::from_micros(50))),
                                1 => sleep(Duration::from_micros(100)).await,
                                2 => assert_eq!(spawn(async { 3 }).await.unwrap(), 3),
                                3 => assert_eq!(
                                    block_in_place(|| Handle::current().block_on(spawn(async { 4 }))).unwrap(),
                                    4
                                ),
                                _ => yield_now().await,
                            }
                        }
                        gate.fetch_add(1, Ordering::SeqCst);
                        n
                    })
                })
                .collect();
            let all = gate.clone();
            let local = spawn_local(async move { until(|| all.load(Ordering::SeqCst) == 200).await });
            let mut sum = 0;
            for (n, task) in tasks.into_iter().enumerate() {
                if n % 10 == 0 {
                    block_in_place(|| thread::sleep(Duration::from_micros(50)));
                }
                sum += task.await.unwrap();
            }
            local.await.unwrap();
            sum
        });
        assert_eq!(sum, 199 * 200 / 2);
        assert!(runtime.shutdown_timeout(PATIENCE).is_complete());
    }
}
