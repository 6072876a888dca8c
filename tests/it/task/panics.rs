//! TSK-13, 14, 15: panics of user code in a poll, in the drop of a future, and in that of an output.
//!
//! Cases of the catalogue: TSK-13, TSK-14, TSK-15.

use super::{Counts, OnDrop, WAYS, Way};
use crate::{PATIENCE, Watch, builders, panic_quietly, poll_with, result_of, runtimes, until};
use mainspring::runtime::Builder;
use mainspring::task::{Id, JoinHandle, yield_now};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::task::Waker;

/// A payload that is no text.
#[derive(Debug, PartialEq, Eq)]
struct Payload(u32);

/// Panics at the second poll.
async fn fail(payload: impl Send + 'static) {
    yield_now().await;
    resume_unwind(Box::new(payload))
}

#[test]
fn tsk_13_a_panic_in_a_poll_reaches_the_joiner_with_its_payload_and_nobody_else() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let siblings = Counts::default();
        runtime.block_on(async {
            let sibling = mainspring::spawn(siblings.count(async {
                for _ in 0..100 {
                    yield_now().await;
                }
                "unmoved"
            }));
            for way in WAYS {
                for n in 0..50 {
                    let counts = Counts::default();
                    let error = way.spawn(counts.count(fail(Payload(n)))).await.unwrap_err();
                    assert!(error.is_panic() && !error.is_cancelled() && error.had_started(), "{flavour}, {way:?}");
                    assert_eq!(error.cancel_cause(), None);
                    assert_eq!(*error.into_panic().downcast::<Payload>().unwrap(), Payload(n), "{flavour}, {way:?}");
                    assert_eq!((counts.polls(), counts.futures_dropped()), (2, 1), "{flavour}, {way:?}");
                }
            }
            assert_eq!(sibling.await.unwrap(), "unmoved", "{flavour}");
        });
        assert_eq!(siblings.polls(), 101, "{flavour}");
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}: who joins is told, and the hook is not");
        watch.assert_freed();
    }
}

#[test]
fn tsk_13_after_a_hundred_panics_all_workers_are_there() {
    let runtime = Builder::new_multi_thread().workers(2).on_unhandled_panic(|_| {}).build().unwrap();
    for n in 0..100 {
        drop(runtime.spawn(fail(n)));
    }
    // Two tasks that wait for each other's thread end only if there are two threads.
    let together = Arc::new(Barrier::new(2));
    let (say_met, met) = mpsc::channel();
    for _ in 0..2 {
        let (together, say_met) = (together.clone(), say_met.clone());
        drop(runtime.spawn(async move {
            together.wait();
            say_met.send(()).unwrap();
        }));
    }
    assert_eq!((met.recv_timeout(PATIENCE), met.recv_timeout(PATIENCE)), (Ok(()), Ok(())));
}

#[test]
fn tsk_13_a_panic_nobody_joins_goes_to_the_hook_with_the_tasks_name_and_place() {
    let seen = Arc::new(Mutex::new(Vec::<(Id, Option<String>, u32, String)>::new()));
    for (flavour, builder) in builders() {
        let log = seen.clone();
        let hook = move |panic: &mainspring::runtime::UnhandledPanic<'_>| {
            let (name, line) = (panic.name().map(str::to_owned), panic.spawned_at().line());
            log.lock().unwrap().push((panic.id(), name, line, panic.to_string()));
            assert_eq!(*panic.payload().downcast_ref::<Payload>().unwrap(), Payload(9));
        };
        let runtime = builder.on_unhandled_panic(hook).build().unwrap();
        runtime.block_on(async {
            let builder = mainspring::task::Builder::new().name("lemming");
            let (lemming, line) = (builder.spawn(fail(Payload(9))), line!());
            let id = lemming.id();
            drop(lemming);
            until(|| !seen.lock().unwrap().is_empty()).await;
            let (seen_id, name, seen_line, text) = seen.lock().unwrap().pop().unwrap();
            assert_eq!((seen_id, name.as_deref(), seen_line), (id, Some("lemming"), line), "{flavour}");
            assert!(text.contains("lemming") && text.contains(file!()), "{flavour}: {text}");
        });
    }
}

#[test]
fn tsk_13_a_hook_that_panics_itself_is_not_heard() {
    for (flavour, builder) in builders() {
        let runtime = builder.on_unhandled_panic(|_| panic_quietly("the hook's own")).build().unwrap();
        runtime.block_on(async {
            for way in WAYS {
                let counts = Counts::default();
                drop(way.spawn(counts.count(fail("unheard"))));
                until(|| counts.futures_dropped() == 1).await;
                assert_eq!(way.spawn(async { 1 }).await.unwrap(), 1, "{flavour}, {way:?}");
            }
        });
    }
}

#[test]
fn tsk_13_the_main_futures_panic_comes_out_of_block_on_and_the_runtime_goes_on() {
    for (flavour, runtime) in runtimes() {
        let payload = catch_unwind(AssertUnwindSafe(|| runtime.block_on(fail(Payload(1)))));
        assert_eq!(*payload.unwrap_err().downcast::<Payload>().unwrap(), Payload(1), "{flavour}");
        assert_eq!(runtime.block_on(async { mainspring::spawn(async { 2 }).await.unwrap() }), 2, "{flavour}");
    }
}

/// A future that waits for ever, and panics when it is dropped.
fn drops_badly(counts: &Counts) -> impl Future<Output = ()> + Send + 'static {
    let bad = OnDrop(|| panic_quietly("in drop"));
    counts.count(async move {
        let _bad = bad;
        pending::<()>().await;
    })
}

/// Panics when the future itself is dropped, after it was ready.
struct BadEnd;

impl Drop for BadEnd {
    fn drop(&mut self) {
        panic_quietly("in drop");
    }
}

impl Future for BadEnd {
    type Output = u32;

    fn poll(self: std::pin::Pin<&mut Self>, _cx: &mut std::task::Context<'_>) -> std::task::Poll<u32> {
        std::task::Poll::Ready(5)
    }
}

#[test]
fn tsk_14_a_panic_in_the_drop_of_a_future_that_is_ready_goes_to_the_hook_and_the_output_stays() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        runtime.block_on(async {
            for way in WAYS {
                assert_eq!(way.spawn(BadEnd).await.unwrap(), 5, "{flavour}, {way:?}");
            }
        });
        drop(runtime);
        assert_eq!(watch.seen(), ["in drop", "in drop"], "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_14_a_panic_in_the_drop_of_an_aborted_future_reaches_the_joiner() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        runtime.block_on(async {
            for way in WAYS {
                let counts = Counts::default();
                let task = way.spawn(drops_badly(&counts));
                until(|| counts.polls() == 1).await;
                task.abort();
                let error = task.await.unwrap_err();
                assert!(error.is_panic(), "{flavour}, {way:?}");
                assert_eq!(crate::message_of(error.into_panic()), "in drop", "{flavour}, {way:?}");
                assert_eq!(counts.futures_dropped(), 1, "{flavour}, {way:?}");
            }
        });
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_14_a_panic_in_the_drop_at_shutdown_is_caught_and_the_others_are_dropped_too() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        let mut kept = None;
        runtime.block_on(async {
            for way in WAYS {
                for n in 0..5 {
                    let task = way.spawn(drops_badly(&counts));
                    if n == 0 && way == Way::Anywhere {
                        kept = Some(task);
                    }
                }
            }
            until(|| counts.polls() == 10).await;
        });
        drop(runtime);
        assert_eq!(counts.futures_dropped(), 10, "{flavour}");
        assert_eq!(watch.seen(), ["in drop"; 9], "{flavour}: the tenth has a handle");
        assert!(result_of(kept.take().unwrap()).unwrap_err().is_panic(), "{flavour}");
        watch.assert_freed();
    }
}

/// An output that panics when it is dropped.
struct BadOutput;

impl Drop for BadOutput {
    fn drop(&mut self) {
        panic_quietly("of the output");
    }
}

#[test]
fn tsk_15_a_panic_in_the_drop_of_an_unread_output_goes_to_the_hook_whoever_drops_it() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        let outlives = runtime.block_on(async {
            let mut handles: Vec<JoinHandle<BadOutput>> = Vec::new();
            for way in WAYS {
                // By the completer: nobody holds the handle any more.
                drop(way.spawn(counts.count(async {
                    yield_now().await;
                    BadOutput
                })));
                // By the handle, polled and unpolled, and by a handle that outlives the runtime.
                handles.extend((0..3).map(|_| way.spawn(counts.count(async { BadOutput }))));
            }
            let mut polled = way_with_a_waker(&counts);
            assert!(poll_with(&mut polled, Waker::noop()).is_pending());
            handles.push(polled);
            until(|| counts.futures_dropped() == 9).await;
            until(|| handles.iter().all(JoinHandle::is_finished)).await;
            handles.split_off(5)
        });
        assert_eq!(outlives.len(), 2);
        drop(runtime);
        assert_eq!(watch.seen().len(), 7, "{flavour}");
        drop(outlives);
        assert_eq!(watch.seen(), ["of the output"; 9], "{flavour}");
        watch.assert_freed();
    }
}

fn way_with_a_waker(counts: &Counts) -> JoinHandle<BadOutput> {
    mainspring::task::spawn_local(counts.count(async {
        yield_now().await;
        BadOutput
    }))
}

#[test]
fn tsk_15_an_output_that_was_read_panics_where_it_was_read() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let output = runtime.block_on(async { mainspring::spawn(async { BadOutput }).await.unwrap() });
        assert!(catch_unwind(AssertUnwindSafe(|| drop(output))).is_err(), "{flavour}");
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

/// A payload that panics when it is dropped: the worst that a panic can leave behind.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_quietly("the payload's own");
    }
}

#[test]
fn tsk_13_a_payload_that_panics_when_it_is_dropped_hurts_nobody() {
    crate::in_child(|| {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            runtime.block_on(async {
                for way in WAYS {
                    let counts = Counts::default();
                    drop(way.spawn(counts.count(fail(Bomb))));
                    until(|| counts.futures_dropped() == 1).await;
                    assert_eq!(way.spawn(async { 1 }).await.unwrap(), 1, "{flavour}, {way:?}");
                }
            });
            drop(runtime);
            assert_eq!(watch.seen().len(), 2, "{flavour}");
            watch.assert_freed();
        }
    });
}
