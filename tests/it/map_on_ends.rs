//! How a `map_on` ends: by `close`, by a drop, with its source, and with its runtime.
//!
//! Cases of the catalogue: SHD-04.

use super::map_on::{everywhere, map_on_inside};
use crate::{PATIENCE, message_of, panic_quietly, poll_with, until};
use futures_core::Stream;
use mainspring::group::{On, map_on, map_stream_on};
use mainspring::runtime::Builder;
use mainspring::sync::oneshot;
use mainspring::task::{spawn, yield_now};
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A future's output, once.
struct Once<F>(Pin<Box<F>>);

impl<F: Future> Stream for Once<F> {
    type Item = F::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.0.as_mut().poll(cx).map(Some)
    }
}

#[test]
fn workers_end_with_a_source_that_panics_though_the_map_is_kept() {
    for (name, runtime, on) in everywhere() {
        let held = Arc::new(());
        let clone = held.clone();
        runtime.block_on(async {
            let (open, opened) = oneshot::channel::<()>();
            // The one who has the source waits in it, the others for the source, when it panics.
            let source = Box::pin(async move {
                opened.await.unwrap();
                panic_quietly("source")
            });
            let mut mapped = map_stream_on(on, Once(source), move |(): ()| {
                let _held = &clone;
                ready(())
            });
            assert!(poll_with(&mut mapped.next(), Waker::noop()).is_pending(), "{name}");
            for _ in 0..20 {
                yield_now().await; // so that all of them have come to wait, where that is a matter of turns
            }
            open.send(()).unwrap();
            let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut mapped.next()).poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            })
            .await;
            assert_eq!(message_of(caught.unwrap_err()), "source", "{name}");
            assert_eq!(mapped.next().await, None, "{name}");
            until(|| Arc::strong_count(&held) == 1).await;
        });
    }
}

#[test]
fn close_waits_until_all_that_was_under_way_has_ended() {
    for (name, runtime, on) in everywhere() {
        let held = Arc::new(());
        let clone = held.clone();
        runtime.block_on(async {
            let mut mapped = map_on(on, 0.., move |n: u32| {
                let held = clone.clone();
                async move {
                    if n > 3 {
                        pending::<()>().await; // such a one is dropped where it waits, on a thread, too
                    }
                    drop(held);
                    n
                }
            });
            for n in 0..4 {
                assert_eq!(mapped.next().await, Some(n));
            }
            mapped.close().await;
        });
        assert_eq!(Arc::strong_count(&held), 1, "{name}");
    }
}

#[test]
fn dropping_it_stops_the_work_soon() {
    for (name, runtime, on) in everywhere() {
        let held = Arc::new(());
        let clone = held.clone();
        runtime.block_on(async {
            let mut mapped = map_on(on, 0_u32.., move |n| {
                let held = clone.clone();
                async move {
                    drop(held);
                    n
                }
            });
            assert_eq!(mapped.next().await, Some(0));
            drop(mapped);
            until(|| Arc::strong_count(&held) == 1).await;
        });
        assert_eq!(Arc::strong_count(&held), 1, "{name}");
    }
}

#[test]
fn run_does_not_wait_for_a_map_that_was_forgotten() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    runtime.run(async {
        let mut mapped = map_on(On::tasks(2), 0_u32.., async |n| n);
        assert_eq!(mapped.next().await, Some(0));
        std::mem::forget(mapped);
    });
}

#[test]
fn shd_04_who_waits_for_workers_of_another_runtime_that_ends_is_told() {
    let (working, waiting) =
        (Builder::new_multi_thread().workers(1).build().unwrap(), Builder::new_current_thread().build().unwrap());
    let mut mapped = map_on_inside(&working, On::tasks(2), 0..10, |n| async move {
        pending::<()>().await;
        n
    });
    let ended = Arc::new(AtomicBool::new(false));
    let flag = ended.clone();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        waiting.block_on(async {
            drop(spawn(async move {
                yield_now().await;
                std::thread::spawn(move || {
                    drop(working);
                    flag.store(true, Ordering::Release);
                });
            }));
            mapped.next().await
        })
    }));
    let message = message_of(caught.unwrap_err());
    assert!(message.contains("a worker of this `map_on` was dropped: its runtime has shut down"), "{message}");
    let start = Instant::now();
    while !ended.load(Ordering::Acquire) {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn shd_04_workers_end_with_their_runtime_though_the_map_is_kept_and_what_is_made_can_be_taken() {
    for (name, runtime, on) in everywhere().filter(|(name, ..)| !name.contains("inline") && !name.contains("simulated"))
    {
        let made = Arc::new(AtomicU32::new(0));
        let count = made.clone();
        let mut mapped = map_on_inside(&runtime, on.window(2), 0.., move |n: u32| {
            count.fetch_add(1, Ordering::SeqCst);
            ready(n)
        });
        runtime.block_on(until(|| made.load(Ordering::SeqCst) == 2)); // and now they wait for room
        let report = runtime.shutdown_timeout(PATIENCE);
        assert!(report.is_complete(), "{name}: {report}");
        let waiting = Builder::new_current_thread().build().unwrap();
        // The second was made before its slot was filled, and may have been lost.
        assert_eq!(waiting.block_on(mapped.next()), Some(0), "{name}");
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(catch_unwind(AssertUnwindSafe(|| waiting.block_on(mapped.next()))).map_err(message_of));
        }
        let word = told.iter().position(Result::is_err).expect("one word about the end");
        assert!(told[word].as_ref().unwrap_err().contains("its runtime has shut down"), "{name}: {told:?}");
        assert!(told[..word].iter().all(|told| *told == Ok(Some(1))), "{name}: {told:?}");
    }
}

#[test]
fn shd_04_a_future_that_waits_on_a_thread_is_dropped_with_the_runtime() {
    for (name, runtime, on) in everywhere().filter(|(name, ..)| name.contains("threads") && !name.contains("simulated"))
    {
        let (held, begun) = (Arc::new(()), Arc::new(AtomicU32::new(0)));
        let (clone, count) = (held.clone(), begun.clone());
        let mapped = map_on_inside(&runtime, on, 0.., move |_: u32| {
            let held = clone.clone();
            count.fetch_add(1, Ordering::SeqCst);
            async move { drop((held, pending::<()>().await)) }
        });
        runtime.block_on(until(|| begun.load(Ordering::SeqCst) == 2));
        let report = runtime.shutdown_timeout(PATIENCE);
        assert!(report.is_complete(), "{name}: {report}");
        assert_eq!(Arc::strong_count(&held), 1, "{name}: closure and futures are gone");
        drop(mapped);
    }
}
