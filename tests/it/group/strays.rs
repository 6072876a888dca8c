//! Scopes that are polled where they were not begun, or by somebody else's executor; and what was lost on such ways.
//!
//! Cases of the catalogue: MIS-10, SCP-03, SCP-04, SCH-02, SND-04.

use super::{Alive, is_pending};
use crate::{Watch, builders, panic_quietly, until};
use mainspring::group::{Builder, ChildError, Failure, LocalScope, TaskGroup, scope, scope_local};
use mainspring::sync::oneshot;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, sleep};
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// An executor that is none of ours: polls on this thread, and parks it.
pub(super) fn drive<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn mis_10_scp_03_a_panic_in_a_scope_that_another_executor_polls_is_kept_like_any_other() {
    let runtime = mainspring::runtime::Builder::new_multi_thread().workers(2).build().unwrap();
    let _inside = runtime.enter();
    let panicked = drive(scope(async |group: TaskGroup| {
        drop(group.spawn(pending::<Result<(), _>>()));
        panic_quietly("the body")
    }));
    let _: &Result<(), _> = &panicked;
    assert!(matches!(panicked.unwrap_err().first(), Failure::Panicked(_)));
    let panicked = drive(scope_local(async |scope: LocalScope<'_>| {
        drop(scope.spawn::<(), _>(async { panic_quietly("a child") }));
        pending::<Result<(), _>>().await
    }));
    assert!(matches!(panicked.unwrap_err().first(), Failure::Panicked(_)));
}

/// A part of a task that may go elsewhere.
type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn scp_04_a_scope_that_goes_to_another_task_half_way_lets_its_first_one_go_when_it_ends() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let alive = Alive::default();
        let result = runtime.block_on(async {
            let (to, from) = oneshot::channel();
            let moved = Arc::new(AtomicBool::new(false));
            let at_home = moved.clone();
            // Polls it to its end, a moment after it was cancelled.
            let elsewhere = mainspring::spawn(async move {
                let mut inner: Part = from.await.unwrap();
                assert!(is_pending(&mut inner).await);
                at_home.store(true, Ordering::SeqCst);
                // Meanwhile the one that has begun it is told to go, and finds it open.
                sleep(Duration::from_millis(20)).await;
                inner.await;
            });
            let outer = scope(async |group: TaskGroup<()>| {
                let one = alive.one();
                drop(group.spawn::<(), _>(async move {
                    let _one = one;
                    let mut inner: Part = Box::pin(async {
                        let ended = scope(async |group: TaskGroup| {
                            group.spawn(async { pending::<Result<(), _>>().await }).await.unwrap();
                            Ok(())
                        });
                        assert!(ended.await.is_err());
                    });
                    assert!(is_pending(&mut inner).await);
                    assert!(to.send(inner).is_ok());
                    pending().await
                }));
                until(|| moved.load(Ordering::SeqCst)).await;
                group.cancel();
                Ok(())
            });
            let ended = mainspring::time::timeout(Duration::from_secs(30), outer).await;
            elsewhere.await.unwrap();
            ended
        });
        assert!(result.is_ok(), "{flavour}: the outer scope waits for ever");
        assert_eq!(alive.count(), 0);
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn who_waits_for_room_hears_at_once_that_the_group_was_asked_to_end() {
    for (flavour, builder) in builders() {
        let (runtime, _watch) = Watch::build(builder);
        let result = runtime.block_on(Builder::new().limit(1).grace(Duration::from_secs(3_600)).scope(
            async |group: TaskGroup| {
                let (end, ends) = oneshot::channel::<()>();
                let has_room = Arc::new(AtomicBool::new(false));
                let at_home = has_room.clone();
                let stubborn = group.spawn(async move {
                    at_home.store(true, Ordering::SeqCst);
                    ends.await.unwrap();
                    Ok(())
                });
                until(|| has_room.load(Ordering::SeqCst)).await;
                let inner = group.clone();
                // In a task of its own that is no child, for it is refused then.
                let waiting = mainspring::spawn(async move { inner.spawn_wait(async { Ok(()) }).await.await });
                yield_now().await;
                yield_now().await;
                group.cancel();
                let heard = mainspring::time::timeout(Duration::from_secs(30), waiting).await;
                end.send(()).unwrap();
                stubborn.await.unwrap();
                Ok(heard)
            },
        ));
        let heard = result.unwrap().expect(flavour);
        assert!(matches!(heard.unwrap(), Err(ChildError::Cancelled(CancelCause::Asked { .. }))), "{flavour}");
    }
}

#[test]
fn sch_02_a_loop_over_spawns_that_are_refused_lets_the_other_tasks_run() {
    for (flavour, builder) in builders() {
        let (runtime, _watch) = Watch::build(builder.workers(1));
        let turns = runtime.block_on(async {
            let others = Arc::new(AtomicUsize::new(0));
            let counted = others.clone();
            let other = mainspring::spawn(async move {
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            });
            let refused = mainspring::spawn_local(async move {
                let patient = Builder::new().grace(Duration::from_secs(3_600));
                let of_tasks = patient.clone().scope(async |group: TaskGroup| {
                    group.cancel();
                    let before = others.load(Ordering::SeqCst);
                    for _ in 0..10_000 {
                        assert!(group.spawn(async { Ok(()) }).await.is_err());
                    }
                    Ok(others.load(Ordering::SeqCst) - before)
                });
                let of_tasks = of_tasks.await.unwrap();
                let of_its_own = patient.scope_local(async |scope: LocalScope<'_>| {
                    scope.cancel();
                    let before = others.load(Ordering::SeqCst);
                    for _ in 0..10_000 {
                        assert!(scope.spawn(async { Ok(()) }).await.is_err());
                    }
                    Ok(others.load(Ordering::SeqCst) - before)
                });
                (of_tasks, of_its_own.await.unwrap())
            });
            let turns = refused.await.unwrap();
            other.abort();
            turns
        });
        assert!(turns.0 > 10_000 / 256 && turns.1 > 10_000 / 256, "{flavour}: {turns:?}");
    }
}
