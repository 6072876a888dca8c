//! SHD, MIS-11: ends of the runtime while a thread waits for children that borrow from it, and what is leaked or kept.
//!
//! Cases of the catalogue: SHD-04, SHD-06, MIS-11.

use super::borrowing::{Late, Said, in_scope, words, written};
use super::is_pending;
use crate::{Watch, builders, runtimes, until};
use mainspring::group::{ChildError, Failure, scope};
use mainspring::task::{CancelCause, yield_now};
use std::future::{pending, poll_fn};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn shd_06_a_runtime_that_ends_meanwhile_ends_the_children_and_is_waited_for() {
    for round in 0..60 {
        for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
            let runtime = builder.build().unwrap();
            let (handle, words, begun) = (runtime.handle().clone(), words(), AtomicBool::new(false));
            thread::scope(|threads| {
                let waits = threads.spawn(|| {
                    in_scope(&handle, async |scope| {
                        begun.store(true, Ordering::SeqCst);
                        // Spawns on and on, into the end and past it.
                        let words = &words;
                        loop {
                            let late = Late(words);
                            let child = scope.spawn(async move {
                                let _late = late;
                                yield_now().await;
                                Ok(Late(words))
                            });
                            match child.await {
                                Ok(late) => drop(late),
                                Err(error) => {
                                    break Err::<(), _>(Said(if error == ChildError::Failed { "?" } else { "ended" }));
                                }
                            }
                            if round % 2 == 0 {
                                drop(scope.spawn(pending::<Result<(), _>>()));
                            }
                        }
                    })
                });
                while !begun.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                drop(runtime);
                let error = waits.join().unwrap().unwrap_err();
                assert!(
                    error.iter().any(|failure| matches!(failure, Failure::Cancelled(CancelCause::Shutdown))),
                    "{flavour}: {error:?}"
                );
            });
            let _ = written(words);
        }
    }
}

#[test]
fn shd_04_after_the_end_every_child_is_refused() {
    for (flavour, builder) in builders() {
        let runtime = builder.build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let words = words();
        let result = in_scope(&handle, async |scope| {
            let late = Late(&words);
            let child = scope.spawn(async move {
                let _late = late;
                Ok(())
            });
            child.await.map_err(|_| Said("refused"))
        });
        assert!(result.is_err(), "{flavour}");
        assert!(written(words) <= 1, "{flavour}");
    }
}

#[test]
fn a_child_may_drop_the_last_of_its_runtime_and_wakers_may_outlive_everything() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let (runtime, watch) = Watch::build(builder);
        let handle = runtime.handle().clone();
        let (words, runtime) = (words(), Mutex::new(Some(runtime)));
        let wakers = Mutex::new(Vec::<Waker>::new());
        let result = in_scope(&handle, async |scope| {
            let wakers = &wakers;
            for _ in 0..10 {
                let late = Late(&words);
                drop(scope.spawn(poll_fn(move |cx| {
                    let _late = &late;
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::<Result<(), _>>::Pending
                })));
            }
            until(|| wakers.lock().unwrap().len() >= 10).await;
            drop(scope.spawn(async {
                drop(runtime.lock().unwrap().take());
                Ok(())
            }));
            pending::<Result<(), _>>().await
        });
        assert!(result.is_err(), "{flavour}");
        assert_eq!(written(words), 10, "{flavour}");
        let wakers = wakers.into_inner().unwrap();
        thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
        drop(handle);
        watch.assert_freed();
    }
}

#[test]
fn mis_11_handles_and_futures_that_are_leaked_leak_memory_and_no_more() {
    for (flavour, runtime) in runtimes() {
        let words = words();
        let result = in_scope(runtime.handle(), async |scope| {
            // Its value is never dropped, and so never touched again.
            std::mem::forget(scope.spawn(async { Ok(Late(&words)) }));
            let mut polled = Box::pin(scope.spawn(pending::<Result<(), _>>()));
            assert!(is_pending(&mut polled).await);
            std::mem::forget(polled);
            drop(scope.spawn(async {
                // Leaks a scope inside, its children with it: tasks like others, and 'static.
                let mut inner = Box::pin(scope_of_static());
                assert!(is_pending(&mut inner).await);
                std::mem::forget(inner);
                Ok(())
            }));
            for _ in 0..10 {
                yield_now().await;
            }
            Err::<(), _>(Said("over"))
        });
        assert!(result.is_err(), "{flavour}");
        assert_eq!(written(words), 0, "{flavour}");
    }
}

async fn scope_of_static() {
    let _ = scope(async |group| {
        drop(group.spawn(pending::<Result<(), ()>>()));
        pending::<Result<(), _>>().await
    })
    .await;
}
