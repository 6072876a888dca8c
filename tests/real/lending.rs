//! How cores pass between the runtime's own threads and those in `block_on`, and what `run` waits for.
//!
//! Cases of the catalogue: SCH-14.

use crate::kit::{Gate, Load, Stopper, current_thread, everywhere, join_all, multi_thread, timer};
use crate::probe::eventually;
use mainspring::runtime::Runtime;
use mainspring::task::{Builder, yield_now};
use mainspring::time::sleep;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

cases! { CASES:
    60 => [
        eight_threads_in_block_on_share_two_cores,
        a_block_on_takes_the_core_of_a_worker_that_sleeps,
        a_block_on_goes_on_by_itself_while_every_worker_is_stuck_and_takes_the_first_core_freed,
        a_block_on_without_a_core_hears_its_own_timers,
        a_core_handed_to_a_thread_that_is_stuck_is_looked_after_by_the_others,
        a_block_on_without_a_core_that_blocks_plainly_is_handed_none,
        run_waits_for_tasks_and_not_for_daemons,
        run_returns_although_a_daemon_keeps_every_worker_busy,
        two_runs_at_once_both_return,
        sch_14_two_runtimes_that_await_each_other_end_in_either_order,
    ],
}

/// Far more than any hand-over takes.
const LONG: Duration = Duration::from_secs(5);

fn eight_threads_in_block_on_share_two_cores() {
    everywhere(&[1, 2], |runtime| {
        let sums: Vec<u64> = thread::scope(|scope| {
            let guests: Vec<_> = (0..8)
                .map(|guest| {
                    scope.spawn(move || {
                        (0..50)
                            .map(|round| {
                                runtime.block_on(async move {
                                    let far = mainspring::spawn(async move {
                                        yield_now().await;
                                        guest
                                    });
                                    let near = mainspring::spawn_local(async move { round });
                                    sleep(Duration::from_micros(50)).await;
                                    far.await.expect("no panic") + near.await.expect("no panic")
                                })
                            })
                            .sum()
                    })
                })
                .collect();
            guests.into_iter().map(|guest| guest.join().expect("no panic")).collect()
        });
        let expected: Vec<u64> = (0..8).map(|guest| 50 * guest + 49 * 50 / 2).collect();
        assert_eq!(sums, expected);
    });
}

/// Does what this thread spawns run on this thread, sooner or later?
async fn gets_a_core() -> bool {
    let here = thread::current().id();
    for _ in 0..1_000 {
        if mainspring::spawn(async { thread::current().id() }).await.expect("no panic") == here {
            return true;
        }
        sleep(Duration::from_millis(1)).await;
    }
    false
}

fn a_block_on_takes_the_core_of_a_worker_that_sleeps() {
    for workers in [2, 4, 1] {
        let runtime = multi_thread(workers);
        for _ in 0..3 {
            // All workers sleep by then.
            thread::sleep(Duration::from_millis(50));
            assert!(runtime.block_on(gets_a_core()), "with {workers} workers, all idle, no core was lent");
        }
    }
    // Another guest sleeps with one core, the second worker with the other.
    let (runtime, over) = (multi_thread(2), Gate::new());
    thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(over.wait()));
        eventually("the other guest waits", || over.waiting() > 0);
        thread::sleep(Duration::from_millis(50));
        assert!(runtime.block_on(gets_a_core()), "beside another guest no core was lent");
        over.open();
    });
}

/// Blocks every worker; gives what lets them go.
fn block_all(runtime: &Runtime, workers: usize) -> Stopper {
    let mut stopper = Stopper::new();
    let blocked = Arc::new(AtomicUsize::new(0));
    for _ in 0..workers {
        let (block, blocked) = (stopper.block(), blocked.clone());
        drop(runtime.spawn(async move {
            blocked.fetch_add(1, Ordering::SeqCst);
            block();
        }));
    }
    eventually("every worker is stuck", || blocked.load(Ordering::SeqCst) == workers);
    stopper
}

fn a_block_on_goes_on_by_itself_while_every_worker_is_stuck_and_takes_the_first_core_freed() {
    for workers in [1, 2] {
        let runtime = multi_thread(workers);
        let mut stopper = block_all(&runtime, workers);
        let (ran, started) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (has_run, has_started) = (ran.clone(), started.clone());
        thread::scope(|scope| {
            let guest = scope.spawn(|| {
                runtime.block_on(async {
                    let spawned = mainspring::spawn(async move { has_run.store(true, Ordering::SeqCst) });
                    for _ in 0..100 {
                        yield_now().await;
                    }
                    assert_eq!(mainspring::spawn_local(async { 7 }).await.expect("no panic"), 7);
                    has_started.store(true, Ordering::SeqCst);
                    spawned.await.expect("no panic");
                    gets_a_core().await
                })
            });
            eventually("the main future goes on by itself", || started.load(Ordering::SeqCst));
            assert!(!ran.load(Ordering::SeqCst), "a task ran although every core is stuck");
            stopper.release_one();
            assert!(guest.join().expect("no panic"), "a core was freed, and not lent");
        });
        assert!(ran.load(Ordering::SeqCst));
    }
}

fn a_block_on_without_a_core_hears_its_own_timers() {
    for workers in [1, 2] {
        let runtime = multi_thread(workers);
        let stopper = block_all(&runtime, workers);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(async { sleep(Duration::from_millis(5)).await });
                // Nobody listens any more if it took too long.
                let _ = tell.send(());
            });
            let outcome = told.recv_timeout(Duration::from_secs(1));
            drop(stopper);
            assert_eq!(outcome, Ok(()), "with {workers} workers, all stuck, a sleep in `block_on` did not end");
        });
    }
}

fn a_core_handed_to_a_thread_that_is_stuck_is_looked_after_by_the_others() {
    let runtime = multi_thread(2);
    let mut stopper = Stopper::new();
    let (tell, told) = mpsc::channel();
    for _ in 0..2 {
        let (mut block, tell) = (Some(stopper.block()), tell.clone());
        // A timer with the driver of each worker, and each worker is stuck.
        drop(runtime.spawn(poll_fn(move |_| {
            tell.send(timer()).expect("the case listens");
            block.take().expect("it is polled once")();
            Poll::Ready(())
        })));
    }
    let timers = [(); 2].map(|()| told.recv_timeout(LONG).expect("both workers are free"));
    let stuck = stopper.block();
    let alone = Arc::new(AtomicBool::new(false));
    let (guest, begun) = (runtime.handle().clone(), alone.clone());
    let guest = thread::spawn(move || {
        guest.block_on(async move {
            begun.store(true, Ordering::SeqCst);
            stuck();
        });
    });
    eventually("the guest is stuck, without a core", || alone.load(Ordering::SeqCst));
    // The first worker that has nothing to do hands its core to the guest, which cannot take it.
    stopper.release_one();
    stopper.release_one();
    let heard = timers.map(|(_nap, heard)| heard.recv_timeout(Duration::from_secs(1)).is_ok());
    let tasks: Vec<_> = (0..100).map(|_| runtime.spawn(async {})).collect();
    let started = Instant::now();
    while tasks.iter().any(|task| !task.is_finished()) && started.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(1));
    }
    let ran = tasks.iter().filter(|task| task.is_finished()).count();
    drop(stopper);
    guest.join().expect("no panic");
    assert_eq!(heard, [true, true], "nobody turned the driver of the core that was handed over");
    assert_eq!(ran, 100, "some tasks waited for the core that was handed over");
}

fn a_block_on_without_a_core_that_blocks_plainly_is_handed_none() {
    for workers in [1, 2] {
        let runtime = multi_thread(workers);
        let mut stopper = block_all(&runtime, workers);
        let (send, receive) = mpsc::channel();
        let begun = AtomicBool::new(false);
        let (runtime, has_begun) = (&runtime, &begun);
        let heard = thread::scope(|scope| {
            let guest = scope.spawn(move || {
                runtime.block_on(async {
                    has_begun.store(true, Ordering::SeqCst);
                    receive.recv_timeout(LONG)
                })
            });
            eventually("the guest is stuck, without a core", || begun.load(Ordering::SeqCst));
            (0..workers).for_each(|_| stopper.release_one());
            // By then the workers have nothing to do, and would give their cores away.
            thread::sleep(Duration::from_millis(50));
            drop(runtime.spawn(async move { send.send(7).expect("the guest listens") }));
            guest.join().expect("no panic")
        });
        assert_eq!(heard, Ok(7), "with {workers} workers the core went to a thread that is stuck");
    }
}

fn run_waits_for_tasks_and_not_for_daemons() {
    everywhere(&[1, 2], |runtime| {
        let finished = Arc::new(AtomicUsize::new(0));
        let count = |finished: &Arc<AtomicUsize>| finished.fetch_add(1, Ordering::SeqCst);
        let daemon = runtime.run(async {
            for n in 0..10 {
                let (here, grandchild, local) = (finished.clone(), finished.clone(), finished.clone());
                drop(mainspring::spawn(async move {
                    sleep(Duration::from_millis(n)).await;
                    drop(mainspring::spawn(async move {
                        sleep(Duration::from_millis(2)).await;
                        count(&grandchild);
                    }));
                    count(&here);
                }));
                drop(mainspring::spawn_local(async move {
                    sleep(Duration::from_millis(n)).await;
                    count(&local);
                }));
            }
            Builder::new().daemon(true).spawn(pending::<()>()).abort_handle()
        });
        assert_eq!(finished.load(Ordering::SeqCst), 30, "`run` has cut a task off");
        assert!(!daemon.is_finished(), "nobody has ended the daemon");
    });
}

/// Calls `run` on threads of their own, so many at once, and says how many returned in time. It does not wait for those that
/// hang: they end with the process.
fn how_many_runs_return(runtime: &Arc<Runtime>, runs: usize, main: fn(), meanwhile: impl FnOnce()) -> usize {
    let (tell, told) = mpsc::channel();
    for _ in 0..runs {
        let (runtime, tell) = (runtime.clone(), tell.clone());
        thread::spawn(move || {
            runtime.run(async { main() });
            tell.send(()).expect("the case listens");
        });
    }
    meanwhile();
    (0..runs).map_while(|_| told.recv_timeout(LONG).ok()).count()
}

fn run_returns_although_a_daemon_keeps_every_worker_busy() {
    for workers in [1, 2] {
        let runtime = Arc::new(multi_thread(workers));
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 * workers {
            let over = over.clone();
            let daemon = async move {
                while !over.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            };
            drop(Builder::new().daemon(true).spawn_on(daemon, runtime.handle()));
        }
        thread::sleep(Duration::from_millis(20));
        let main = || drop(mainspring::spawn(async { sleep(Duration::from_millis(50)).await }));
        let returned = how_many_runs_return(&runtime, 1, main, || {});
        assert_eq!(
            returned, 1,
            "with {workers} workers, all busy with daemons, `run` did not hear of the last task's end"
        );
        over.store(true, Ordering::Relaxed);
    }
}

fn two_runs_at_once_both_return() {
    for workers in [1, 2, 4] {
        for _ in 0..5 {
            let runtime = Arc::new(multi_thread(workers));
            let gate = Gate::new();
            let task = gate.clone();
            drop(runtime.spawn(async move { task.wait().await }));
            eventually("the task waits", || gate.waiting() > 0);
            let returned = how_many_runs_return(
                &runtime,
                2,
                || {},
                || {
                    thread::sleep(Duration::from_millis(60));
                    gate.open();
                },
            );
            assert_eq!(returned, 2, "with {workers} workers only {returned} of two `run`s returned");
        }
    }
}

fn sch_14_two_runtimes_that_await_each_other_end_in_either_order() {
    let make = |multi| if multi { multi_thread(2) } else { current_thread() };
    for (multi_a, multi_b, a_first) in
        [(true, true, true), (true, true, false), (true, false, true), (false, true, false)]
    {
        let (a, b) = (make(multi_a), make(multi_b));
        let load = Load::on(if multi_a { &a } else { &b }, 4);
        let (in_a, in_b) = (a.handle().clone(), b.handle().clone());
        // Back and forth: a task of A awaits one of B, which awaits one of A.
        let relay = move |n: u64| {
            let (in_a, in_b) = (in_a.clone(), in_b.clone());
            in_a.clone().spawn(async move {
                let there = in_b.spawn(async move { in_a.spawn(async move { n }).await.expect("no panic") + 1 });
                there.await.expect("no panic") + 1
            })
        };
        let tasks: Vec<_> = (0..100).map(relay.clone()).collect();
        let over = Gate::new();
        let outputs = thread::scope(|scope| {
            // A current-thread runtime runs only while somebody is in `block_on`.
            let (guest, other) = if multi_a { (&b, &a) } else { (&a, &b) };
            scope.spawn(|| guest.block_on(over.wait()));
            let outputs = other.block_on(join_all(tasks));
            over.open();
            outputs
        });
        assert!(outputs.into_iter().eq(2..102));
        // Each still has a task that waits for one of the other when it is dropped.
        let (in_a, in_b) = (a.handle().clone(), b.handle().clone());
        let never_a = a.spawn(pending::<()>());
        let never_b = b.spawn(pending::<()>());
        let waits_a = in_a.spawn(async move { never_b.await.is_err() });
        let waits_b = in_b.spawn(async move { never_a.await.is_err() });
        let (first, second) = if a_first { (a, b) } else { (b, a) };
        drop(load);
        drop(first);
        drop(second);
        assert!(waits_a.is_finished() && waits_b.is_finished());
    }
}
