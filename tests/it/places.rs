//! Waiting for a place in the queue of blocking jobs. Cases of the catalogue: BLK-01, BLK-08.

use super::blocking::hold;
use super::{builders, message_of, panic_quietly, poll_with, runtimes};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{CancelCause, reserve_blocking, spawn_blocking, try_spawn_blocking, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};

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
    let error = catch_unwind(|| runtime.block_on(async { drop(reserve_blocking()) }));
    assert!(message_of(error.unwrap_err()).contains("max_blocking_queue"));
}

#[test]
fn blk_08_a_permit_that_outlives_its_runtime_gives_a_cancelled_job_or_nothing_at_all() {
    for (name, builder) in builders() {
        let runtime = builder.max_blocking_threads(1).max_blocking_queue(2).build().unwrap();
        let mut waits = Vec::new();
        let permits = runtime.block_on(async {
            let permits = [reserve_blocking().await, reserve_blocking().await];
            for _ in 0..2 {
                let mut one = reserve_blocking();
                assert!(poll_with(&mut one, Waker::noop()).is_pending(), "{name}");
                waits.push(one);
            }
            waits.push(reserve_blocking()); // polled for the first time when all is over
            permits
        });
        drop(runtime);
        let [used, unused] = permits;
        let held = Arc::new(());
        let captured = held.clone();
        let error = super::result_of(used.spawn_blocking(move || drop(captured))).unwrap_err();
        assert_eq!((error.cancel_cause(), Arc::strong_count(&held)), (Some(CancelCause::Shutdown), 1), "{name}");
        drop(unused);
        drop(waits.remove(0));
        for mut one in waits {
            let Poll::Ready(permit) = poll_with(&mut one, Waker::noop()) else { panic!("{name}: it waits for ever") };
            let error = super::result_of(permit.spawn_blocking(|| ())).unwrap_err();
            assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown), "{name}");
        }
    }
}

#[test]
fn a_permit_is_of_its_own_runtime_whoever_polls_and_uses_it() {
    let (its_own, other) = (
        Builder::new_current_thread().thread_name("own").max_blocking_queue(1).build().unwrap(),
        Builder::new_multi_thread().workers(1).thread_name("other").build().unwrap(),
    );
    let inside = its_own.enter();
    let (first, second) = (reserve_blocking(), reserve_blocking());
    drop(inside);
    let names = other.block_on(async {
        let name = || std::thread::current().name().unwrap().to_owned();
        let permit = first.await;
        let mut waits = second;
        assert!(poll_with(&mut waits, Waker::noop()).is_pending());
        let first = mainspring::spawn(permit.spawn_blocking(name)).await.unwrap().unwrap();
        // Its place is free when a thread has taken the job, and this waker is the other runtime's.
        [first, waits.await.spawn_blocking(name).await.unwrap()]
    });
    assert!(names.iter().all(|name| name.starts_with("own-")), "{names:?}");
}

/// A waker whose clones panic, or which panics when it is woken or dropped.
struct Hostile(&'static str);

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        if self.0 == "woken" {
            panic_quietly("woken");
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.0 == "dropped" && !std::thread::panicking() {
            panic_quietly("dropped");
        }
    }
}

#[test]
fn mis_10_a_waker_that_panics_loses_no_place() {
    for evil in ["woken", "dropped"] {
        let runtime = narrow(1);
        let (open, busy) = hold(&runtime);
        runtime.block_on(async {
            let in_queue = reserve_blocking().await.spawn_blocking(|| ());
            let (mut first, mut second) = (reserve_blocking(), reserve_blocking());
            let waker = Waker::from(Arc::new(Hostile(evil)));
            assert!(poll_with(&mut first, &waker).is_pending(), "{evil}");
            assert!(poll_with(&mut second, Waker::noop()).is_pending(), "{evil}");
            // The last handle of it is the one in line: displaced, it may panic, and the place stays.
            drop(waker);
            let displaced = catch_unwind(AssertUnwindSafe(|| poll_with(&mut first, Waker::noop()).is_pending()));
            assert_eq!(displaced.is_err(), evil == "dropped", "{evil}");
            if evil == "woken" {
                let waker = Waker::from(Arc::new(Hostile(evil)));
                assert!(poll_with(&mut first, &waker).is_pending());
            }
            drop(open);
            busy.await.unwrap();
            in_queue.await.unwrap();
            assert!(poll_with(&mut second, Waker::noop()).is_pending(), "{evil}: it is behind the first");
            first.await.spawn_blocking(|| ()).await.unwrap();
            assert_eq!(second.await.spawn_blocking(|| 7).await.unwrap(), 7, "{evil}");
        });
    }
}

#[test]
fn whoever_waits_and_is_aborted_passes_its_turn_on_at_each_of_its_steps() {
    let runtime = narrow(1);
    for steps in 0..4 {
        let (open, busy) = hold(&runtime);
        let mut open = Some(open);
        runtime.block_on(async {
            let in_queue = reserve_blocking().await.spawn_blocking(|| ());
            let waits = mainspring::spawn(async {
                let permit = reserve_blocking().await;
                yield_now().await;
                permit.spawn_blocking(|| ()).await.unwrap();
            });
            yield_now().await; // it stands in line
            let next = mainspring::spawn(async { reserve_blocking().await.spawn_blocking(|| 7).await.unwrap() });
            yield_now().await;
            if steps > 0 {
                drop(open.take());
                busy.await.unwrap();
                in_queue.await.unwrap();
            }
            for _ in 1..steps {
                yield_now().await;
            }
            waits.abort();
            drop(waits.await);
            drop(open.take());
            assert_eq!(next.await.unwrap(), 7, "after {steps} steps");
        });
    }
}
