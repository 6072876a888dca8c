//! SCP-04, 05, 08: cancels from around and from inside, deadlines, grace and shields.
//!
//! Cases of the catalogue: SCP-04, SCP-05, SCP-07, SCP-08, SHD-04, MIS-11.

use super::Alive;
use crate::{Watch, builders, poll_with, runtimes, until};
use mainspring::group::{
    Builder, CancellationToken, ChildError, Failure, GroupError, TaskGroup, cancelled, deadline, scope, shield, timeout,
};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, Instant, sleep};
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Writes its depth down when it is dropped.
struct Leaves(u32, Arc<Mutex<Vec<u32>>>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// A scope in a child of a scope in a child of a scope; the innermost waits for ever.
fn nest(depth: u32, gone: Arc<Mutex<Vec<u32>>>, deepest: Alive) -> Boxed<Result<(), GroupError<()>>> {
    Box::pin(scope(async move |group: TaskGroup<()>| {
        let leaves = Leaves(depth, gone.clone());
        let inner = group.clone();
        let child = group.spawn(async move {
            let _leaves = leaves;
            if depth < 50 {
                let _ = nest(depth + 1, gone, deepest).await;
            } else {
                // Mid-spawn: half of its siblings are there when the cancel comes.
                let _one = deepest.one();
                loop {
                    drop(inner.spawn(pending::<Result<(), ()>>()));
                    yield_now().await;
                }
            }
            Ok(())
        });
        let _ = child.await;
        Ok(())
    }))
}

#[test]
fn scp_04_a_cancel_ends_scopes_nested_50_deep_from_the_leaf_up() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (gone, deepest) = (Arc::new(Mutex::new(Vec::new())), Alive::default());
        let result = runtime.block_on(scope(async |group: TaskGroup<()>| {
            let (gone, at_the_leaf) = (gone.clone(), deepest.clone());
            drop(group.spawn(async { nest(1, gone, at_the_leaf).await.map_err(|_| ()) }));
            until(|| deepest.count() == 1).await;
            group.cancel_with("from outside");
            pending::<Result<(), ()>>().await
        }));
        let error = result.unwrap_err();
        let Failure::Cancelled(CancelCause::Asked { message: Some(why), .. }) = error.first() else {
            panic!("{flavour}: {error:?}")
        };
        assert_eq!(&**why, "from outside", "{flavour}");
        assert_eq!(*gone.lock().unwrap(), (1..=50).rev().collect::<Vec<_>>(), "{flavour}: leaf first");
        assert_eq!(deepest.count(), 0, "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_04_a_nest_that_is_dropped_instead_leaks_nothing() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (gone, deepest) = (Arc::new(Mutex::new(Vec::new())), Alive::default());
        runtime.block_on(async {
            let task = mainspring::spawn(nest(1, gone.clone(), deepest.clone()));
            until(|| deepest.count() == 1).await;
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()), "{flavour}");
            // Dropping cannot wait; the children go as soon as they are polled.
            until(|| gone.lock().unwrap().len() == 50).await;
        });
        assert_eq!(deepest.count(), 0, "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_05_a_child_that_ignores_the_cancel_is_given_its_grace_and_no_more() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    for (grace, lasts) in [(0, 0), (300, 300), (5_000, 1_000)] {
        let (took, result) = runtime.block_on(async {
            let start = Instant::now();
            let ignorant = Builder::new().grace(Duration::from_millis(grace)).scope(async |group: TaskGroup| {
                drop(group.spawn(async {
                    sleep(Duration::from_secs(1)).await;
                    Ok(())
                }));
                yield_now().await;
                group.cancel();
                Ok(())
            });
            let result = ignorant.await;
            (start.elapsed(), result)
        });
        assert!(result.is_ok());
        assert_eq!(took, Duration::from_millis(lasts), "a grace of {grace} ms");
    }
}

#[test]
fn scp_05_a_child_that_blocks_its_thread_is_waited_for() {
    for (flavour, runtime) in runtimes().filter(|(flavour, _)| *flavour != "simulated") {
        let alive = Alive::default();
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let one = alive.one();
            drop(group.spawn(async move {
                std::thread::sleep(Duration::from_secs(1));
                drop(one);
                Ok(())
            }));
            yield_now().await;
            group.cancel();
            Ok(())
        }));
        assert!(result.is_ok() && alive.count() == 0, "{flavour}");
    }
}

#[test]
fn scp_07_a_scope_that_is_leaked_leaves_tasks_like_others() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let alive = Alive::default();
        runtime.block_on(async {
            let mut leaked = Box::pin(scope(async |group: TaskGroup| {
                let one = alive.one();
                drop(group.spawn(async move {
                    let _one = one;
                    pending::<Result<(), _>>().await
                }));
                pending::<Result<(), _>>().await
            }));
            assert!(poll_with(&mut leaked, Waker::noop()).is_pending());
            std::mem::forget(leaked);
            yield_now().await;
            assert_eq!(alive.count(), 1, "{flavour}: it runs on");
        });
        let report = runtime.shutdown_timeout(Duration::from_secs(60));
        assert!(report.is_complete() && alive.count() == 0, "{flavour}: and ends with the runtime");
        // The handle inside the leaked group keeps the runtime's memory, and that is all.
        drop(watch);
    }
}

/// In the same tick a child gives its value, its sibling fails, and the body looks.
fn collide(seed: u64) -> &'static str {
    let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
    let alive = Alive::default();
    let seen = Arc::new(Mutex::new(None));
    let result: Result<(), GroupError<&str>> = runtime.block_on(async {
        let (one, seen) = (alive.one(), seen.clone());
        let joiner_group = Arc::new(Mutex::new(None));
        let shared = joiner_group.clone();
        let watcher = mainspring::spawn(async move {
            loop {
                let child = shared.lock().unwrap().take();
                match child {
                    Some(child) => break *seen.lock().unwrap() = Some(child.await),
                    None => yield_now().await,
                }
            }
        });
        // In a task like the others, so that the seed may choose any of them first.
        let scope = scope(async move |group: TaskGroup<&'static str>| {
            let child = group.spawn(async move {
                let _one = one;
                sleep(Duration::from_millis(1)).await;
                Ok("value")
            });
            *joiner_group.lock().unwrap() = Some(child);
            drop(group.spawn(async {
                sleep(Duration::from_millis(1)).await;
                Err::<(), _>("failed")
            }));
            pending().await
        });
        let result = mainspring::spawn(scope).await.unwrap();
        watcher.await.unwrap();
        result
    });
    assert_eq!(result.unwrap_err().to_string(), "failed", "seed {seed}");
    assert_eq!(alive.count(), 0, "seed {seed}");
    let seen = seen.lock().unwrap().take().expect("value or cancelled, and not neither");
    match seen {
        Ok("value") => "value",
        Err(ChildError::Cancelled(CancelCause::Failed { by: Some(_) })) => "cancelled",
        other => panic!("seed {seed}: {other:?}"),
    }
}

#[test]
fn scp_08_a_cancel_against_an_end_in_the_same_tick_gives_the_value_or_the_cancel() {
    let seeds = super::seeds(5_000);
    let values = (0..seeds).filter(|seed| collide(*seed) == "value").count() as u64;
    assert!((seeds / 20..seeds / 20 * 19).contains(&values), "both come about: {values} values in {seeds}");
}

#[test]
fn deadlines_nest_and_the_nearest_counts() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let second = Duration::from_secs(1);
    runtime.block_on(async {
        let start = Instant::now();
        let outer = Builder::new().timeout(2 * second).scope(async |outer: TaskGroup| {
            assert_eq!(deadline(), Some(start + 2 * second));
            let child = outer.spawn(async move {
                // A farther one changes nothing, a nearer one counts for what is inside.
                let far = Builder::new().timeout(9 * second).scope(async |_: TaskGroup| Ok(deadline()));
                assert_eq!(far.await.unwrap(), Some(start + 2 * second));
                let near = Builder::new().timeout(second).scope(async |near: TaskGroup| {
                    assert_eq!(near.deadline(), Some(start + second));
                    near.spawn(async { Ok(deadline()) }).await.unwrap();
                    pending::<Result<(), _>>().await
                });
                let error = near.await.unwrap_err();
                assert!(matches!(error.first(), Failure::Cancelled(CancelCause::Deadline)));
                assert_eq!((deadline(), Instant::now()), (Some(start + 2 * second), start + second));
                pending::<Result<(), _>>().await
            });
            child.await.unwrap();
            Ok(())
        });
        let error = outer.await.unwrap_err();
        assert!(error.is_cancelled() && error.others().is_empty(), "{error:?}");
        assert_eq!((deadline(), Instant::now()), (None, start + 2 * second));
    });
}

#[test]
fn a_timeout_waits_for_the_scopes_inside() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let late = runtime.block_on(timeout(Duration::from_millis(10), async {
            let _last = alive.one();
            scope(async |group: TaskGroup| {
                for _ in 0..100 {
                    let one = alive.one();
                    drop(group.spawn(async move {
                        let _one = one;
                        pending::<Result<(), _>>().await
                    }));
                }
                Ok(())
            })
            .await
        }));
        assert!(late.is_err() && alive.count() == 0, "{flavour}");
    }
}

#[test]
fn a_shield_holds_until_the_grace_is_over() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    for (grace, saves) in [(100, true), (10, false), (0, false)] {
        let saved = Arc::new(Mutex::new(false));
        let result =
            runtime.block_on(Builder::new().grace(Duration::from_millis(grace)).scope(async |group: TaskGroup| {
                let saved = saved.clone();
                drop(group.spawn(async move {
                    // A scope inside a shield goes on, too.
                    let inside = shield(scope(async |inner: TaskGroup| {
                        let child = inner.spawn(async {
                            sleep(Duration::from_millis(50)).await;
                            Ok(())
                        });
                        child.await.unwrap();
                        Ok(())
                    }));
                    *saved.lock().unwrap() = inside.await.is_ok();
                    Ok(())
                }));
                yield_now().await;
                yield_now().await;
                group.cancel();
                Ok(())
            }));
        assert!(result.is_ok());
        assert_eq!(*saved.lock().unwrap(), saves, "a grace of {grace} ms");
    }
}

#[test]
fn a_cause_goes_down_and_says_who_and_why() {
    for (flavour, runtime) in runtimes() {
        let (causes, me) = runtime.block_on(async {
            let me = mainspring::task::id();
            let causes = Arc::new(Mutex::new(Vec::new()));
            let result = Builder::new().grace(Duration::from_secs(60)).scope(async |group: TaskGroup| {
                for _ in 0..3 {
                    let causes = causes.clone();
                    drop(group.spawn(async move {
                        let inner = Builder::new().grace(Duration::from_secs(60)).scope(async |_: TaskGroup| {
                            let cause = cancelled().await;
                            causes.lock().unwrap().push(cause);
                            Ok(())
                        });
                        assert!(inner.await.unwrap_err().is_cancelled());
                        Ok(())
                    }));
                }
                group.cancel_with("lunch");
                Ok(())
            });
            result.await.unwrap();
            (causes, me)
        });
        let expected = CancelCause::Asked { by: Some(me), message: Some("lunch".into()) };
        assert_eq!(*causes.lock().unwrap(), vec![expected.clone(); 3], "{flavour}");
        assert_eq!(expected.to_string(), format!("cancelled by task {me}: lunch"));
    }
}

#[test]
fn shd_04_a_scope_that_waits_when_the_runtime_ends_says_so() {
    for (flavour, builder) in builders() {
        let (ends, watch) = Watch::build(builder);
        let alive = Alive::default();
        let (say, begun) = std::sync::mpsc::channel();
        let held = alive.clone();
        let task = ends.spawn(async move {
            let inside = held.clone();
            scope(async move |group: TaskGroup| {
                for _ in 0..10 {
                    let one = inside.one();
                    drop(group.spawn(async move {
                        let _one = one;
                        pending::<Result<(), _>>().await
                    }));
                }
                say.send(()).unwrap();
                Ok(())
            })
            .await
        });
        if flavour != "multi thread" {
            ends.block_on(async { until(|| alive.count() == 10).await });
        }
        begun.recv().unwrap();
        assert!(ends.shutdown_timeout(Duration::from_secs(60)).is_complete(), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
        let other = runtime::Builder::new_current_thread().build().unwrap();
        let error = other.block_on(task).unwrap_err();
        assert_eq!(error.cancel_cause(), Some(CancelCause::Shutdown), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn shd_04_a_scope_in_block_on_ends_when_its_runtime_does() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let ends = builder.build().unwrap();
        let (handle, alive) = (ends.handle().clone(), Alive::default());
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                handle.block_on(Builder::new().grace(Duration::from_secs(3_600)).scope(async |group: TaskGroup| {
                    let one = alive.one();
                    drop(group.spawn(async move {
                        let _one = one;
                        pending::<Result<(), _>>().await
                    }));
                    Ok(())
                }))
            });
            while alive.count() == 0 {
                std::thread::yield_now();
            }
            drop(ends);
            let error = waits.join().unwrap().unwrap_err();
            assert!(matches!(error.first(), Failure::Cancelled(CancelCause::Shutdown)), "{flavour}: {error:?}");
        });
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn a_token_s_listeners_come_and_go() {
    let token = CancellationToken::new();
    let mut waits = token.cancelled();
    assert!(poll_with(&mut waits, Waker::noop()).is_pending());
    drop(waits);
    let mut forgotten = token.cancelled();
    assert!(poll_with(&mut forgotten, Waker::noop()).is_pending());
    std::mem::forget(forgotten); // MIS-11: its place is taken for good, and that is all
    let guard = token.clone().drop_guard();
    drop(guard);
    assert!(poll_with(&mut token.cancelled(), Waker::noop()).is_ready());
    assert_eq!(token.cause(), Some(CancelCause::Asked { by: None, message: None }));
    assert!(token.child_token().is_cancelled());
}
