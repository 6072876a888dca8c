//! SCP-01 to SCP-03: a scope ends after its children, and says all that went wrong.
//!
//! Cases of the catalogue: SCP-01, SCP-02, SCP-03, SND-04.

use super::Alive;
use crate::{Watch, builders, message_of, panic_quietly, runtimes};
use mainspring::group::{Builder, ChildError, Failure, GroupError, LocalScope, TaskGroup, scope, scope_local};
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, sleep};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[test]
fn scp_01_a_scope_ends_after_its_last_child_whatever_their_number() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for children in [0, 1, 2, 100, 10_000] {
            let alive = Alive::default();
            let done = Arc::new(AtomicUsize::new(0));
            let result = runtime.block_on(scope(async |group: TaskGroup| {
                for n in 0..children {
                    let (one, done) = (alive.one(), done.clone());
                    drop(group.spawn(async move {
                        for _ in 0..n % 4 {
                            yield_now().await;
                        }
                        done.fetch_add(1, Ordering::SeqCst);
                        drop(one);
                        Ok(())
                    }));
                }
                Ok(children)
            }));
            assert_eq!(result.unwrap(), children, "{flavour}");
            assert_eq!((done.load(Ordering::SeqCst), alive.count()), (children, 0), "{flavour}");
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_01_children_spawn_siblings_after_the_body_has_given_its_value() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        // A tree of 2^10 - 1 children, each spawned by its parent.
        fn grow(group: TaskGroup, alive: Alive, depth: u32) {
            let one = alive.one();
            let inner = group.clone();
            drop(group.spawn(async move {
                yield_now().await;
                if depth > 1 {
                    grow(inner.clone(), alive.clone(), depth - 1);
                    grow(inner, alive, depth - 1);
                }
                drop(one);
                Ok(())
            }));
        }
        let group = runtime.block_on(scope(async |group: TaskGroup| {
            grow(group.clone(), alive.clone(), 10);
            Ok(group)
        }));
        let group = group.unwrap();
        assert_eq!(alive.count(), 0, "{flavour}");
        assert!(group.is_closed() && group.is_empty() && !group.is_open(), "{flavour}: {group:?}");
    }
}

#[test]
fn scp_02_the_first_error_cancels_the_rest_and_the_others_are_attached() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result: Result<(), GroupError<String>> = runtime.block_on(scope(async |group| {
            for _ in 0..50 {
                let one = alive.one();
                drop(group.spawn(async move {
                    let _one = one;
                    pending::<Result<(), String>>().await
                }));
            }
            drop(group.spawn(async { Err::<(), _>("first".to_owned()) }));
            pending().await
        }));
        let error = result.unwrap_err();
        assert_eq!(error.first().error().map(String::as_str), Some("first"), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}: all were awaited");
        assert!(error.others().is_empty(), "{flavour}: who was cancelled has not failed: {error:?}");
    }
}

#[test]
fn scp_02_with_grace_every_error_is_kept_in_the_order_in_which_it_came() {
    let runtime = mainspring::runtime::Builder::new_simulated(1).build().unwrap();
    let result: Result<(), _> = runtime.block_on(Builder::new().grace(Duration::from_secs(1)).scope(async |group| {
        for n in 0..5u64 {
            let inside = group.clone();
            drop(group.spawn(async move {
                if n > 0 {
                    inside.cancelled().await;
                    sleep(Duration::from_millis(10 * n)).await;
                }
                Err::<(), _>(n)
            }));
        }
        group.cancelled().await;
        Err(99)
    }));
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "0; then 99; then 1; then 2; then 3; then 4");
    let all: Vec<_> = error.into_iter().map(|failure| failure.into_error().unwrap()).collect();
    assert_eq!(all, [0, 99, 1, 2, 3, 4]);
}

#[test]
fn scp_02_an_error_of_the_body_cancels_its_children() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result: Result<(), _> = runtime.block_on(scope(async |group: TaskGroup<&str>| {
            let one = alive.one();
            drop(group.spawn(async move {
                let _one = one;
                pending::<Result<(), _>>().await
            }));
            yield_now().await;
            Err("the body")
        }));
        assert_eq!((result.unwrap_err().into_first().into_error(), alive.count()), (Some("the body"), 0), "{flavour}");
    }
}

#[test]
fn scp_03_a_panic_cancels_the_rest_and_keeps_its_payload() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for in_body in [false, true] {
            let alive = Alive::default();
            let result: Result<(), GroupError<()>> = runtime.block_on(scope(async |group| {
                let one = alive.one();
                drop(group.spawn(async move {
                    let _one = one;
                    pending::<Result<(), ()>>().await
                }));
                if in_body {
                    panic_quietly("payload");
                }
                let child = group.spawn(async { panic_quietly("payload") });
                let _: Result<(), ChildError> = child.await;
                pending().await
            }));
            let error = result.unwrap_err();
            assert!(error.is_panic() && error.others().is_empty(), "{flavour}: {error:?}");
            let payload = error.into_first().into_panic().unwrap().into_panic();
            assert_eq!((message_of(payload), alive.count()), ("payload".to_owned(), 0), "{flavour}");
        }
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}: the scope has them, so the hook does not");
        watch.assert_freed();
    }
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_quietly(self.0);
    }
}

#[test]
fn scp_03_panics_in_poll_and_in_drop_of_many_are_all_kept_and_none_aborts() {
    for (flavour, runtime) in runtimes() {
        let result: Result<(), GroupError<()>> = runtime.block_on(scope(async |group| {
            for _ in 0..10 {
                drop(group.spawn(async {
                    let _bomb = Bomb("in drop");
                    pending::<Result<(), ()>>().await
                }));
            }
            // Let each begin, for a future that never ran has nothing to drop.
            for _ in 0..50 {
                yield_now().await;
            }
            sleep(Duration::from_millis(20)).await;
            let _bomb = Bomb("in the body's drop");
            drop(group.spawn::<(), _>(async { panic_quietly("in poll") }));
            pending().await
        }));
        let error = result.unwrap_err();
        let said = |failure: Failure<()>| message_of(failure.into_panic().unwrap().into_panic());
        let mut all: Vec<_> = error.into_iter().map(said).collect();
        assert_eq!(all.remove(0), "in poll", "{flavour}");
        all.sort();
        let mut expected = vec!["in drop"; 10];
        expected.push("in the body's drop");
        assert_eq!(all, expected, "{flavour}");
    }
}

#[test]
fn snd_04_a_panic_beside_a_value_costs_the_scope_its_own_but_not_the_childs() {
    struct Trapped;
    impl Future for Trapped {
        type Output = Result<u32, ()>;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
            std::task::Poll::Ready(Ok(7))
        }
    }
    impl Drop for Trapped {
        fn drop(&mut self) {
            panic_quietly("after the value");
        }
    }
    for (flavour, runtime) in runtimes() {
        let seen = Arc::new(Mutex::new(None));
        let result = Builder::new().grace(Duration::from_secs(5)).scope(async |group| {
            *seen.lock().unwrap() = Some(group.spawn(Trapped).await);
            Ok(())
        });
        let error = runtime.block_on(result).unwrap_err();
        assert!(error.is_panic() && error.others().is_empty(), "{flavour}: {error:?}");
        assert_eq!(*seen.lock().unwrap(), Some(Ok(7)), "{flavour}");
    }
}

#[test]
fn a_child_that_is_stopped_alone_harms_nobody() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let stopped = group.spawn(pending::<Result<(), _>>());
            let other = group.spawn(async { Ok(7) });
            stopped.abort();
            let error = stopped.await.unwrap_err();
            assert!(matches!(error, ChildError::Cancelled(CancelCause::Aborted { .. })), "{flavour}: {error}");
            Ok(other.await.unwrap())
        }));
        assert_eq!(result.unwrap(), 7, "{flavour}");
    }
}

#[test]
fn what_only_helped_is_stopped_without_a_failure() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let one = alive.one();
            drop(group.spawn(async move {
                let _one = one;
                pending::<Result<(), _>>().await
            }));
            yield_now().await;
            group.cancel();
            Ok("the value")
        }));
        assert_eq!((result.unwrap(), alive.count()), ("the value", 0), "{flavour}");
    }
}

#[test]
fn a_scope_runs_inside_a_task_and_its_children_on_any_worker() {
    for (flavour, runtime) in runtimes() {
        let task = runtime.spawn(async {
            scope(async |group: TaskGroup<std::io::Error>| {
                let one = group.spawn(async { Ok(1) });
                let two = group.spawn(async { Ok(2) });
                Ok(one.await? + two.await?)
            })
            .await
        });
        assert_eq!(runtime.block_on(task).unwrap().unwrap(), 3, "{flavour}");
    }
}

#[test]
fn children_of_a_local_scope_spawn_siblings_and_await_one_another() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope_local(async |scope: LocalScope<'_, std::io::Error>| {
            let inner = scope.clone();
            let child = scope.spawn(async move {
                let grandchild = inner.spawn(async {
                    yield_now().await;
                    Ok(20)
                });
                Ok(grandchild.await? + 1)
            });
            Ok(child.await?)
        }));
        assert_eq!(result.unwrap(), 21, "{flavour}");
    }
}
