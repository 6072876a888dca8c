//! SCP-01, 03, 07: children that borrow from the stack of the thread that waits, and everything that might end that wait
//! early: panics at each call-out, aborts, handles and wakers that are kept, and ends of the runtime.
//!
//! Each child writes into what it borrowed until the very end, so that an access after the end is one that ASan sees.
//!
//! Cases of the catalogue: SCP-01, SCP-03, SCP-07, SHD-04, SHD-06, MIS-11, SND-04.

use super::Alive;
use crate::{PATIENCE, Watch, builders, message_of, panic_quietly, runtimes, until};
use mainspring::group::{BlockScope, Builder, Failure, GroupError, block_on_scope, scope};
use mainspring::runtime::{self, Handle};
use mainspring::task::{CancelCause, spawn, yield_now};
use mainspring::time::{Duration, sleep};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::task::Poll;
use std::thread;

pub(super) type Scope<'scope, 'env> = BlockScope<'scope, 'env, Said>;

/// An error in words. (With a bare `&'static str` rustc asks of what the body borrows that it be 'static, too.)
#[derive(Debug)]
pub(super) struct Said(#[expect(dead_code, reason = "is shown when a test fails")] pub(super) &'static str);

/// With errors that are words.
pub(super) fn in_scope<'env, B, R>(handle: &Handle, body: B) -> Result<R, GroupError<Said>>
where
    B: for<'scope> AsyncFnOnce(&'scope Scope<'scope, 'env>) -> Result<R, Said>,
{
    block_on_scope(handle, body)
}

/// Writes to what it borrowed when it is dropped, slowly, so that whoever does not wait for it is caught.
pub(super) struct Late<'a>(pub(super) &'a [AtomicUsize]);

impl Drop for Late<'_> {
    fn drop(&mut self) {
        thread::yield_now();
        for word in self.0 {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) fn words() -> Vec<AtomicUsize> {
    (0..64).map(|_| AtomicUsize::new(0)).collect()
}

/// How often the words were written, each as often as the others.
pub(super) fn written(words: Vec<AtomicUsize>) -> usize {
    let counts: Vec<_> = words.into_iter().map(AtomicUsize::into_inner).collect();
    assert!(counts.iter().all(|count| *count == counts[0]));
    counts[0]
}

#[test]
fn scp_01_children_borrow_and_have_ended_when_the_call_returns() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for children in [0, 1, 10, 1_000, 10_000] {
            let words = words();
            let result = in_scope(runtime.handle(), async |scope| {
                let words = &words;
                for n in 0..children {
                    let late = Late(words);
                    drop(scope.spawn(async move {
                        let _late = late;
                        if n % 3 == 0 {
                            yield_now().await;
                        }
                        Ok(Late(words))
                    }));
                }
                Ok(children)
            });
            assert_eq!((result.unwrap(), written(words)), (children, 2 * children), "{flavour}");
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_01_values_that_borrow_come_through_their_handles_or_go_with_the_scope() {
    for (flavour, runtime) in runtimes() {
        let words = words();
        let result = in_scope(runtime.handle(), async |scope| {
            let read = scope.spawn(async { Ok(Late(&words)) });
            let finished = scope.spawn(async { Ok(Late(&words)) });
            // A handle inside another child, inside another child's value, and one that nobody ever polls.
            let inner = scope.spawn(async { Ok(Late(&words)) });
            let outer = scope.spawn(async move { Ok(Some(inner)) });
            drop(scope.spawn(async move { Ok(outer) }));
            until(|| finished.is_finished()).await;
            drop(read.await.map_err(|_| Said("read")));
            Ok(())
        });
        result.unwrap();
        assert_eq!(written(words), 3, "{flavour}");
    }
}

#[test]
fn children_borrow_the_scope_and_spawn_siblings() {
    for (flavour, runtime) in runtimes() {
        let count = AtomicUsize::new(0);
        fn grow<'scope>(scope: &'scope Scope<'scope, '_>, count: &'scope AtomicUsize, depth: u32) {
            drop(scope.spawn(async move {
                count.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                if depth > 1 {
                    (0..2).for_each(|_| grow(scope, count, depth - 1));
                }
                Ok(())
            }));
        }
        let result = in_scope(runtime.handle(), async |scope| {
            grow(scope, &count, 10);
            Ok(())
        });
        result.unwrap();
        assert_eq!(count.into_inner(), 1_023, "{flavour}");
    }
}

struct Bomb<'a>(#[expect(dead_code, reason = "is dropped with the bomb")] Late<'a>, &'static str);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        panic_quietly(self.1);
    }
}

/// Twenty who wait for ever.
fn crowd<'scope>(scope: &'scope Scope<'scope, '_>, words: &'scope [AtomicUsize]) {
    for _ in 0..20 {
        let late = Late(words);
        drop(scope.spawn(async move {
            let _late = late;
            pending::<Result<(), _>>().await
        }));
    }
}

/// Panics at that call-out, sooner or later.
async fn go_off<'scope>(scope: &'scope Scope<'scope, '_>, words: &'scope [AtomicUsize], way: &'static str) {
    let bomb = move || Bomb(Late(words), way);
    match way {
        "body" => panic_quietly(way),
        "body's drop" => {
            let _bomb = bomb();
            drop(scope.spawn(async { Err::<(), _>(Said("drops the body")) }));
            pending::<()>().await;
        }
        "poll" => drop(scope.spawn::<(), _>(async move { panic_quietly(way) })),
        "future's drop" => {
            let held = bomb();
            drop(scope.spawn(poll_fn(move |_| {
                let _held = &held;
                Poll::Ready(Ok(()))
            })));
        }
        "value's drop" => drop(scope.spawn(async move { Ok(bomb()) })),
        _ => {
            let held = bomb();
            let child = scope.spawn(async move {
                let _held = held;
                pending::<Result<(), _>>().await
            });
            yield_now().await;
            child.abort();
        }
    }
    pending().await
}

#[test]
fn scp_03_snd_04_a_panic_at_any_call_out_waits_for_the_rest_first() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for way in ["body", "body's drop", "poll", "future's drop", "value's drop", "abort's drop"] {
            let words = words();
            let result: Result<(), _> = in_scope(runtime.handle(), async |scope| {
                crowd(scope, &words);
                yield_now().await;
                go_off(scope, &words, way).await;
                Ok(())
            });
            let error = result.unwrap_err();
            let panic = error.into_iter().find_map(Failure::into_panic).expect("the payload is kept");
            assert_eq!(message_of(panic.into_panic()), way, "{flavour}");
            let bombs = usize::from(!["body", "poll"].contains(&way));
            assert_eq!(written(words), 20 + bombs, "{flavour}: {way}");
        }
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn a_simulation_in_which_all_sleep_panics_after_its_children_have_gone() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let words = words();
    let stalled = catch_unwind(AssertUnwindSafe(|| {
        in_scope(runtime.handle(), async |scope| {
            for _ in 0..10 {
                let late = Late(&words);
                drop(scope.spawn(async move {
                    let _late = late;
                    pending::<Result<(), _>>().await
                }));
            }
            Ok(())
        })
    }));
    assert!(message_of(stalled.unwrap_err()).starts_with("deadlock: "));
    assert_eq!(written(words), 10);
}

#[test]
fn inside_a_task_it_panics_before_it_has_begun() {
    for (flavour, runtime) in runtimes() {
        let handle = runtime.handle().clone();
        let refused = runtime.block_on(async {
            catch_unwind(AssertUnwindSafe(|| {
                in_scope(&handle, async |_| -> Result<(), _> { unreachable!("it does not begin") })
            }))
        });
        assert!(message_of(refused.unwrap_err()).contains("`block_on` inside a task"), "{flavour}");
    }
}

#[test]
fn a_job_of_the_pool_may_use_it_and_one_scope_stand_inside_another() {
    for (flavour, runtime) in runtimes().filter(|(flavour, _)| *flavour != "simulated") {
        let handle = runtime.handle().clone();
        let job = runtime.handle().spawn_blocking(move || {
            let words = words();
            let result = in_scope(&handle, async |outer| {
                for _ in 0..10 {
                    drop(outer.spawn(async {
                        let _late = Late(&words);
                        // Only what is 'static gets into a `scope`.
                        scope(async |inner| {
                            drop(inner.spawn(async {
                                yield_now().await;
                                Ok::<_, &str>(())
                            }));
                            Ok(())
                        })
                        .await
                        .map_err(|_| Said("inner"))
                    }));
                }
                Ok(())
            });
            result.unwrap();
            written(words)
        });
        assert_eq!(runtime.block_on(job).unwrap(), 10, "{flavour}");
    }
}

#[test]
fn a_child_polled_as_part_of_another_is_woken_and_its_waker_goes_with_it() {
    for (flavour, runtime) in runtimes() {
        let (say, hear) = mpsc::channel();
        let sum = Mutex::new(0);
        let result = in_scope(runtime.handle(), async |scope| {
            let first = scope.spawn(async {
                sleep(Duration::from_millis(5)).await;
                Ok(20)
            });
            let second = scope.spawn(async {
                let got = first.await.expect("it ends well");
                *sum.lock().unwrap() += got;
                Ok(got + 1)
            });
            let say = say.clone();
            // A task that is no child knows nothing of the scope, and may outlive it.
            drop(spawn(async move {
                sleep(Duration::from_millis(1)).await;
                let _ = say.send(());
            }));
            Ok(second.await.expect("it ends well"))
        });
        assert_eq!((result.unwrap(), sum.into_inner().unwrap()), (21, 20), "{flavour}");
        hear.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn limits_deadlines_and_graces_are_those_of_every_scope() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let running = Cell::new(0);
    let words = words();
    let builder = Builder::new().limit(2).timeout(Duration::from_secs(1)).grace(Duration::from_millis(10));
    let result: Result<(), GroupError<Said>> = builder.block_on_scope(runtime.handle(), async |scope| {
        assert!(scope.deadline().is_some() && scope.is_empty());
        for _ in 0..10 {
            let late = Late(&words);
            drop(scope.spawn(async move {
                let _late = late;
                sleep(Duration::from_millis(400)).await;
                Ok(())
            }));
        }
        running.set(scope.len());
        pending::<Result<(), _>>().await
    });
    assert!(matches!(result.unwrap_err().first(), Failure::Cancelled(CancelCause::Deadline)));
    assert_eq!((running.get(), written(words)), (10, 10));
}

#[test]
fn a_cancel_from_a_child_ends_the_scope_and_the_value_stands() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result = in_scope(runtime.handle(), async |scope| {
            drop(scope.spawn(async {
                let _one = alive.one();
                pending::<Result<(), _>>().await
            }));
            drop(scope.spawn(async {
                until(|| alive.count() == 1).await;
                scope.cancel_with("seen");
                Ok(())
            }));
            Ok(7)
        });
        assert_eq!((result.unwrap(), alive.count()), (7, 0), "{flavour}");
    }
}
