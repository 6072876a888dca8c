//! A system that gives no more threads to a runtime that is already there: jobs, dedicated threads, tasks in place.
//!
//! The threads have stacks so large that the address space runs out at the next one, which the system refuses with EAGAIN.
//!
//! Cases of the catalogue: BLK-04.

use crate::probe::{self, Limit};
use mainspring::group::{ChildError, Failure, TaskGroup, scope};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{CancelCause, block_in_place, reserve_blocking, spawn_blocking, yield_now};
use mainspring::time::timeout;
use mainspring::{fs, thread};
use std::future::pending;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

cases! { CASES:
    60 => [
        blk_04_a_job_that_no_thread_can_be_made_for_says_so_and_the_next_one_runs,
        blk_04_a_job_that_waits_while_no_thread_can_be_made_runs_on_the_one_there_is,
        blk_04_scp_02_a_groups_job_that_no_thread_can_be_made_for_is_a_failure_that_ends_the_others,
        blk_04_whoever_waits_for_a_place_is_given_that_of_a_job_which_no_thread_can_be_made_for,
        blk_04_a_task_in_place_holds_its_worker_while_no_thread_can_be_made,
    ],
}

/// As in `limits`.
const STACK: u64 = 1 << 30;

/// Far more than any of it takes.
const LONG: Duration = Duration::from_secs(20);

fn large(builder: Builder) -> Runtime {
    builder.thread_stack_size(STACK as usize).build().expect("there is room for these")
}

fn refuse_threads() {
    probe::set_limit(Limit::AddressSpace, probe::address_space_kib() * 1_024 + STACK / 2);
}

fn allow_threads() {
    probe::set_limit(Limit::AddressSpace, u64::MAX);
}

fn blk_04_a_job_that_no_thread_can_be_made_for_says_so_and_the_next_one_runs() {
    let runtime = large(Builder::new_current_thread());
    let inside = runtime.enter();
    refuse_threads();
    for _ in 0..3 {
        let error = runtime.block_on(async { spawn_blocking(|| ()).await }).expect_err("there is no thread for it");
        assert_eq!(error.cancel_cause(), Some(CancelCause::NoThread));
        let error = runtime.block_on(async { fs::metadata("/").await }).expect_err("as above");
        assert_eq!(error.kind(), ErrorKind::Other, "{error}");
        let error = thread::Builder::new().spawn(|_| ()).expect_err("the builder says it at once");
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
    }
    allow_threads();
    assert_eq!(runtime.block_on(async { spawn_blocking(|| 7).await }).expect("now there is one"), 7);
    drop(inside);
}

fn blk_04_a_job_that_waits_while_no_thread_can_be_made_runs_on_the_one_there_is() {
    let runtime = large(Builder::new_current_thread());
    let (open, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let first = runtime.handle().spawn_blocking(move || {
        begun.send(()).expect("the case listens");
        gate.recv()
    });
    has_begun.recv_timeout(LONG).expect("the first has a thread");
    refuse_threads();
    let others: Vec<_> = (0..10).map(|n| runtime.handle().spawn_blocking(move || n)).collect();
    drop(open);
    runtime.block_on(async {
        assert!(first.await.expect("no panic").is_err());
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.expect("it was not stranded"), n);
        }
    });
    allow_threads();
}

fn blk_04_scp_02_a_groups_job_that_no_thread_can_be_made_for_is_a_failure_that_ends_the_others() {
    let runtime = large(Builder::new_current_thread());
    refuse_threads();
    let (held, mut heard) = (Arc::new(()), None);
    let result = runtime.block_on(scope(async |group: TaskGroup<&str>| {
        drop(group.spawn(pending::<Result<(), _>>()));
        let captured = held.clone();
        heard = Some(group.spawn_blocking(move || {
            drop(captured);
            Ok(())
        }));
        pending::<Result<(), _>>().await
    }));
    let failures: Vec<_> = result.expect_err("one child has failed").into_iter().collect();
    assert!(matches!(failures[..], [Failure::Cancelled(CancelCause::NoThread)]), "{failures:?}");
    let child = heard.expect("it was spawned");
    let error = runtime.block_on(child).expect_err("it did not run");
    assert!(matches!(error, ChildError::Cancelled(CancelCause::NoThread)), "{error:?}");
    assert_eq!(Arc::strong_count(&held), 1, "the closure is gone");
    allow_threads();
    let result = runtime.block_on(scope(async |group: TaskGroup| Ok(group.spawn_blocking(|| Ok(7)).await)));
    assert!(matches!(result, Ok(Ok(7))), "{result:?}");
}

fn blk_04_whoever_waits_for_a_place_is_given_that_of_a_job_which_no_thread_can_be_made_for() {
    let runtime = large(Builder::new_current_thread().max_blocking_queue(1));
    refuse_threads();
    runtime.block_on(async {
        let permit = reserve_blocking().await;
        let (mut one, mut other) = (pin!(reserve_blocking()), pin!(reserve_blocking()));
        for waits in [&mut one, &mut other] {
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "there is one place");
        }
        let error = permit.spawn_blocking(|| ()).await.expect_err("there is no thread for it");
        assert_eq!(error.cancel_cause(), Some(CancelCause::NoThread));
        let permit = timeout(LONG, one).await.expect("its place was free again");
        drop(permit.spawn_blocking(|| ()));
        drop(timeout(LONG, other).await.expect("so was this one's"));
    });
    allow_threads();
}

fn blk_04_a_task_in_place_holds_its_worker_while_no_thread_can_be_made() {
    for workers in [1, 2] {
        let runtime = large(Builder::new_multi_thread().workers(workers));
        refuse_threads();
        // As many in place as there are workers, and no thread for any core.
        let tasks: Vec<_> = (0..4 * workers)
            .map(|n| {
                runtime.spawn(async move {
                    block_in_place(|| std::thread::sleep(Duration::from_millis(5)));
                    yield_now().await;
                    // It has its core at hand all the same.
                    let nested = block_in_place(|| Handle::current().block_on(mainspring::spawn(async move { n })));
                    mainspring::spawn(async move { nested.expect("no panic") }).await.expect("no panic")
                })
            })
            .collect();
        runtime.block_on(async {
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.expect("no panic"), n);
            }
        });
        assert_eq!(probe::threads(), workers + 1, "nobody but the workers and this thread");
        allow_threads();
        assert!(runtime.shutdown_timeout(LONG).is_complete());
    }
}
