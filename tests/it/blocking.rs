//! Blocking jobs: limits, panics, cancels, and what a job may do.
//!
//! Cases of the catalogue: BLK-01 to BLK-03, BLK-05 to BLK-09. BLK-04 needs a system that refuses threads, and stands in
//! `tests/real/refused.rs`.

use super::{PATIENCE, panic_quietly, runtimes};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{self, CancelCause, JoinHandle, spawn_blocking};
use mainspring::time::{Duration, sleep};
use std::collections::BTreeSet;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

fn limited(threads: usize) -> Runtime {
    Builder::new_multi_thread().workers(2).max_blocking_threads(threads).build().unwrap()
}

/// A job that holds its thread until the sender is used or dropped.
pub(super) fn hold(runtime: &Runtime) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (open, gate) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let job = runtime.handle().spawn_blocking(move || {
        begun.send(()).unwrap();
        let _ = gate.recv();
    });
    has_begun.recv_timeout(PATIENCE).unwrap();
    (open, job)
}

#[test]
fn a_job_gives_its_result_like_a_task_on_every_flavour() {
    for (name, runtime) in runtimes() {
        let text = runtime.block_on(async { spawn_blocking(|| String::from("done")).await });
        assert_eq!(text.unwrap(), "done", "{name}");
    }
}

#[test]
fn blk_01_ten_thousand_jobs_run_on_two_threads_and_no_more() {
    let runtime = limited(2);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads = Arc::new(Mutex::new(BTreeSet::new()));
    let ran = runtime.block_on(async {
        let jobs: Vec<_> = (0..10_000)
            .map(|n| {
                let (now, most, threads) = (now.clone(), most.clone(), threads.clone());
                spawn_blocking(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    threads.lock().unwrap().insert(thread::current().name().unwrap().to_owned());
                    now.fetch_sub(1, Ordering::SeqCst);
                    n
                })
            })
            .collect();
        let mut ran = 0;
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), n);
            ran += 1;
        }
        ran
    });
    assert_eq!(ran, 10_000);
    assert!(most.load(Ordering::SeqCst) <= 2);
    assert!((1..=2).contains(&threads.lock().unwrap().len()));
}

#[test]
fn jobs_that_wait_for_each_other_get_a_thread_each() {
    let runtime = limited(32);
    let meeting = Arc::new(Barrier::new(32));
    runtime.block_on(async {
        let wait = |meeting: Arc<Barrier>| spawn_blocking(move || meeting.wait().is_leader());
        let jobs: Vec<_> = (0..32).map(|_| wait(meeting.clone())).collect();
        for job in jobs {
            job.await.unwrap();
        }
    });
}

#[test]
fn blk_02_jobs_pushed_just_when_idle_threads_leave_all_run() {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(2)
        .thread_keep_alive(Duration::from_micros(300))
        .build()
        .unwrap();
    runtime.block_on(async {
        for n in 0..2_000 {
            assert_eq!(spawn_blocking(move || n).await.unwrap(), n);
            sleep(Duration::from_micros(250 + n % 100)).await;
        }
    });
}

#[test]
fn blk_03_a_thousand_panics_reach_their_joiners_and_cost_no_thread() {
    let runtime = limited(1);
    runtime.block_on(async {
        for n in 0..1_000 {
            let error = spawn_blocking(move || panic_quietly(format!("number {n}"))).await.unwrap_err();
            assert_eq!(*error.into_panic().downcast::<String>().unwrap(), format!("number {n}"));
        }
        assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
    });
}

#[test]
fn blk_05_a_job_may_spawn_block_on_and_sleep() {
    let runtime = limited(4);
    let answer = runtime.block_on(async {
        spawn_blocking(|| {
            let spawned = task::spawn(async { 40 });
            let blocked = Handle::current().block_on(async {
                sleep(Duration::from_millis(1)).await;
                spawned.await.unwrap() + task::spawn(async { 1 }).await.unwrap()
            });
            blocked + Handle::current().block_on(async { 1 })
        })
        .await
    });
    assert_eq!(answer.unwrap(), 42);
}

#[test]
fn blk_06_jobs_that_wait_for_jobs_run_if_there_are_threads_for_all_of_them() {
    let nested = || {
        let handle = Handle::current();
        let inner = spawn_blocking(|| Handle::current().block_on(spawn_blocking(|| 3)).unwrap());
        handle.block_on(inner).unwrap()
    };
    let runtime = limited(3);
    assert_eq!(runtime.block_on(async { spawn_blocking(nested).await.unwrap() }), 3);
}

#[test]
fn blk_06_a_job_that_waits_for_one_that_finds_no_thread_is_freed_by_the_shutdown_and_hears_why() {
    let runtime = limited(1);
    let (begun, has_begun) = mpsc::channel();
    let outer = runtime.handle().spawn_blocking(move || {
        let inner = spawn_blocking(|| 3);
        begun.send(()).unwrap();
        Handle::current().block_on(inner)
    });
    has_begun.recv_timeout(PATIENCE).unwrap();
    assert!(!outer.is_finished(), "its one thread waits for itself");
    let report = runtime.shutdown_timeout(PATIENCE);
    assert!(report.is_complete(), "{report}");
    let error = super::result_of(outer).unwrap().unwrap_err();
    assert_eq!((error.cancel_cause(), error.had_started()), (Some(CancelCause::Shutdown), false));
}

#[test]
fn blk_07_shutdown_names_a_job_that_does_not_return() {
    let runtime = limited(2);
    let (begun, has_begun) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let glacier = move || {
        begun.send(()).unwrap();
        let _ = gate.recv();
    };
    let inside = runtime.enter();
    let line = line!() + 1;
    let job = task::Builder::new().name("glacier").spawn_blocking(glacier);
    drop(inside);
    has_begun.recv_timeout(PATIENCE).unwrap();
    job.abort();
    assert!(!job.is_finished(), "a job that has begun cannot be stopped");
    let report = runtime.shutdown_timeout(Duration::from_millis(20));
    assert!(!report.is_complete());
    let [stuck] = report.stuck() else { panic!("{report}") };
    assert_eq!(stuck.name(), Some("glacier"));
    assert_eq!(stuck.spawned_at().unwrap().line(), line);
    assert!(stuck.waiting_for().contains("blocking job"), "{report}");
    drop(open);
    let other = Runtime::new().unwrap();
    other.block_on(job).expect("it ends by itself, and its output is there");
}

#[test]
fn blk_07_shutdown_waits_for_a_job_that_returns_and_drops_those_that_have_not_begun() {
    let runtime = limited(1);
    let (open, busy) = hold(&runtime);
    let dropped = Arc::new(());
    let held = dropped.clone();
    let waiting = runtime.handle().spawn_blocking(move || drop(held));
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(open);
    });
    let report = runtime.shutdown_timeout(PATIENCE);
    assert!(report.is_complete(), "{report}");
    opener.join().unwrap();
    assert_eq!(Arc::strong_count(&dropped), 1, "the closure is gone");
    let other = Runtime::new().unwrap();
    other.block_on(busy).unwrap();
    let error = other.block_on(waiting).unwrap_err();
    assert_eq!((error.cancel_cause(), error.had_started()), (Some(CancelCause::Shutdown), false));
}

#[test]
fn blk_08_a_job_spawned_after_the_shutdown_is_cancelled_and_its_closure_dropped() {
    let runtime = limited(1);
    let handle = runtime.handle().clone();
    drop(runtime);
    let dropped = Arc::new(());
    let held = dropped.clone();
    let job = handle.spawn_blocking(move || drop(held));
    assert_eq!(Arc::strong_count(&dropped), 1);
    let error = Runtime::new().unwrap().block_on(job).unwrap_err();
    assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown));
}

#[test]
fn blk_09_hooks_names_and_stacks_hold_for_every_thread() {
    let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = |counter: &Arc<AtomicUsize>| {
        let counter = counter.clone();
        move || {
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(thread::current().name().unwrap().starts_with("crew-"));
        }
    };
    let runtime = Builder::new_multi_thread()
        .workers(2)
        .thread_name("crew")
        .thread_stack_size(8 << 20)
        .on_thread_start(count(&started))
        .on_thread_stop(count(&stopped))
        .build()
        .unwrap();
    // More than std's 2 MiB of stack.
    let sum: u64 = runtime.block_on(async {
        spawn_blocking(|| [1u8; 5 << 20].iter().map(|&byte| u64::from(std::hint::black_box(byte))).sum()).await.unwrap()
    });
    assert_eq!(sum, 5 << 20);
    assert!(runtime.shutdown_timeout(PATIENCE).is_complete());
    assert_eq!((started.load(Ordering::SeqCst), stopped.load(Ordering::SeqCst)), (3, 3));
}

#[test]
fn a_job_aborted_before_it_begins_never_runs() {
    let runtime = limited(1);
    let (open, busy) = hold(&runtime);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let waiting = runtime.handle().spawn_blocking(move || count.fetch_add(1, Ordering::SeqCst));
    waiting.abort();
    drop(open);
    runtime.block_on(async {
        busy.await.unwrap();
        let error = waiting.await.unwrap_err();
        assert!(matches!(error.cancel_cause(), Some(CancelCause::Aborted { .. })));
    });
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_full_queue_gives_the_closure_back() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).max_blocking_queue(1).build().unwrap();
    let (open, busy) = hold(&runtime);
    let _inside = runtime.enter();
    let queued = task::try_spawn_blocking(|| 1).expect("one may wait");
    let refused = task::try_spawn_blocking(|| 2).expect_err("a second may not");
    assert_eq!((refused.0)(), 2);
    drop(open);
    runtime.block_on(async {
        busy.await.unwrap();
        assert_eq!(queued.await.unwrap(), 1);
    });
}

#[test]
fn run_waits_for_jobs_but_not_for_daemons() {
    let runtime = limited(4);
    let (open, daemon) = mpsc::channel::<()>();
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    runtime.run(async {
        drop(task::Builder::new().daemon(true).spawn_blocking(move || daemon.recv().is_ok()));
        drop(spawn_blocking(move || {
            thread::sleep(Duration::from_millis(10));
            count.fetch_add(1, Ordering::SeqCst);
        }));
    });
    assert_eq!(done.load(Ordering::SeqCst), 1);
    drop(open);
}

#[test]
fn a_panic_that_nobody_joins_reaches_the_hook_with_the_line_of_the_spawn() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let runtime = Builder::new_current_thread()
        .on_unhandled_panic(move |panic| {
            log.lock().unwrap().push((panic.spawned_at().line(), panic.message().to_owned()))
        })
        .build()
        .unwrap();
    let line = line!() + 1;
    drop(runtime.handle().spawn_blocking(|| panic_quietly("unseen")));
    let waited = std::time::Instant::now();
    while seen.lock().unwrap().is_empty() && waited.elapsed() < PATIENCE {
        thread::yield_now();
    }
    assert_eq!(*seen.lock().unwrap(), [(line, "unseen".to_owned())]);
}

/// Polls until it is done, as a stranger's executor does.
fn drive<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn a_job_that_brings_an_executor_of_its_own_is_not_held_to_the_budget_of_one_poll() {
    let runtime = limited(1);
    let slept = runtime.handle().spawn_blocking(|| {
        drive(async {
            for _ in 0..1_000 {
                sleep(Duration::from_micros(1)).await;
            }
            1_000
        })
    });
    assert_eq!(runtime.block_on(slept).unwrap(), 1_000);
}

#[test]
fn shd_02_a_job_that_drops_the_last_runtime_ends_all_of_it() {
    for multi in [false, true] {
        let builder = if multi { Builder::new_multi_thread().workers(2) } else { Builder::new_current_thread() };
        let (runtime, watch) = super::Watch::build(builder.shutdown_timeout(10 * PATIENCE));
        let handle = runtime.handle().clone();
        let held = Arc::new(());
        let waits = held.clone();
        let task = runtime.spawn(async move {
            pending::<()>().await;
            drop(waits);
        });
        let (tell, dropped) = mpsc::channel();
        drop(handle.spawn_blocking(move || {
            drop(runtime);
            tell.send(()).unwrap();
        }));
        dropped.recv_timeout(PATIENCE).unwrap();
        assert!(drive(task).unwrap_err().is_cancelled());
        assert_eq!(Arc::strong_count(&held), 1, "the task's future is gone");
        drop(handle);
        watch.assert_freed();
    }
}

#[test]
fn shd_02_a_runtime_that_is_a_jobs_output_or_is_dropped_in_anothers_task_does_not_wait_for_itself() {
    let patient = || Builder::new_multi_thread().workers(1).shutdown_timeout(10 * PATIENCE).build().unwrap();
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        let first = patient();
        let handle = first.handle().clone();
        drop(handle.spawn_blocking(move || first));
        let (second, other) = (patient(), patient());
        let handle = second.handle().clone();
        let nested = handle.spawn_blocking(move || other.block_on(async { drop(second) }));
        drive(nested).unwrap();
        tell.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).expect("nobody waits for ten times as long");
}

#[test]
fn run_inside_a_job_of_the_same_runtime_says_that_it_would_wait_for_itself() {
    let runtime = Arc::new(limited(1));
    let inner = runtime.clone();
    let job = runtime.handle().spawn_blocking(move || inner.run(async {}));
    let error = drive(job).unwrap_err();
    assert!(super::message_of(error.into_panic()).contains("would wait for that job"));
}

#[test]
fn a_hook_that_waits_for_a_job_gets_one_from_another_thread() {
    static FIRST: AtomicUsize = AtomicUsize::new(0);
    let handle: Arc<Mutex<Option<Handle>>> = Arc::default();
    let known = handle.clone();
    let hook = move || {
        let handle = known.lock().unwrap().clone();
        if let (Some(handle), 0) = (handle, FIRST.fetch_add(1, Ordering::SeqCst)) {
            assert_eq!(drive(handle.spawn_blocking(|| 1)).unwrap(), 1);
        }
    };
    let runtime = Builder::new_current_thread().max_blocking_threads(2).on_thread_start(hook).build().unwrap();
    *handle.lock().unwrap() = Some(runtime.handle().clone());
    assert_eq!(drive(runtime.handle().spawn_blocking(|| 2)).unwrap(), 2);
    *handle.lock().unwrap() = None;
}

#[test]
fn tsk_16_a_hook_that_panics_over_a_payload_that_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("the payload");
        }
    }
    let runtime = Builder::new_current_thread().on_unhandled_panic(|_| panic_quietly("the hook")).build().unwrap();
    drop(runtime.handle().spawn_blocking(|| std::panic::resume_unwind(Box::new(Bomb))));
    runtime.block_on(async {
        drop(mainspring::spawn(async { std::panic::resume_unwind(Box::new(Bomb)) }));
        assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
    });
}
