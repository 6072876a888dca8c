//! TSK-04, 05, 06, 07: aborts before, during and after a poll.
//!
//! Cases of the catalogue: TSK-04, TSK-05, TSK-06, TSK-07.

use super::{Counts, OnDrop, WAYS, Way};
use crate::{PATIENCE, Watch, builders, runtimes, until};
use mainspring::runtime::{Builder, Handle};
use mainspring::task::{AbortHandle, CancelCause, yield_now};
use mainspring::time::{sleep, timeout};
use std::future::{pending, poll_fn};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

#[test]
fn tsk_04_an_abort_during_a_poll_waits_for_its_end_and_drops_the_future_where_it_ran() {
    for (flavour, runtime) in runtimes() {
        for way in WAYS {
            let counts = Counts::default();
            let (say_polling, polling) = mpsc::channel::<ThreadId>();
            let (say_aborted, aborted) = mpsc::channel::<()>();
            let (say_dropped, dropped) = mpsc::channel();
            let guard = OnDrop(move || {
                say_dropped.send((thread::current().id(), Handle::try_current().is_ok())).unwrap();
            });
            let long_poll = counts.count(poll_fn(move |cx| {
                let _ = &guard;
                say_polling.send(thread::current().id()).unwrap();
                aborted.recv().unwrap();
                // It would be polled again, but for the abort.
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
            let (error, polled_on) = runtime.block_on(async {
                let task = way.spawn(long_poll);
                let abort = task.abort_handle();
                let aborter = thread::spawn(move || {
                    let polled_on = polling.recv().unwrap();
                    abort.abort();
                    assert!(!abort.is_finished(), "the poll is still under way");
                    say_aborted.send(()).unwrap();
                    polled_on
                });
                (task.await.unwrap_err(), aborter.join().unwrap())
            });
            let (dropped_on, in_runtime) = dropped.recv().unwrap();
            assert_eq!((counts.polls(), counts.futures_dropped()), (1, 1), "{flavour}, {way:?}");
            assert_eq!(error.cancel_cause(), Some(CancelCause::Aborted { by: None }), "{flavour}, {way:?}");
            assert!(error.had_started() && in_runtime, "{flavour}, {way:?}");
            // Between its poll and its end a task of two workers may be stolen.
            if flavour != "multi thread" || way == Way::Local {
                assert_eq!(dropped_on, polled_on, "{flavour}, {way:?}");
            }
        }
    }
}

#[test]
fn tsk_05_a_parked_task_is_dropped_by_the_abort_alone() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    for _ in 0..100 {
        let (say_started, started) = mpsc::channel();
        let (say_dropped, dropped) = mpsc::channel();
        let guard = OnDrop(move || say_dropped.send(()).unwrap());
        let task = runtime.spawn(async move {
            let _guard = guard;
            say_started.send(()).unwrap();
            pending::<()>().await;
        });
        started.recv().unwrap();
        task.abort();
        // Nobody joins it, and nothing else happens in this runtime.
        assert_eq!(dropped.recv_timeout(PATIENCE), Ok(()));
        assert_eq!(dropped.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "once");
    }
}

#[test]
fn tsk_05_a_sleeping_block_on_is_woken_by_the_abort_of_what_it_waits_for() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(1)] {
        let runtime = builder.build().unwrap();
        for way in WAYS {
            for _ in 0..100 {
                let counts = Counts::default();
                let (say_started, started) = mpsc::channel();
                let parked = counts.count(async move {
                    say_started.send(()).unwrap();
                    pending::<()>().await;
                });
                let joined = runtime.block_on(async {
                    let task = way.spawn(parked);
                    let abort = task.abort_handle();
                    let aborter = thread::spawn(move || {
                        started.recv().unwrap();
                        abort.abort();
                    });
                    let joined = timeout(PATIENCE, task).await.expect("the abort arrives");
                    aborter.join().unwrap();
                    joined
                });
                assert!(joined.is_err_and(|error| error.is_cancelled()), "{way:?}");
                assert_eq!(counts.futures_dropped(), 1, "{way:?}");
            }
        }
    }
}

#[test]
fn tsk_05_the_cancel_names_the_task_that_asked_for_it() {
    for (flavour, runtime) in runtimes() {
        let error = runtime.block_on(async {
            let counts = Counts::default();
            let parked = mainspring::spawn(counts.count(pending::<()>()));
            until(|| counts.polls() == 1).await;
            let (abort, by) = (parked.abort_handle(), mainspring::task::id());
            let aborter = mainspring::spawn(async move {
                sleep(Duration::from_millis(1)).await;
                abort.abort();
            });
            let aborter_id = aborter.id();
            assert_ne!(aborter_id, by);
            aborter.await.unwrap();
            let id = parked.id();
            let error = parked.await.unwrap_err();
            assert_eq!(error.cancel_cause(), Some(CancelCause::Aborted { by: Some(aborter_id) }), "{flavour}");
            assert_eq!(error.to_string(), format!("task {id} was aborted by task {aborter_id}"), "{flavour}");
            error
        });
        assert!(error.is_cancelled() && !error.is_panic());
        assert!(error.try_into_panic().is_err(), "a cancel has no payload");
    }
}

#[test]
fn tsk_06_eight_threads_abort_one_task_and_one_cancel_comes_of_it() {
    // A simulation is a world of its own: threads outside come too late or too early for it.
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let (runtime, watch) = Watch::build(builder);
        for round in 0..50 {
            let counts = Counts::default();
            let task = runtime.spawn(counts.count(pending::<()>()));
            let together = Barrier::new(9);
            let abort = task.abort_handle();
            let joined = thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        together.wait();
                        abort.abort();
                    });
                }
                together.wait();
                runtime.block_on(task)
            });
            assert!(joined.is_err_and(|error| error.is_cancelled()), "{flavour}, round {round}");
            assert!(counts.polls() <= 1, "{flavour}, round {round}");
            assert_eq!(counts.futures_dropped(), 1, "{flavour}, round {round}");
            abort.abort();
        }
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_07_an_abort_after_the_end_leaves_the_value() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            for way in WAYS {
                let task = way.spawn(async { "done" });
                let abort = task.abort_handle();
                until(|| task.is_finished()).await;
                task.abort();
                abort.abort();
                yield_now().await;
                assert_eq!(task.await.unwrap(), "done", "{flavour}, {way:?}");
            }
        });
    }
}

#[test]
fn tsk_07_an_abort_in_the_last_poll_leaves_the_value() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            for way in WAYS {
                let own = Arc::new(Mutex::new(None::<AbortHandle>));
                let given = own.clone();
                let task = way.spawn(async move {
                    until(|| given.lock().unwrap().is_some()).await;
                    given.lock().unwrap().take().unwrap().abort();
                    "done all the same"
                });
                *own.lock().unwrap() = Some(task.abort_handle());
                assert_eq!(task.await.unwrap(), "done all the same", "{flavour}, {way:?}");
            }
        });
    }
}

#[test]
fn tsk_07_an_abort_before_the_first_poll_says_so() {
    for (flavour, runtime) in runtimes().filter(|(flavour, _)| *flavour != "multi thread") {
        runtime.block_on(async {
            for way in WAYS {
                let counts = Counts::default();
                let task = way.spawn(counts.count(async {}));
                task.abort();
                let error = task.await.unwrap_err();
                assert!(error.is_cancelled() && !error.had_started(), "{flavour}, {way:?}");
                assert!(error.to_string().ends_with("before its first poll"), "{flavour}, {way:?}: {error}");
                assert_eq!((counts.polls(), counts.futures_dropped()), (0, 1), "{flavour}, {way:?}");
            }
        });
    }
}
