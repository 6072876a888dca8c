//! Scopes whose children borrow and stay: turns, wakes, ends and leaks.
//!
//! Cases of the catalogue: SCP-01, SCP-02, SCP-03, SCP-06, SCP-07, MIS-11, SND-04, TSK-16.

use super::{Alive, is_pending};
use crate::{Watch, builders, message_of, panic_quietly, poll_with, runtimes, until};
use mainspring::group::{Builder, ChildError, Failure, LocalScope, scope, scope_local};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, Instant, sleep};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::thread;

/// Counts in what it borrowed when it is dropped.
struct Late<'a>(&'a Cell<usize>);

impl Drop for Late<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn scp_01_children_borrow_what_is_around_and_end_before_the_scope() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for children in [0, 1, 100, 10_000] {
            let (dropped, sum) = (Cell::new(0), Rc::new(Cell::new(0)));
            let result = runtime.block_on(scope_local(async |scope| {
                for n in 0..children {
                    let (late, sum) = (Late(&dropped), sum.clone());
                    drop(scope.spawn(async move {
                        let _late = late;
                        for _ in 0..n % 3 {
                            yield_now().await;
                        }
                        sum.set(sum.get() + n);
                        Ok::<_, io::Error>(())
                    }));
                }
                Ok(children)
            }));
            let expected = (0..children).sum::<usize>();
            assert_eq!((result.unwrap(), dropped.get(), sum.get()), (children, children, expected), "{flavour}");
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn only_those_who_were_woken_are_polled() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let polls: Vec<_> = (0..100).map(|_| Cell::new(0)).collect();
    let body_polls = Cell::new(0);
    let start = runtime.block_on(async { Instant::now() });
    let result = runtime.block_on(scope_local(async |scope| {
        for (n, polls) in polls.iter().enumerate() {
            let mut nap = Box::pin(sleep(Duration::from_millis(10 * n as u64 + 10)));
            drop(scope.spawn(poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                nap.as_mut().poll(cx).map(Ok::<_, io::Error>)
            })));
        }
        let mut forever = Box::pin(sleep(Duration::from_secs(2)));
        poll_fn(|cx| {
            body_polls.set(body_polls.get() + 1);
            forever.as_mut().poll(cx)
        })
        .await;
        Ok(start.elapsed())
    }));
    assert_eq!(result.unwrap(), Duration::from_secs(2));
    assert!(polls.iter().all(|polls| polls.get() == 2), "first, and when its time has come");
    assert_eq!(body_polls.get(), 2);
}

#[test]
fn a_child_that_is_always_ready_starves_neither_siblings_nor_other_tasks() {
    for (flavour, runtime) in runtimes() {
        let (turns, others) = (Cell::new(0), Arc::new(Mutex::new(0)));
        let result = runtime.block_on(scope_local(async |scope: LocalScope<'_, ()>| {
            let other = others.clone();
            drop(mainspring::spawn(async move {
                loop {
                    *other.lock().unwrap() += 1;
                    yield_now().await;
                }
            }));
            for _ in 0..200 {
                let (scope, turns, others) = (scope.clone(), &turns, others.clone());
                drop(scope.clone().spawn(poll_fn(move |cx| {
                    turns.set(turns.get() + 1);
                    if turns.get() > 2_000 && *others.lock().unwrap() > 5 {
                        scope.cancel();
                    }
                    cx.waker().wake_by_ref();
                    Poll::<Result<(), ()>>::Pending
                })));
            }
            Ok(())
        }));
        assert!(result.is_ok() && *others.lock().unwrap() > 5, "{flavour}");
    }
}

#[test]
fn scp_02_scp_03_the_first_failure_cancels_the_rest_and_all_are_kept() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("in drop");
        }
    }
    for (flavour, runtime) in runtimes() {
        for by_panic in [false, true] {
            let dropped = Cell::new(0);
            let result = runtime.block_on(scope_local(async |scope| {
                for _ in 0..10 {
                    let late = Late(&dropped);
                    drop(scope.spawn(async move {
                        let _late = late;
                        let _bomb = Bomb;
                        pending::<Result<(), &str>>().await
                    }));
                }
                yield_now().await;
                yield_now().await;
                drop(scope.spawn::<(), _>(async move { if by_panic { panic_quietly("first") } else { Err("first") } }));
                pending::<Result<(), _>>().await
            }));
            let error = result.unwrap_err();
            assert_eq!(error.is_panic(), by_panic, "{flavour}");
            assert_eq!((error.others().len(), dropped.get()), (10, 10), "{flavour}: {error:?}");
            let said = |failure: Failure<&str>| match failure {
                Failure::Panicked(error) => message_of(error.into_panic()),
                Failure::Error(error) => error.to_owned(),
                other => panic!("{other:?}"),
            };
            let said: Vec<_> = error.into_iter().map(said).collect();
            assert_eq!((said[0].as_str(), said[10].as_str()), ("first", "in drop"), "{flavour}");
        }
    }
}

#[test]
fn snd_04_a_value_whose_destructor_panics_is_a_failure() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("unread");
        }
    }
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope_local(async |scope: LocalScope<'_, ()>| {
            drop(scope.spawn(async { Ok(Bomb) }));
            Ok(())
        }));
        let panic = result.unwrap_err().into_first().into_panic().unwrap();
        assert_eq!(message_of(panic.into_panic()), "unread", "{flavour}");
    }
}

#[test]
fn scp_06_clones_that_are_kept_find_the_scope_closed() {
    for (flavour, runtime) in runtimes() {
        let dropped = Cell::new(0);
        for early in [false, true] {
            let kept = RefCell::new(None);
            let mut future = Box::pin(scope_local(async |scope: LocalScope<'_, ()>| {
                *kept.borrow_mut() = Some(scope.clone());
                // A cycle: the scope owns a child that owns the scope.
                let held = scope.clone();
                drop(scope.spawn(async move {
                    if early {
                        pending::<()>().await;
                    }
                    drop(held);
                    Ok(())
                }));
                Ok(())
            }));
            runtime.block_on(async {
                if early {
                    assert!(is_pending(&mut future).await);
                } else {
                    future.as_mut().await.unwrap();
                }
            });
            drop(future);
            let scope = kept.take().unwrap();
            assert!(!scope.is_open() && scope.is_empty(), "{flavour}");
            let late = Late(&dropped);
            let before = dropped.get();
            let mut refused = scope.spawn(async move {
                let _late = late;
                Ok(())
            });
            assert_eq!(dropped.get(), before + 1, "{flavour}: dropped at once");
            let Poll::Ready(Err(ChildError::Cancelled(cause))) = poll_with(&mut refused, Waker::noop()) else {
                panic!("{flavour}: it says so")
            };
            assert_eq!(cause, CancelCause::ScopeEnded, "{flavour}");
        }
    }
}

#[test]
fn a_scope_that_is_dropped_takes_its_children_along_at_once() {
    for (flavour, runtime) in runtimes() {
        let dropped = Cell::new(0);
        runtime.block_on(async {
            let mut future = Box::pin(scope_local(async |scope| {
                for _ in 0..100 {
                    let late = Late(&dropped);
                    drop(scope.spawn(async move {
                        let _late = late;
                        pending::<Result<(), ()>>().await
                    }));
                }
                pending::<Result<(), _>>().await
            }));
            for _ in 0..3 {
                assert!(is_pending(&mut future).await);
            }
            drop(future);
        });
        assert_eq!(dropped.get(), 100, "{flavour}");
    }
}

#[test]
fn scp_07_a_scope_that_is_leaked_leaks_its_children_and_wakers_that_outlive_it_do_nothing() {
    for (flavour, runtime) in runtimes() {
        let (dropped, wakers) = (Cell::new(0), Mutex::new(Vec::<Waker>::new()));
        for leak in [false, true] {
            runtime.block_on(async {
                let (dropped, wakers) = (&dropped, &wakers);
                let mut future = Box::pin(scope_local(async move |scope| {
                    let late = Late(dropped);
                    drop(scope.spawn(poll_fn(move |cx| {
                        let _late = &late;
                        wakers.lock().unwrap().push(cx.waker().clone());
                        Poll::<Result<(), ()>>::Pending
                    })));
                    pending::<Result<(), _>>().await
                }));
                for _ in 0..2 {
                    assert!(is_pending(&mut future).await);
                }
                if leak {
                    std::mem::forget(future);
                }
            });
        }
        assert_eq!(dropped.get(), 1, "{flavour}: the one that was not leaked");
        let wakers = wakers.into_inner().unwrap();
        assert!(wakers.len() >= 2);
        thread::spawn(move || {
            wakers.iter().for_each(Waker::wake_by_ref);
            wakers.into_iter().for_each(Waker::wake);
        })
        .join()
        .unwrap();
    }
}

#[test]
fn wakes_from_other_threads_reach_the_child_they_are_meant_for() {
    for (flavour, runtime) in runtimes().filter(|(flavour, _)| *flavour != "simulated") {
        let hits: Vec<_> = (0..50).map(|_| Cell::new(0)).collect();
        let result = runtime.block_on(scope_local(async |scope: LocalScope<'_, ()>| {
            for hits in &hits {
                let word = Arc::new(Mutex::new((0, None::<Waker>)));
                let outside = word.clone();
                thread::spawn(move || {
                    for _ in 0..100 {
                        let mut word = outside.lock().unwrap();
                        word.0 += 1;
                        let waker = word.1.take();
                        drop(word);
                        waker.into_iter().for_each(Waker::wake);
                        thread::yield_now();
                    }
                });
                drop(scope.spawn(poll_fn(move |cx| {
                    let mut word = word.lock().unwrap();
                    hits.set(word.0);
                    if word.0 == 100 {
                        return Poll::Ready(Ok(()));
                    }
                    word.1 = Some(cx.waker().clone());
                    Poll::Pending
                })));
            }
            Ok(())
        }));
        assert!(result.is_ok() && hits.iter().all(|hits| hits.get() == 100), "{flavour}");
    }
}

#[test]
fn tsk_16_a_stranger_s_waker_that_panics_costs_nobody_else_anything() {
    struct Grenade;
    impl Wake for Grenade {
        fn wake(self: Arc<Self>) {
            panic_quietly("wake");
        }
    }
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope_local(async |scope: LocalScope<'_, ()>| {
            let mut child = scope.spawn(async {
                yield_now().await;
                Ok(7)
            });
            let waker = Waker::from(Arc::new(Grenade));
            assert!(poll_with(&mut child, &waker).is_pending());
            until(|| child.is_finished()).await;
            Ok(child.await.unwrap())
        }));
        assert_eq!(result.unwrap(), 7, "{flavour}");
    }
}

#[test]
fn a_panic_of_the_one_who_awaits_drops_the_children_while_it_unwinds() {
    for (flavour, runtime) in runtimes() {
        let dropped = Cell::new(0);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut future = Box::pin(scope_local(async |scope| {
                    let late = Late(&dropped);
                    drop(scope.spawn(async move {
                        let _late = late;
                        pending::<Result<(), ()>>().await
                    }));
                    pending::<Result<(), _>>().await
                }));
                assert!(is_pending(&mut future).await);
                panic_quietly("outside")
            })
        }));
        assert_eq!((message_of(panicked.unwrap_err()), dropped.get()), ("outside".to_owned(), 1), "{flavour}");
    }
}

#[test]
fn limit_deadline_grace_and_nesting_are_those_of_every_scope() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let alive = Alive::default();
    let (running, most) = (Cell::new(0), Cell::new(0));
    let result = runtime.block_on(scope(async |outer| {
        let start = Instant::now();
        let _in_parallel = outer.spawn(async { Ok::<_, io::Error>(()) });
        let inner =
            Builder::new().limit(2).timeout(Duration::from_secs(1)).scope_local(async |scope: LocalScope<'_, ()>| {
                for _ in 0..10 {
                    let one = alive.one();
                    drop(scope.spawn(async {
                        let _one = one;
                        running.set(running.get() + 1);
                        most.set(most.get().max(running.get()));
                        sleep(Duration::from_millis(300)).await;
                        running.set(running.get() - 1);
                        Ok(())
                    }));
                }
                // A scope of tasks inside a child ends before that child does.
                let one = alive.one();
                let inside = alive.clone();
                drop(scope.spawn(async move {
                    let _one = one;
                    let tasks = scope_of_tasks(inside).await;
                    assert!(tasks.is_err());
                    Ok(())
                }));
                Ok(())
            });
        let error = inner.await.unwrap_err();
        assert!(matches!(error.first(), Failure::Cancelled(CancelCause::Deadline)), "{error:?}");
        assert_eq!((alive.count(), start.elapsed()), (0, Duration::from_secs(1)));
        Ok(())
    }));
    result.unwrap();
    assert_eq!(most.get(), 2);
}

async fn scope_of_tasks(alive: Alive) -> Result<(), mainspring::group::GroupError<()>> {
    scope(async move |tasks| {
        for _ in 0..10 {
            let one = alive.one();
            drop(tasks.spawn(async move {
                let _one = one;
                pending::<Result<(), ()>>().await
            }));
        }
        Ok(())
    })
    .await
}
