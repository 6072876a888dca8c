//! A system that has no more threads and no more memory to give, and stacks that are small.
//!
//! Threads are made by `build` and by nothing else, so a refusal can meet nobody later.
//!
//! Cases of the catalogue: RES-02, RES-03, RES-06, RES-08.

use crate::harness::command_for;
use crate::kit::{CountsDrop, Token, current_thread, join_all, multi_thread};
use crate::probe::{self, Holdings, Limit, eventually};
use crate::smoke;
use crate::strace::under_strace;
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::yield_now;
use mainspring::time::{sleep, timeout};
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

cases! { CASES:
    60 => [
        res_02_when_the_system_refuses_the_nth_thread_building_is_an_error_that_leaves_nothing_behind,
        res_02_when_clone_says_eagain_building_is_an_error_that_leaves_nothing_behind,
        res_03_without_memory_the_allocator_ends_the_process_and_nobody_else,
        res_06_a_hundred_thousand_tasks_and_timers_that_are_cancelled_leave_nothing_behind,
        res_08_workers_with_stacks_of_64_kib_pass_the_smoke_suite_and_poll_deep_trees,
    ],
}

cases! { SCRIPTS:
    60 => [build_while_clone_fails, spawn_until_memory_ends],
}

/// Stacks so large that the address space, whose limit holds for everybody, runs out at the thread we want.
const STACK: u64 = 1 << 30;

fn res_02_when_the_system_refuses_the_nth_thread_building_is_an_error_that_leaves_nothing_behind() {
    drop(multi_thread(4));
    eventually("the first runtime's threads are gone", || probe::threads() == 1);
    let before = Holdings::now();
    let mut outcomes = Vec::new();
    for threads in 0..6 {
        let builder = Builder::new_multi_thread().workers(4).thread_stack_size(STACK as usize);
        let (builder, token) = Token::put_into(builder);
        let room = probe::address_space_kib() * 1_024 + threads * STACK + STACK / 2;
        probe::set_limit(Limit::AddressSpace, room);
        let built = builder.build();
        probe::set_limit(Limit::AddressSpace, u64::MAX);
        outcomes.push(built.is_ok());
        match built {
            Ok(runtime) => assert_eq!(runtime.block_on(join_all([runtime.spawn(async { 1 })])), [1]),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}"),
        }
        token.assert_freed();
        before.assert_flat(4_096);
    }
    // One stack that the C library has kept for later may count as room.
    let refused = outcomes.iter().filter(|built| !**built).count();
    assert!(
        (3..=4).contains(&refused) && outcomes.is_sorted(),
        "room for 0 to 5 threads, and is there a runtime? {outcomes:?}"
    );
}

/// Builds again and again; which of the calls fails is for strace to say. Prints what came of each.
fn build_while_clone_fails() {
    let before = Holdings::now();
    let (mut built, mut refused) = (0, 0);
    for _ in 0..20 {
        let (builder, token) = Token::put_into(Builder::new_multi_thread().workers(4));
        match builder.build() {
            Ok(runtime) => {
                assert_eq!(runtime.block_on(join_all([runtime.spawn(async { 1 })])), [1]);
                built += 1;
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
                refused += 1;
            }
        }
        token.assert_freed();
        before.assert_flat(4_096);
    }
    println!("built {built}, refused {refused}");
}

fn res_02_when_clone_says_eagain_building_is_an_error_that_leaves_nothing_behind() {
    // Every sixth from the second on: 20 builds meet each of the four places where it can fail.
    let Some(traced) = under_strace("build_while_clone_fails", "clone3:error=EAGAIN:when=2+6") else { return };
    let said = &traced.said;
    let count = |word: &str| -> u32 {
        let rest = said.split(word).nth(1).expect("the script prints it").trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect("a number follows")
    };
    assert_eq!(count("built") + count("refused"), 20, "{said}");
    assert!(count("built") >= 3 && count("refused") >= 5, "{said}");
}

/// Spawns tasks with timers, in a room of so many MiB, for ever.
fn spawn_until_memory_ends() {
    let number = |name| std::env::var(name).expect("the case sets it").parse::<u64>().expect("a number");
    let (room_mib, workers) = (number(ROOM), number(WORKERS));
    let runtime = match workers {
        0 => current_thread(),
        _ => multi_thread(workers as usize),
    };
    // A thread that is just beginning maps a stack for signals, and without room for that std panics in it.
    eventually("all workers have begun, and sleep", probe::others_sleep);
    probe::set_limit(Limit::AddressSpace, (probe::address_space_kib() << 10) + (room_mib << 20));
    runtime.block_on(async {
        loop {
            for _ in 0..100 {
                drop(mainspring::spawn(async { sleep(Duration::from_secs(3_600)).await }));
            }
            yield_now().await;
        }
    });
}

/// What the script above is told by.
const ROOM: &str = "MAINSPRING_TEST_ROOM_MIB";
const WORKERS: &str = "MAINSPRING_TEST_WORKERS";

fn res_03_without_memory_the_allocator_ends_the_process_and_nobody_else() {
    for (room_mib, workers) in [(1, 0), (7, 0), (40, 0), (1, 2), (7, 2), (40, 2)] {
        let mut script = command_for("spawn_until_memory_ends");
        let output = script.env(ROOM, room_mib.to_string()).env(WORKERS, workers.to_string()).output();
        let output = output.expect("this very program can be started");
        let told = String::from_utf8_lossy(&output.stderr);
        let circumstances = format!("{room_mib} MiB, {workers} workers: {}\n{told}", output.status);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{circumstances}");
        assert!(told.contains("memory allocation of"), "{circumstances}");
        assert!(!told.contains("panicked"), "{circumstances}");
    }
}

fn res_06_a_hundred_thousand_tasks_and_timers_that_are_cancelled_leave_nothing_behind() {
    probe::share_one_arena();
    let mut after = Vec::new();
    for _ in 0..5 {
        for workers in [0, 2] {
            let runtime = if workers == 0 { current_thread() } else { multi_thread(workers) };
            let dropped = Arc::new(AtomicUsize::new(0));
            cancel_a_hundred_thousand(&runtime, &dropped);
            assert_eq!(dropped.load(Ordering::SeqCst), TASKS, "each future is dropped once");
            let report = runtime.shutdown_timeout(Duration::from_secs(20));
            assert_eq!((report.is_complete(), report.cancelled_count()), (true, 0));
        }
        eventually("the workers' threads are gone", || probe::threads() == 1);
        probe::trim_memory();
        after.push(probe::rss_kib());
    }
    // The first round fills what is kept for good, the second has all of that. What three rounds more may add is about a
    // byte for each of their tasks.
    let (second, last) = (after[1], after[4]);
    assert!(last * 10 <= second * 11, "{after:?} KiB in use after each round");
}

const TASKS: usize = 100_000;

/// Tasks that wait for a timer each, all of them at once, and then none of them.
fn cancel_a_hundred_thousand(runtime: &Runtime, dropped: &Arc<AtomicUsize>) {
    let (before, polled) = (probe::rss_kib(), Arc::new(AtomicUsize::new(0)));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let (dropped, polled) = (CountsDrop(dropped.clone()), polled.clone());
                mainspring::spawn(async move {
                    let _dropped = dropped;
                    polled.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_secs(3_600 + n as u64 % 7_919)).await;
                })
            })
            .collect();
        while polled.load(Ordering::SeqCst) < TASKS {
            yield_now().await;
        }
        let grown = probe::rss_kib().saturating_sub(before);
        assert!(grown < 200 << 10, "{grown} KiB for {TASKS} tasks and timers");
        tasks.iter().for_each(|task| task.abort());
        for task in tasks {
            assert!(task.await.expect_err("it was aborted").is_cancelled());
        }
    });
}

/// Four times the least that the builder accepts; that one carries a plain task (MIS-03).
const SMALL_STACK: usize = 64 << 10;

fn res_08_workers_with_stacks_of_64_kib_pass_the_smoke_suite_and_poll_deep_trees() {
    let small = || Builder::new_multi_thread().workers(2).thread_stack_size(SMALL_STACK).build().expect("it is enough");
    smoke::run(&small());
    let runtime = small();
    // Spawned, so that it is polled on a worker's small stack and not on this thread's.
    let depths = (0..8).map(|_| runtime.spawn(deep(40)));
    let depths: Vec<_> = depths.collect();
    assert_eq!(runtime.block_on(join_all(depths)), [40; 8]);
    // A chain of joins, each in a task of its own, takes no stack at all.
    assert_eq!(runtime.block_on(join_all([runtime.spawn(chain(5_000))])), [5_000]);
}

/// A tree of futures in futures: each poll goes down all the way.
fn deep(levels: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        yield_now().await;
        let limited =
            timeout(Duration::from_secs(60), async move { if levels == 0 { 0 } else { deep(levels - 1).await + 1 } });
        limited.await.expect("it takes some milliseconds")
    })
}

/// A task that waits for a task that waits for a task.
fn chain(levels: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        match levels {
            0 => 0,
            _ => mainspring::spawn(chain(levels - 1)).await.expect("no panic") + 1,
        }
    })
}
