//! Blocking jobs in a group, children with names, and results in the order in which they come.
//!
//! Cases of the catalogue: SCP-02, SCP-03, SCP-05, SCP-06.

use super::Alive;
use crate::{Watch, builders, message_of, panic_quietly, runtimes, until};
use mainspring::group::{AsCompleted, Builder, ChildError, Failure, TaskGroup, as_completed, deadline, scope, token};
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, sleep};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;

#[test]
fn scp_05_a_job_that_has_begun_is_waited_for_and_one_that_has_not_is_dropped() {
    for (_, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let (runtime, watch) = Watch::build(builder.max_blocking_threads(1));
        let (alive, ended, begun) = (Alive::default(), Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let (one, at_the_start, at_the_end) = (alive.one(), begun.clone(), ended.clone());
            let first = group.spawn_blocking(move || {
                let _one = one;
                at_the_start.wait();
                while !token().is_cancelled() {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(50));
                at_the_end.store(true, Ordering::SeqCst);
                Ok(())
            });
            let one = alive.one();
            let second = group.spawn_blocking(move || {
                let _one = one;
                unreachable!("the only thread is busy until it is cancelled")
            });
            let _: &mainspring::group::Child<()> = &second;
            yield_now().await;
            begun.wait();
            first.abort(); // does nothing
            group.cancel();
            Ok(())
        }));
        assert!(result.is_ok(), "{result:?}");
        assert!(ended.load(Ordering::SeqCst), "the scope has waited for it");
        assert_eq!(alive.count(), 0);
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn jobs_give_values_errors_and_panics_as_other_children_do() {
    for (flavour, runtime) in runtimes() {
        let limited = Builder::new().limit(2).timeout(Duration::from_secs(3_600));
        let sum = runtime.block_on(limited.scope(async |group: TaskGroup<&str>| {
            let expected = deadline();
            let jobs: Vec<_> = (0..20_u64)
                .map(|n| {
                    group.spawn_blocking(move || {
                        assert_eq!(deadline(), expected, "it knows what is around");
                        Ok(n)
                    })
                })
                .collect();
            let mut sum = 0;
            for job in jobs {
                sum += job.await.map_err(|_| "a job")?;
            }
            Ok(sum)
        }));
        assert_eq!(sum.unwrap(), 190, "{flavour}");

        let alive = Alive::default();
        for panics in [false, true] {
            let result = runtime.block_on(scope(async |group: TaskGroup<&str>| {
                let one = alive.one();
                drop(group.spawn(async move {
                    let _one = one;
                    pending::<Result<(), _>>().await
                }));
                drop(group.spawn_blocking(move || if panics { panic_quietly("job") } else { Err::<(), _>("job") }));
                pending::<Result<(), _>>().await
            }));
            let said = match result.unwrap_err().into_first() {
                Failure::Panicked(error) => message_of(error.into_panic()),
                failure => failure.into_error().unwrap().to_owned(),
            };
            assert_eq!((said.as_str(), alive.count()), ("job", 0), "{flavour}");
        }
    }
}

#[test]
fn a_limit_holds_for_jobs_and_tasks_together() {
    for (flavour, runtime) in runtimes() {
        let [running, most, ran] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let enter = {
            let (running, most, ran) = (running.clone(), most.clone(), ran.clone());
            move || {
                ran.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst)
            }
        };
        let result = runtime.block_on(Builder::new().limit(3).scope(async |group: TaskGroup| {
            for n in 0..60 {
                let (enter, running) = (enter.clone(), running.clone());
                if n % 2 == 0 {
                    drop(group.spawn_blocking(move || {
                        enter();
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    }));
                } else {
                    drop(group.spawn(async move {
                        enter();
                        yield_now().await;
                        running.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    }));
                }
            }
            Ok(())
        }));
        result.unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 60, "{flavour}: each is one child");
        assert!(most.load(Ordering::SeqCst) <= 3, "{flavour}");
    }
}

#[test]
fn scp_06_a_job_that_comes_too_late_is_dropped_and_says_so() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result = runtime.block_on(Builder::new().grace(Duration::from_secs(60)).scope(async |group: TaskGroup| {
            group.cancel();
            let one = alive.one();
            let late = group.spawn_blocking(move || {
                drop(one);
                Ok(())
            });
            assert_eq!((alive.count(), late.id(), late.name()), (0, None, None), "{flavour}");
            assert!(matches!(late.await, Err(ChildError::Cancelled(CancelCause::Asked { .. }))), "{flavour}");
            Ok(())
        }));
        result.unwrap();
    }
}

#[test]
fn shd_04_jobs_that_wait_when_the_runtime_ends_are_dropped_and_those_under_way_are_waited_for() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let ends = builder.max_blocking_threads(1).build().unwrap();
        let (handle, alive, begun) = (ends.handle().clone(), Alive::default(), AtomicBool::new(false));
        thread::scope(|threads| {
            let waits = threads.spawn(|| {
                handle.block_on(scope(async |group: TaskGroup| {
                    for n in 0..10 {
                        let one = alive.one();
                        drop(group.spawn_blocking(move || {
                            let _one = one;
                            while n == 0 && !token().is_cancelled() {
                                thread::yield_now();
                            }
                            Ok(())
                        }));
                    }
                    begun.store(true, Ordering::SeqCst);
                    pending::<Result<(), _>>().await
                }))
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            drop(ends);
            let error = waits.join().unwrap().unwrap_err();
            assert!(matches!(error.first(), Failure::Cancelled(CancelCause::Shutdown)), "{flavour}: {error:?}");
        });
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn children_of_every_kind_have_the_name_that_they_were_given() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let task = group.build_task().name("task").spawn(async { Ok(()) });
            let waited = group.build_task().name("waited").spawn_wait(async { Ok(()) }).await;
            let job = group.build_task().name("job").spawn_blocking(|| Ok(()));
            let plain = group.build_task().spawn(async { Ok(()) });
            let names = [&task, &waited, &job, &plain].map(|child| child.name().map(str::to_owned));
            for child in [task, waited, job, plain] {
                child.await.unwrap();
            }
            Ok(names)
        }));
        let expected = [Some("task"), Some("waited"), Some("job"), None].map(|name| name.map(str::to_owned));
        assert_eq!(result.unwrap(), expected, "{flavour}");
    }
}

#[test]
fn results_come_as_children_end_each_with_its_number_and_once() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(Builder::new().limit(50).scope(async |group: TaskGroup| {
            let mut expected = std::collections::BTreeMap::new();
            let mut children = AsCompleted::new();
            for n in 0..1_000_u64 {
                let child = match n % 3 {
                    0 => group.spawn(async move { Ok(n) }),
                    1 => group.spawn(async move {
                        yield_now().await;
                        Ok(n)
                    }),
                    _ => group.spawn_wait(async move { Ok(n) }).await,
                };
                expected.insert(child.id().unwrap(), n);
                children.push(child);
            }
            let stopped = group.spawn(pending::<Result<u64, _>>());
            let stopped_id = stopped.id();
            stopped.abort();
            children.extend([stopped]);
            assert_eq!(children.len(), 1_001);
            let mut taken = 0;
            while let Some((id, result)) = children.next_with_id().await {
                match result {
                    Ok(n) => assert_eq!(expected.remove(&id.unwrap()), Some(n), "{flavour}"),
                    Err(error) => {
                        assert_eq!(id, stopped_id, "{flavour}");
                        assert!(matches!(error, ChildError::Cancelled(CancelCause::Aborted { .. })), "{flavour}");
                    }
                }
                taken += 1;
            }
            assert!(taken == 1_001 && expected.is_empty() && children.is_empty(), "{flavour}");
            assert_eq!(children.next().await, None, "{flavour}");
            Ok(())
        }));
        result.unwrap();
    }
}

#[test]
fn who_gives_up_waiting_for_the_next_loses_none_and_one_that_came_too_late_is_among_them() {
    let runtime = mainspring::runtime::Builder::new_simulated(1).build().unwrap();
    let scope = Builder::new().grace(Duration::from_secs(60)).scope(async |group: TaskGroup| {
        let mut children = as_completed([20, 10].map(|ms| {
            group.spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                Ok(ms)
            })
        }));
        for _ in 0..3 {
            let gives_up = mainspring::time::timeout(Duration::from_millis(3), children.next());
            assert!(gives_up.await.is_err());
        }
        assert_eq!(children.next().await, Some(Ok(10)));
        group.cancel();
        children.push(group.spawn(async { Ok(0) }));
        let (id, late) = children.next_with_id().await.unwrap();
        assert!(id.is_none() && matches!(late, Err(ChildError::Cancelled(_))));
        assert_eq!(children.next().await, Some(Ok(20)), "it has used its grace");
        until(|| true).await;
        Ok(children.next().await)
    });
    assert_eq!(runtime.block_on(scope).unwrap(), None);
}

#[test]
fn one_whose_value_was_taken_before_is_a_panic_once_and_the_others_still_come() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(scope(async |group: TaskGroup| {
            let mut spent = group.spawn(async { Ok(1) });
            assert_eq!((&mut spent).await, Ok(1));
            let mut children = as_completed([spent, group.spawn(async { Ok(2) })]);
            let caught = poll_fn(|cx| {
                Poll::Ready(catch_unwind(AssertUnwindSafe(|| Pin::new(&mut children.next()).poll(cx).is_ready())))
            });
            assert!(caught.await.is_err(), "{flavour}");
            assert_eq!(children.len(), 1, "{flavour}: nobody waits for that one any more");
            assert_eq!(children.next().await, Some(Ok(2)), "{flavour}");
            assert_eq!(children.next().await, None, "{flavour}");
            Ok(())
        }));
        result.unwrap();
    }
}
