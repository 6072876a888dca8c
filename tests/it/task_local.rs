//! Task-locals: who sees a value, who inherits it, and that it is there for as long as the future is.

use crate::{PATIENCE, message_of, panic_quietly, poll_with, runtimes, until};
use mainspring::runtime::{Builder, Handle};
use mainspring::task::{self, AccessError, block_in_place, spawn_blocking, yield_now};
use mainspring::time::{Duration, sleep};
use mainspring::{join, task_local};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

task_local! {
    /// Nobody inherits it.
    static OWN: u32;
    static COUNT: Cell<u32>;
    static LOCAL: Rc<RefCell<Vec<u32>>>;
    static FOR_TASKS: u32 => tasks;
    static FOR_THREADS: u32 => threads;
    static FOR_ALL: Arc<AtomicU32> => threads, tasks
}

#[test]
fn a_value_is_there_in_the_scope_and_in_what_it_calls_and_nowhere_else() {
    async fn deep() -> u32 {
        yield_now().await;
        OWN.get() + OWN.with(|n| *n)
    }
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            assert_eq!(OWN.try_get(), Err(AccessError));
            assert_eq!(OWN.scope(4, deep()).await, 8);
            assert_eq!(OWN.try_with(|n| *n), Err(AccessError));
            let task = task::spawn(OWN.scope(5, deep()));
            assert_eq!(task.await.unwrap(), 10);
        });
    }
}

#[test]
fn scopes_nest_and_keys_do_not_mix() {
    for (_, runtime) in runtimes() {
        let seen = runtime.block_on(OWN.scope(1, async {
            let inner = OWN.scope(
                2,
                COUNT.scope(Cell::new(7), async {
                    yield_now().await;
                    (OWN.get(), COUNT.with(Cell::get))
                }),
            );
            (OWN.get(), inner.await, OWN.get(), COUNT.try_with(Cell::get).is_err())
        }));
        assert_eq!(seen, (1, (2, 7), 1, true));
    }
}

#[test]
fn scopes_in_one_task_are_told_apart_at_every_poll() {
    for (_, runtime) in runtimes() {
        let check = |n: u32| {
            OWN.scope(n, async move {
                for _ in 0..100 {
                    assert_eq!(OWN.get(), n);
                    yield_now().await;
                    COUNT.scope(Cell::new(n), async { assert_eq!(COUNT.with(Cell::get), OWN.get()) }).await;
                }
                n
            })
        };
        let got = runtime.block_on(async { join!(check(1), check(2), check(3), async { OWN.try_get() }) });
        assert_eq!(got, (1, 2, 3, Err(AccessError)));
    }
}

#[test]
fn a_value_may_be_looked_at_within_a_look_and_a_scope_entered_within_it() {
    let sum = OWN.sync_scope(1, || OWN.with(|a| OWN.with(|b| a + b + OWN.sync_scope(10, || OWN.get() + *a))));
    assert_eq!(sum, 13);
}

#[test]
fn a_value_that_is_not_send_lives_in_a_local_task() {
    for (_, runtime) in runtimes() {
        let list = Rc::new(RefCell::new(Vec::new()));
        runtime.block_on(async {
            let scope = LOCAL.scope(list.clone(), async {
                for n in 0..3 {
                    LOCAL.with(|list| list.borrow_mut().push(n));
                    yield_now().await;
                }
            });
            task::spawn_local(scope).await.unwrap();
        });
        assert_eq!(*list.borrow(), [0, 1, 2]);
        assert_eq!(Rc::strong_count(&list), 1);
    }
}

#[test]
fn children_inherit_what_is_for_tasks_and_so_do_theirs_on_any_worker() {
    for (_, runtime) in runtimes() {
        let seen = runtime.block_on(OWN.scope(
            1,
            FOR_TASKS.scope(
                2,
                FOR_THREADS.scope(3, async {
                    let child = task::spawn(async {
                        let own = [OWN.try_get(), FOR_TASKS.try_get(), FOR_THREADS.try_get()];
                        let grandchild = task::spawn_local(async { (FOR_TASKS.get(), FOR_THREADS.try_get()) });
                        (own, grandchild.await.unwrap())
                    });
                    child.await.unwrap()
                }),
            ),
        ));
        assert_eq!(seen, ([Err(AccessError), Ok(2), Err(AccessError)], (2, Err(AccessError))));
    }
}

#[test]
fn jobs_and_threads_inherit_what_is_for_threads() {
    for (name, runtime) in runtimes() {
        runtime.block_on(FOR_TASKS.scope(
            1,
            FOR_THREADS.scope(
                2,
                FOR_ALL.scope(Arc::default(), async {
                    let look = || {
                        let was = FOR_ALL.with(|count| count.fetch_add(1, Ordering::Relaxed));
                        (FOR_TASKS.try_get(), FOR_THREADS.try_get(), was)
                    };
                    assert_eq!(spawn_blocking(look).await.unwrap(), (Err(AccessError), Ok(2), 0));
                    if name != "simulated" {
                        let thread = mainspring::thread::spawn(look).unwrap();
                        assert_eq!(thread.await.unwrap(), (Err(AccessError), Ok(2), 1));
                    }
                    // A job's tasks inherit from the job; and what a task may not see it does not pass on either.
                    let through = task::spawn(async { spawn_blocking(|| FOR_THREADS.try_get()).await.unwrap() });
                    assert_eq!(through.await.unwrap(), Err(AccessError));
                    let of_job =
                        spawn_blocking(|| task::spawn(async { (FOR_THREADS.try_get(), FOR_ALL.try_get().is_ok()) }));
                    assert_eq!(of_job.await.unwrap().await.unwrap(), (Err(AccessError), true));
                }),
            ),
        ));
    }
}

#[test]
fn the_innermost_scope_is_what_children_inherit() {
    for (_, runtime) in runtimes() {
        let seen = runtime.block_on(FOR_TASKS.scope(1, async {
            let child = task::spawn(async {
                let outer = task::spawn(async { FOR_TASKS.get() });
                let inner = FOR_TASKS.scope(3, async { task::spawn(async { FOR_TASKS.get() }) }).await;
                (outer.await.unwrap(), inner.await.unwrap(), FOR_TASKS.get())
            });
            FOR_TASKS.scope(2, async { task::spawn(async { FOR_TASKS.get() }) }).await.await.unwrap()
                + 100 * {
                    let (outer, inner, own) = child.await.unwrap();
                    outer + 10 * inner + 100 * own
                }
        }));
        assert_eq!(seen, 2 + 100 * (1 + 30 + 100));
    }
}

#[test]
fn a_name_and_an_inherited_value_go_together() {
    for (_, runtime) in runtimes() {
        runtime.block_on(FOR_TASKS.scope(9, async {
            let task = task::Builder::new().name("heir").spawn(async { FOR_TASKS.get() });
            assert_eq!(task.name(), Some("heir"));
            assert_eq!(task.await.unwrap(), 9);
        }));
    }
}

#[test]
fn from_outside_of_the_runtime_a_sync_scope_passes_on_too() {
    for (_, runtime) in runtimes() {
        let task = FOR_TASKS.sync_scope(4, || runtime.spawn(async { FOR_TASKS.get() }));
        assert_eq!(runtime.block_on(task).unwrap(), 4);
    }
}

#[test]
fn the_main_future_sees_the_scopes_of_its_block_on_and_other_tasks_on_that_thread_do_not() {
    for (_, runtime) in runtimes() {
        let stranger = runtime.spawn(async {
            while FOR_ALL.try_get().is_ok() || OWN.try_get().is_err() {
                // Polled by the thread that is in the scope, at least where it is the only one.
                if OWN.try_get().is_ok() {
                    return true;
                }
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
            }
            false
        });
        OWN.sync_scope(1, || {
            runtime.block_on(async {
                assert_eq!(OWN.get(), 1);
                for _ in 0..10 {
                    sleep(Duration::from_millis(1)).await;
                }
                assert!(!stranger.is_finished(), "it has seen a scope that is none of its own");
                let child = task::spawn(async { OWN.try_get() });
                assert_eq!(child.await.unwrap(), Err(AccessError));
                let local = task::spawn_local(async { OWN.try_get() });
                assert_eq!(local.await.unwrap(), Err(AccessError));
            });
        });
        stranger.abort();
    }
}

#[test]
fn a_block_on_in_a_job_sees_what_the_job_does() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let handle = runtime.handle().clone();
    let seen = runtime.block_on(FOR_THREADS.scope(5, async {
        let job = spawn_blocking(move || {
            OWN.sync_scope(6, || {
                handle.block_on(async {
                    (FOR_THREADS.get(), OWN.get(), task::spawn(async { FOR_THREADS.try_get() }).await.unwrap())
                })
            })
        });
        job.await.unwrap()
    }));
    assert_eq!(seen, (5, 6, Err(AccessError)));
}

/// Looks at a key when it is dropped.
struct LooksAtTheEnd(Arc<Mutex<Vec<Option<u32>>>>);

impl Drop for LooksAtTheEnd {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(OWN.try_get().or(FOR_TASKS.try_get()).ok());
    }
}

#[test]
fn tsk_19_the_value_is_there_while_the_future_is_dropped() {
    for (name, runtime) in runtimes() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let hold = |value| {
            let looks = LooksAtTheEnd(seen.clone());
            OWN.scope(value, async move {
                let _looks = looks;
                pending::<()>().await;
            })
        };
        runtime.block_on(async {
            // Aborted, dropped while it waits, dropped before its first poll, and at its own end.
            let task = task::spawn(hold(1));
            yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            {
                let mut waiting = pin!(hold(2));
                assert!(poll_with(&mut waiting, Waker::noop()).is_pending());
            }
            drop(hold(3));
            let looks = LooksAtTheEnd(seen.clone());
            let ends = OWN.scope(4, async move { drop(looks) });
            ends.await;
            // Inherited: the child's own future is dropped.
            let looks = LooksAtTheEnd(seen.clone());
            let child = FOR_TASKS
                .scope(5, async {
                    task::spawn(async move {
                        let _looks = looks;
                        pending::<()>().await
                    })
                })
                .await;
            yield_now().await;
            child.abort();
            assert!(child.await.unwrap_err().is_cancelled());
        });
        let at_shutdown = runtime.spawn(hold(6));
        runtime.block_on(until(|| !at_shutdown.is_finished()));
        drop(runtime);
        let seen = mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen, [1, 2, 3, 4, 5, 6].map(Some), "{name}");
    }
}

#[test]
fn tsk_14_a_panic_in_a_scope_leaves_it_and_a_panic_in_its_drop_does_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_eq!(OWN.get(), 1);
            panic_quietly("in the drop");
        }
    }
    for (_, runtime) in runtimes() {
        let outcome = runtime.block_on(OWN.scope(0, async {
            let bomb = Bomb;
            let task = task::spawn_local(OWN.scope(1, async move {
                let _bomb = bomb;
                pending::<()>().await;
            }));
            yield_now().await;
            task.abort();
            let dropped = task.await.unwrap_err();
            let inner = AssertUnwindSafe(|| OWN.sync_scope(2, || panic_quietly("out")));
            let caught = message_of(catch_unwind(inner).unwrap_err());
            (message_of(dropped.into_panic()), caught, OWN.get())
        }));
        assert_eq!(outcome, ("in the drop".to_owned(), "out".to_owned(), 0));
        assert!(OWN.try_get().is_err());
    }
}

#[test]
fn mis_11_a_scope_that_is_forgotten_leaves_nothing_behind() {
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let mut forgotten = Box::pin(OWN.scope(1, pending::<()>()));
            assert!(poll_with(&mut forgotten, Waker::noop()).is_pending());
            assert!(OWN.try_get().is_err());
            mem::forget(forgotten);
            assert!(OWN.try_get().is_err());
        });
    }
}

#[test]
fn mis_01_outside_of_a_scope_the_panic_names_the_key_and_the_cure() {
    let message = message_of(catch_unwind(|| OWN.get()).unwrap_err());
    assert!(message.contains("the task-local `OWN` has no value here") && message.contains("OWN.scope"), "{message}");
    assert_eq!(AccessError.to_string(), "task-local value not set");
}

#[test]
fn mis_04_polled_after_its_end_a_scope_says_so() {
    let mut scope = pin!(OWN.scope(1, async {}));
    assert!(poll_with(&mut scope, Waker::noop()).is_ready());
    let message = message_of(catch_unwind(AssertUnwindSafe(|| poll_with(&mut scope, Waker::noop()))).unwrap_err());
    assert!(message.contains("ready already"), "{message}");
}

#[test]
fn a_value_can_be_taken_back_unless_heirs_have_it() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut counted = pin!(COUNT.scope(Cell::new(1), async { COUNT.with(|count| count.set(5)) }));
        counted.as_mut().await;
        assert_eq!(counted.as_mut().take_value(), Some(Cell::new(5)));
        assert_eq!(counted.take_value(), None);

        let mut early = pin!(OWN.scope(1, OWN_OR_NOTHING));
        assert_eq!(early.as_mut().take_value(), Some(1));
        assert_eq!(OWN.scope(2, early).await, Err(AccessError), "nor does it see the scope around it");

        let mut shared = pin!(FOR_TASKS.scope(3, async { task::spawn(async { FOR_TASKS.get() }) }));
        let child = shared.as_mut().await;
        assert_eq!(child.await.unwrap(), 3);
        assert_eq!(shared.take_value(), Some(3), "the child is gone");

        let mut shared = pin!(FOR_TASKS.scope(3, async { task::spawn(pending::<()>()) }));
        let child = shared.as_mut().await;
        assert_eq!(shared.take_value(), None, "the child has it");
        child.abort();
    });
}

/// Ready at its first poll: what it sees.
struct OwnOrNothing;
const OWN_OR_NOTHING: OwnOrNothing = OwnOrNothing;

impl Future for OwnOrNothing {
    type Output = Result<u32, AccessError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(OWN.try_get())
    }
}

#[test]
fn inherited_values_are_freed_with_the_last_who_has_them() {
    for (_, runtime) in runtimes() {
        let count = Arc::new(AtomicU32::new(0));
        runtime.block_on(FOR_ALL.scope(count.clone(), async {
            for _ in 0..10 {
                let task = task::spawn(async {
                    task::spawn(async { FOR_ALL.with(|count| count.fetch_add(1, Ordering::Relaxed)) }).await
                });
                task.await.unwrap().unwrap();
            }
        }));
        assert_eq!(count.load(Ordering::Relaxed), 10);
        drop(runtime);
        let start = std::time::Instant::now();
        while Arc::strong_count(&count) > 1 {
            assert!(start.elapsed() < PATIENCE, "somebody keeps the value");
        }
    }
}

#[test]
fn the_main_future_of_a_block_on_within_another_sees_the_scopes_around_both() {
    let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
    let seen = OWN.sync_scope(1, || {
        runtime.block_on(FOR_TASKS.scope(2, async {
            block_in_place(|| Handle::current().block_on(async { (OWN.try_get(), FOR_TASKS.try_get()) }))
        }))
    });
    assert_eq!(seen, (Ok(1), Ok(2)));
}

#[test]
fn the_main_future_of_a_block_on_sees_no_scope_that_its_caller_does_not() {
    let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
    let look = || block_in_place(|| Handle::current().block_on(async { (OWN.try_get(), FOR_TASKS.try_get()) }));
    // The task is polled by the thread that is in the scope, or by another: it is in no scope of its own either way.
    let seen = OWN.sync_scope(1, || {
        runtime.block_on(async {
            let plain = task::spawn(async move { look() });
            let scoped = task::spawn(FOR_TASKS.scope(2, async move { look() }));
            [plain.await.unwrap(), scoped.await.unwrap()]
        })
    });
    assert_eq!(seen, [(Err(AccessError), Err(AccessError)), (Err(AccessError), Ok(2))]);
}
