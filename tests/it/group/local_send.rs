//! `scope_send`: children that borrow, in a task that moves from worker to worker.
//!
//! Cases of the catalogue: SCP-01, SCP-02, SCP-03, SCP-06, SCP-07.

use super::{Alive, is_pending};
use crate::{Watch, builders, message_of, panic_quietly, poll_with, runtimes, until};
use mainspring::group::{Builder, ChildError, Failure, LocalChild, SendScope, cancelled, scope_local, scope_send};
use mainspring::runtime::{self, Runtime};
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, sleep};
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn scp_01_in_spawned_tasks_children_borrow_from_the_task_whatever_their_number() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for children in [0, 1, 10, 1_000, 10_000] {
            let tasks = (0..3).map(|_| {
                runtime.spawn(async move {
                    let words: Vec<_> = (0..64).map(|_| AtomicUsize::new(0)).collect();
                    let ended = scope_send(async |scope: SendScope<'_, ()>| {
                        for n in 0..children {
                            let words = &words;
                            drop(scope.spawn(async move {
                                if n % 3 == 0 {
                                    yield_now().await;
                                }
                                words[n % 64].fetch_add(1, Ordering::Relaxed);
                                Ok(())
                            }));
                        }
                        Ok(())
                    });
                    ended.await.unwrap();
                    words.into_iter().map(AtomicUsize::into_inner).sum::<usize>()
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                assert_eq!(runtime.block_on(task).unwrap(), children, "{flavour}");
            }
        }
        drop(runtime);
        watch.assert_freed();
    }
}

/// Polls a future on a thread of its own, inside the runtime.
fn poll_elsewhere<F: Future + Send + Unpin>(runtime: &Runtime, future: &mut F) -> Poll<F::Output>
where
    F::Output: Send,
{
    let there = || {
        let _inside = runtime.enter();
        poll_with(future, Waker::noop())
    };
    thread::scope(|threads| threads.spawn(there).join().unwrap())
}

#[test]
fn scp_01_each_of_its_polls_may_be_on_another_thread_while_the_children_live() {
    for (flavour, runtime) in runtimes() {
        let (polls, alive) = (Mutex::new(Vec::new()), Alive::default());
        let mut moves = Box::pin(scope_send(async |scope: SendScope<'_, ()>| {
            for n in 0..3 {
                let (polls, one) = (&polls, alive.one());
                drop(scope.spawn(async move {
                    let _one = one;
                    for _ in 0..4 {
                        polls.lock().unwrap().push((n, thread::current().id()));
                        yield_now().await;
                    }
                    Ok(())
                }));
            }
            yield_now().await;
            Ok(polls.lock().unwrap().len())
        }));
        let mut ended = Poll::Pending;
        for round in 0..100 {
            ended = poll_elsewhere(&runtime, &mut moves);
            if ended.is_ready() {
                break;
            }
            assert!(round > 0 || alive.count() == 3, "{flavour}: they are born on the first thread, and live on");
        }
        assert!(matches!(ended, Poll::Ready(Ok(_))), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
        drop(moves);
        let polls = polls.into_inner().unwrap();
        for child in 0..3 {
            let threads: Vec<_> = polls.iter().filter(|(n, _)| *n == child).map(|(_, thread)| thread).collect();
            let moved = threads.windows(2).all(|pair| pair[0] != pair[1]);
            assert!(threads.len() == 4 && moved, "{flavour}: child {child} on {threads:?}");
        }
    }
}

#[test]
fn scp_07_dropped_on_another_thread_than_it_was_polled_on_it_drops_its_children_there() {
    struct Where<'a>(&'a Mutex<Vec<thread::ThreadId>>);
    impl Drop for Where<'_> {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::current().id());
        }
    }
    for (flavour, runtime) in runtimes() {
        let ends = Mutex::new(Vec::new());
        let mut moves = Box::pin(scope_send(async |scope: SendScope<'_, ()>| {
            for _ in 0..3 {
                let end = Where(&ends);
                drop(scope.spawn(async move {
                    let _end = end;
                    pending::<Result<(), _>>().await
                }));
            }
            pending::<Result<(), _>>().await
        }));
        assert!(poll_elsewhere(&runtime, &mut moves).is_pending(), "{flavour}");
        assert!(poll_elsewhere(&runtime, &mut moves).is_pending(), "{flavour}");
        let there = thread::scope(|threads| {
            let dropper = threads.spawn(move || {
                drop(moves);
                thread::current().id()
            });
            dropper.join().unwrap()
        });
        assert_eq!(ends.into_inner().unwrap(), [there; 3], "{flavour}");
    }
}

#[test]
fn scopes_in_tasks_on_two_workers_poll_every_child_to_its_end() {
    let runtime = runtime::Builder::new_multi_thread().workers(2).build().unwrap();
    let seen = runtime.block_on(async {
        let tasks = (0..8).map(|_| {
            mainspring::spawn(async {
                let threads = Mutex::new(Vec::new());
                let ended = scope_send(async |scope: SendScope<'_, ()>| {
                    for _ in 0..4 {
                        drop(scope.spawn(async {
                            for _ in 0..200 {
                                threads.lock().unwrap().push(thread::current().id());
                                yield_now().await;
                            }
                            Ok(())
                        }));
                    }
                    Ok(())
                });
                ended.await.unwrap();
                threads.into_inner().unwrap()
            })
        });
        let mut seen = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            seen.push(task.await.unwrap());
        }
        seen
    });
    assert!(seen.iter().all(|polls| polls.len() == 800));
}

#[test]
fn scp_02_scp_03_failures_cancel_the_rest_and_are_kept() {
    for (flavour, runtime) in runtimes() {
        let task = runtime.spawn(async {
            let alive = Alive::default();
            let result = Builder::new().grace(Duration::from_secs(60)).scope_send(async |scope: SendScope<'_, u8>| {
                for n in 0..10_u8 {
                    let one = alive.one();
                    drop(scope.spawn(async move {
                        let _one = one;
                        match n {
                            0 => Err(n),
                            1..5 => {
                                cancelled().await;
                                Err(n)
                            }
                            5 => {
                                cancelled().await;
                                panic_quietly("five")
                            }
                            _ => {
                                cancelled().await;
                                Ok(())
                            }
                        }
                    }));
                }
                cancelled().await;
                Ok(())
            });
            let error = result.await.unwrap_err();
            assert_eq!(alive.count(), 0);
            error
        });
        let error = runtime.block_on(task).unwrap();
        let panics = error.iter().filter(|failure| matches!(failure, Failure::Panicked(_))).count();
        let mut errors: Vec<_> = error.into_iter().filter_map(Failure::into_error).collect();
        assert_eq!((errors.remove(0), panics), (0, 1), "{flavour}");
        errors.sort_unstable();
        assert_eq!(errors, [1, 2, 3, 4], "{flavour}");
    }
}

#[test]
fn scp_06_threads_that_spawn_into_the_end_lose_nothing() {
    for (flavour, runtime) in runtimes().filter(|(flavour, _)| *flavour != "simulated") {
        for round in 0..60 {
            let (alive, over, spawned) = (Alive::default(), AtomicBool::new(false), AtomicUsize::new(0));
            thread::scope(|threads| {
                let (alive, over, spawned) = (&alive, &over, &spawned);
                let mut future = Box::pin(scope_send(async move |scope: SendScope<'_, ()>| {
                    let ends = scope.clone();
                    threads.spawn(move || {
                        let mut handles = Vec::new();
                        while !over.load(Ordering::SeqCst) {
                            let one = alive.one();
                            handles.push(scope.spawn(async move {
                                let _one = one;
                                pending::<Result<(), ()>>().await
                            }));
                            spawned.fetch_add(1, Ordering::SeqCst);
                        }
                        // L4: each of them is told.
                        for mut handle in handles {
                            let Poll::Ready(Err(ChildError::Cancelled(_))) = poll_with(&mut handle, Waker::noop())
                            else {
                                panic!("{flavour}: a handle that hears nothing")
                            };
                        }
                    });
                    until(|| spawned.load(Ordering::SeqCst) > 5).await;
                    match round % 3 {
                        0 => ends.cancel(),
                        1 => return Err(()),
                        _ => pending().await,
                    }
                    Ok(())
                }));
                runtime.block_on(async {
                    if round % 3 < 2 {
                        assert_eq!(future.as_mut().await.is_ok(), round % 3 == 0);
                    } else {
                        while spawned.load(Ordering::SeqCst) < 10 {
                            assert!(is_pending(&mut future).await);
                        }
                    }
                });
                drop(future); // in the middle of it, the third time
                assert!(poll_ends(alive));
                over.store(true, Ordering::SeqCst);
            });
            assert_eq!(alive.count(), 0, "{flavour}");
        }
    }
}

/// Only one that is about to be refused may be alive.
fn poll_ends(alive: &Alive) -> bool {
    (0..1_000).any(|_| {
        thread::yield_now();
        alive.count() <= 1
    })
}

#[test]
fn scp_07_leaked_in_a_task_it_leaks_its_children_and_their_handles_hear_of_a_drop() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        runtime.block_on(async {
            for leak in [false, true] {
                let kept = Arc::new(Mutex::new(None::<LocalChild<()>>));
                let (slot, counted) = (kept.clone(), alive.clone());
                let task = mainspring::spawn(async move {
                    let data = String::from("borrowed");
                    let mut future = Box::pin(scope_send(async |scope: SendScope<'_, ()>| {
                        let one = counted.one();
                        let child = scope.spawn(async {
                            let _one = one;
                            assert_eq!(data, "borrowed");
                            pending::<Result<(), ()>>().await
                        });
                        *slot.lock().unwrap() = Some(child);
                        pending::<Result<(), _>>().await
                    }));
                    assert!(is_pending(&mut future).await && is_pending(&mut future).await);
                    if leak {
                        std::mem::forget(future);
                    }
                });
                // What is leaked is leaked with what it borrows from being alive: here the task's frame ends, and `data` with it, after the last poll.
                task.await.unwrap();
                let mut child = kept.lock().unwrap().take().unwrap();
                let polled = poll_with(&mut child, Waker::noop());
                match polled {
                    Poll::Pending => assert!(leak, "{flavour}"),
                    Poll::Ready(ended) => {
                        assert_eq!(ended, Err(ChildError::Cancelled(CancelCause::ScopeEnded)), "{flavour}");
                        assert!(!leak, "{flavour}");
                    }
                }
            }
        });
        assert_eq!(alive.count(), 1, "{flavour}: the leaked one is never touched again");
    }
}

#[test]
fn a_task_that_is_aborted_drops_scope_and_children_with_it() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let alive = Alive::default();
        let counted = alive.clone();
        runtime.block_on(async {
            let task = mainspring::spawn(async move {
                let data = [0; 100];
                let ended = scope_send(async |scope: SendScope<'_, ()>| {
                    for n in &data {
                        let one = counted.one();
                        drop(scope.spawn(async move {
                            let _one = one;
                            sleep(Duration::from_secs(3_600 + *n)).await;
                            Ok(())
                        }));
                    }
                    Ok(())
                });
                ended.await.is_ok()
            });
            until(|| alive.count() == 100).await;
            task.abort();
            assert!(task.await.is_err());
        });
        assert_eq!(alive.count(), 0, "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_03_a_panic_of_the_one_who_awaits_drops_the_children_while_it_unwinds() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let counted = alive.clone();
        let task = runtime.spawn(async move {
            let data = String::from("borrowed");
            let mut future = Box::pin(scope_send(async |scope: SendScope<'_, ()>| {
                for _ in 0..10 {
                    let (one, data) = (counted.one(), &data);
                    drop(scope.spawn(async move {
                        let _one = one;
                        yield_now().await;
                        assert_eq!(data, "borrowed");
                        pending::<Result<(), ()>>().await
                    }));
                }
                Ok(())
            }));
            assert!(is_pending(&mut future).await);
            panic_quietly("in between");
            #[allow(unreachable_code, reason = "keeps the future alive up to the panic")]
            drop(future);
        });
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(message_of(error.into_panic()), "in between", "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn a_handle_of_a_local_scope_s_child_hears_when_the_scope_is_dropped() {
    for (flavour, runtime) in runtimes() {
        let mut kept = None;
        let mut future = Box::pin(scope_local(async |scope| {
            kept = Some(scope.spawn(pending::<Result<(), ()>>()));
            pending::<Result<(), _>>().await
        }));
        runtime.block_on(async { assert!(is_pending(&mut future).await) });
        drop(future);
        let ended = poll_with(&mut kept.unwrap(), Waker::noop());
        assert_eq!(ended, Poll::Ready(Err(ChildError::Cancelled(CancelCause::ScopeEnded))), "{flavour}");
    }
}
