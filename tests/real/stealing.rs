//! Tasks that move from worker to worker: none is lost, none is run twice.
//!
//! Cases of the catalogue: SCH-07, SCH-08, SCH-13.

use crate::kit::{everywhere, join_all, multi_thread};
use crate::smoke;
use mainspring::runtime::Builder;
use mainspring::task::yield_now;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

cases! { CASES:
    60 => [
        sch_07_ten_times_what_a_queue_holds_is_spawned_by_one_task_and_each_runs_once,
        sch_08_thieves_and_one_producer_run_each_task_exactly_once,
        sch_13_the_smoke_suite_passes_with_one_worker,
        sch_13_the_smoke_suite_passes_with_two_workers,
        sch_13_the_smoke_suite_passes_with_sixty_four_workers,
    ],
}

fn sch_07_ten_times_what_a_queue_holds_is_spawned_by_one_task_and_each_runs_once() {
    const TASKS: usize = 10 * 256;
    everywhere(&[1, 2, 4], |runtime| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let parent = runtime.spawn(async move {
            // All in one poll, so that nothing is run in between by this worker.
            let children: Vec<_> = (0..TASKS)
                .map(|number| {
                    let log = log.clone();
                    mainspring::spawn(async move { log.lock().expect("nobody panics in here").push(number) })
                })
                .collect();
            join_all(children).await;
        });
        runtime.block_on(parent).expect("no panic");
        let mut seen = seen.lock().expect("nobody panics in here").clone();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..TASKS), "each of them, once");
    });
}

fn sch_08_thieves_and_one_producer_run_each_task_exactly_once() {
    const TASKS: usize = 300_000;
    let runtime = multi_thread(4);
    let runs: Arc<Vec<AtomicU8>> = Arc::new((0..TASKS).map(|_| AtomicU8::new(0)).collect());
    let threads: Arc<Mutex<Vec<thread::ThreadId>>> = Arc::default();
    let left = Arc::new(AtomicUsize::new(TASKS));
    let (all_runs, all_threads) = (runs.clone(), threads.clone());
    let producer = runtime.spawn(async move {
        for number in 0..TASKS {
            let (runs, threads, left) = (all_runs.clone(), all_threads.clone(), left.clone());
            drop(mainspring::spawn(async move {
                if number % 1_024 == 0 {
                    threads.lock().expect("nobody panics in here").push(thread::current().id());
                }
                runs[number].fetch_add(1, Ordering::Relaxed);
                left.fetch_sub(1, Ordering::Release);
            }));
            if number % 4_096 == 0 {
                yield_now().await;
            }
        }
        while left.load(Ordering::Acquire) > 0 {
            yield_now().await;
        }
    });
    runtime.block_on(producer).expect("no panic");
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "each of them, once");
    let mut threads = threads.lock().expect("nobody panics in here").clone();
    threads.sort_unstable_by_key(|id| format!("{id:?}"));
    threads.dedup();
    assert!(threads.len() > 1, "nobody stole anything");
}

fn sch_13_the_smoke_suite_passes_with_one_worker() {
    smoke::run(&Builder::new_current_thread().build().expect("descriptors are to be had"));
    smoke::run(&multi_thread(1));
}

fn sch_13_the_smoke_suite_passes_with_two_workers() {
    smoke::run(&multi_thread(2));
}

fn sch_13_the_smoke_suite_passes_with_sixty_four_workers() {
    smoke::run(&multi_thread(64));
}
