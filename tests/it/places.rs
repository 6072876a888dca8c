//! Waiting for a place in the queue of blocking jobs. Cases of the catalogue: BLK-01, BLK-08.

use super::blocking::hold;
use super::{builders, message_of, poll_with, runtimes};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{CancelCause, reserve_blocking, spawn_blocking, try_spawn_blocking};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// One thread, and so many that may wait.
fn narrow(queue: usize) -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).max_blocking_queue(queue).build().unwrap()
}

#[test]
fn blk_01_ten_thousand_jobs_wait_eight_at_a_time() {
    for (name, builder) in builders() {
        let runtime = builder.max_blocking_threads(2).max_blocking_queue(8).build().unwrap();
        let (asked, begun, most) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            let mut jobs = Vec::new();
            for n in 0..10_000 {
                let permit = reserve_blocking().await;
                let (begun, most) = (begun.clone(), most.clone());
                let waiting = asked.fetch_add(1, Ordering::SeqCst) + 1 - begun.load(Ordering::SeqCst);
                most.fetch_max(waiting, Ordering::SeqCst);
                jobs.push(permit.spawn_blocking(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    n
                }));
            }
            for (n, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.await.unwrap(), n, "{name}");
            }
        });
        // Two more may have been taken out of the queue and not have begun to count. A simulation has no queue.
        assert!(most.load(Ordering::SeqCst) <= 10 || name == "simulated", "{name}: {most:?}");
    }
}

#[test]
fn places_are_given_in_the_order_of_the_first_poll_and_nobody_overtakes() {
    let runtime = narrow(1);
    let (open, busy) = hold(&runtime);
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let note = |n: u32| {
            let order = order.clone();
            move || order.lock().unwrap().push(n)
        };
        let in_queue = reserve_blocking().await.spawn_blocking(note(0));
        let waker = Waker::noop();
        let mut waiting: Vec<_> = (0..3).map(|_| reserve_blocking()).collect();
        for one in waiting.iter_mut().rev() {
            assert!(poll_with(one, waker).is_pending());
        }
        assert!(try_spawn_blocking(|| ()).is_err());
        drop(waiting.remove(1)); // who goes away is not waited for
        drop(open);
        busy.await.unwrap();
        in_queue.await.unwrap();
        // The last one was the first to ask.
        assert!(try_spawn_blocking(|| ()).is_err(), "there is a place, but it is kept for who waits");
        let permit = waiting.pop().unwrap().await;
        assert!(poll_with(&mut waiting[0], waker).is_pending());
        drop(permit); // passed on
        let permit = waiting.pop().unwrap().await;
        permit.spawn_blocking(note(1)).await.unwrap();
        try_spawn_blocking(note(2)).expect("nobody waits any more").await.unwrap();
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn a_place_that_was_given_and_not_fetched_is_passed_on() {
    let runtime = narrow(1);
    let (open, busy) = hold(&runtime);
    runtime.block_on(async {
        let in_queue = reserve_blocking().await.spawn_blocking(|| ());
        let (mut first, mut second) = (reserve_blocking(), reserve_blocking());
        assert!(poll_with(&mut first, Waker::noop()).is_pending());
        assert!(poll_with(&mut second, Waker::noop()).is_pending());
        drop(open);
        busy.await.unwrap();
        in_queue.await.unwrap();
        drop(first); // its place has come, and it has not looked
        assert_eq!(second.await.spawn_blocking(|| 7).await.unwrap(), 7);
    });
}

#[test]
fn blk_08_whoever_waits_when_the_runtime_ends_is_let_through_to_a_cancelled_job() {
    let runtime = narrow(1);
    let (open, _busy) = hold(&runtime);
    let inside = runtime.enter();
    let queued = try_spawn_blocking(|| ()).expect("one may wait");
    let mut waits = reserve_blocking();
    drop(inside);
    assert!(poll_with(&mut waits, Waker::noop()).is_pending());
    drop(open);
    drop(runtime);
    let Poll::Ready(permit) = poll_with(&mut waits, Waker::noop()) else { panic!("it waits for ever") };
    let dropped = Arc::new(());
    let held = dropped.clone();
    let error = super::result_of(permit.spawn_blocking(move || drop(held))).unwrap_err();
    assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown));
    assert_eq!(Arc::strong_count(&dropped), 1);
    let _either = super::result_of(queued); // it has run, or not
}

#[test]
fn a_place_is_to_be_had_on_every_flavour_and_a_queue_without_any_says_so() {
    for (name, runtime) in runtimes() {
        let answer = runtime.block_on(async { reserve_blocking().await.spawn_blocking(|| 1).await });
        assert_eq!(answer.unwrap(), 1, "{name}");
    }
    for (name, builder) in builders() {
        let runtime = builder.max_blocking_queue(1).build().unwrap();
        runtime.block_on(async {
            for _ in 0..10 {
                try_spawn_blocking(|| ()).expect(name).await.unwrap();
            }
            let (_kept, mut waits) = (reserve_blocking().await, reserve_blocking());
            assert!(poll_with(&mut waits, Waker::noop()).is_pending(), "{name}");
            spawn_blocking(|| ()).await.expect("this one does not ask");
        });
    }
    let runtime = narrow(0);
    let error = std::panic::catch_unwind(|| runtime.block_on(async { drop(reserve_blocking()) }));
    assert!(message_of(error.unwrap_err()).contains("max_blocking_queue"));
}
