//! What somebody with ill will does to a scope: spawning without end, cancelling in the cancel, panics in destructors that a cancel
//! runs, deadlines that are over before they begin, futures that are forgotten half-way.
//!
//! Cases of the catalogue: SCP-03, SCP-04, SCP-06, SCP-07, SCP-08.

use super::{Alive, is_pending, seeds};
use crate::{Watch, builders, message_of, panic_quietly, runtimes, until};
use mainspring::group::{
    Builder, ChildError, Failure, LocalScope, TaskGroup, cancelled, deadline, gather, race, scope, scope_local, shield,
    spawned, timeout, timeout_at,
};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, Instant, sleep};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Spawns the next of its kind when it is dropped, into whatever state the group is in.
struct Heir(TaskGroup<&'static str>, Arc<AtomicUsize>);

impl Drop for Heir {
    fn drop(&mut self) {
        let turns = self.1.fetch_add(1, Ordering::SeqCst);
        if turns < 100 {
            let heir = Heir(self.0.clone(), self.1.clone());
            drop(self.0.spawn(async move {
                let _heir = heir;
                pending::<Result<(), _>>().await
            }));
        }
    }
}

#[test]
fn scp_06_a_child_that_spawns_into_the_closing_group_for_ever_does_not_keep_it_open() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (alive, refused) = (Alive::default(), Arc::new(AtomicUsize::new(0)));
        let result =
            runtime.block_on(Builder::new().grace(Duration::from_millis(5)).scope(async |group: TaskGroup<&str>| {
                for _ in 0..4 {
                    let (inner, alive, refused) = (group.clone(), alive.clone(), refused.clone());
                    drop(group.spawn::<(), _>(async move {
                        loop {
                            let one = alive.one();
                            let child = inner.spawn(async move {
                                let _one = one;
                                pending::<Result<(), _>>().await
                            });
                            refused.fetch_add(usize::from(child.is_finished()), Ordering::SeqCst);
                            if child.is_finished() {
                                sleep(Duration::from_millis(1)).await; // time does not pass in a simulation that never sleeps
                            }
                            yield_now().await;
                        }
                    }));
                }
                yield_now().await;
                Err::<(), _>("enough")
            }));
        assert_eq!(result.unwrap_err().to_string(), "enough", "{flavour}");
        assert!(alive.count() == 0 && refused.load(Ordering::SeqCst) > 0, "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_06_a_destructor_that_spawns_its_heir_when_a_cancel_drops_it_is_refused() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let turns = Arc::new(AtomicUsize::new(0));
        let result = runtime.block_on(scope(async |group: TaskGroup<&'static str>| {
            let heir = Heir(group.clone(), turns.clone());
            drop(group.spawn(async move {
                let _heir = heir;
                pending::<Result<(), _>>().await
            }));
            yield_now().await;
            Err::<(), _>("over")
        }));
        assert!(result.is_err(), "{flavour}");
        // Refused at once, its heir inside it, and so on, up to the test's own limit.
        assert_eq!(turns.load(Ordering::SeqCst), 101, "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_04_a_cancel_in_the_cancel_changes_neither_the_cause_nor_the_end() {
    for (flavour, runtime) in runtimes() {
        struct Cancels(TaskGroup);
        impl Drop for Cancels {
            fn drop(&mut self) {
                self.0.cancel_with("again");
            }
        }
        let causes = Arc::new(Mutex::new(Vec::new()));
        let result =
            runtime.block_on(Builder::new().grace(Duration::from_millis(5)).scope(async |group: TaskGroup| {
                for n in 0..20 {
                    let (inner, causes) = (group.clone(), causes.clone());
                    drop(group.spawn(async move {
                        let _cancels = Cancels(inner.clone());
                        let cause = inner.cancelled().await;
                        causes.lock().unwrap().push(cause);
                        inner.cancel_with("once more");
                        if n % 2 == 0 {
                            pending::<()>().await;
                        }
                        Ok(())
                    }));
                }
                group.cancel_with("first");
                group.cancel_with("second");
                Ok(())
            }));
        result.unwrap();
        let is_first =
            |cause: &CancelCause| matches!(cause, CancelCause::Asked { message: Some(why), .. } if &**why == "first");
        assert!(causes.lock().unwrap().iter().all(is_first), "{flavour}: {causes:?}");
    }
}

/// Panics when it is dropped.
struct Bomb(usize);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_quietly(self.0.to_string());
    }
}

#[test]
fn scp_03_cancelled_children_whose_destructors_panic_are_all_kept_beside_two_panics_at_once() {
    for (flavour, runtime) in runtimes() {
        let begun = Arc::new(AtomicUsize::new(0));
        let result = runtime.block_on(scope(async |group: TaskGroup<()>| {
            for n in 0..30 {
                let begun = begun.clone();
                drop(group.spawn(async move {
                    let _bomb = (n < 10).then(|| Bomb(n));
                    begun.fetch_add(1, Ordering::SeqCst);
                    // Twenty panic as soon as they may, each while the others do or are dropped for it.
                    until(|| begun.load(Ordering::SeqCst) == 30).await;
                    if n >= 10 {
                        panic_quietly("poll");
                    }
                    pending::<Result<(), ()>>().await
                }));
            }
            pending::<Result<(), _>>().await
        }));
        let error = result.unwrap_err();
        let said = |failure: Failure<()>| message_of(failure.into_panic().unwrap().into_panic());
        let all: Vec<_> = error.into_iter().map(said).collect();
        assert_eq!(all[0], "poll", "{flavour}");
        let mut bombs: Vec<usize> = all.iter().filter_map(|words| words.parse().ok()).collect();
        bombs.sort_unstable();
        assert_eq!(bombs, (0..10).collect::<Vec<_>>(), "{flavour}: each destructor is heard");
    }
}

#[test]
fn limits_with_waiting_spawns_in_a_group_that_is_cancelled_let_everybody_go() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for round in 0..20 {
            let alive = Alive::default();
            let limited = Builder::new().limit(1 + round % 3).grace(Duration::from_millis(round as u64 % 2));
            let result = runtime.block_on(limited.scope(async |group: TaskGroup<u8>| {
                for _ in 0..10 {
                    let (inner, counted) = (group.clone(), alive.clone());
                    // Outside of the group, so that it is the group's end alone that lets it go.
                    drop(mainspring::spawn(async move {
                        let one = counted.one();
                        let child = inner.spawn_wait(async move {
                            let _one = one;
                            pending::<Result<(), _>>().await
                        });
                        assert!(matches!(child.await.await, Err(ChildError::Cancelled(_))));
                    }));
                    let one = alive.one();
                    drop(group.spawn(async move {
                        let _one = one;
                        pending::<Result<(), _>>().await
                    }));
                }
                (0..round).for_each(|_| drop(group.try_spawn(async { Ok(()) })));
                yield_now().await;
                Err::<(), _>(7)
            }));
            assert_eq!(result.unwrap_err().into_first().into_error(), Some(7), "{flavour}");
            runtime.block_on(until(|| alive.count() == 0));
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn deadlines_in_the_past_end_what_they_bound_before_it_has_done_anything_that_waits() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let past = Instant::now();
            yield_now().await;
            let waited = Arc::new(AtomicUsize::new(0));
            let count = waited.clone();
            let late = Builder::new().deadline(past).scope(async |group: TaskGroup| {
                drop(group.spawn(async move {
                    yield_now().await;
                    yield_now().await;
                    sleep(Duration::from_secs(3_600)).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }));
                pending::<Result<(), _>>().await
            });
            let error = late.await.unwrap_err();
            assert!(matches!(error.first(), Failure::Cancelled(CancelCause::Deadline)), "{flavour}: {error:?}");
            assert!(timeout_at(past, pending::<()>()).await.is_err(), "{flavour}");
            assert!(timeout(Duration::ZERO, race([pending::<()>()])).await.is_err(), "{flavour}");
            assert!(timeout(Duration::ZERO, spawned(pending::<()>())).await.is_err(), "{flavour}");
            assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7), "{flavour}: what is ready counts");
            let local = Builder::new().deadline(past).scope_local(async |scope: LocalScope<'_, ()>| {
                drop(scope.spawn(pending::<Result<(), ()>>()));
                pending::<Result<(), _>>().await
            });
            assert!(local.await.unwrap_err().is_cancelled(), "{flavour}");
            assert_eq!((waited.load(Ordering::SeqCst), deadline()), (0, None), "{flavour}");
        });
    }
}

#[test]
fn scp_07_each_future_forgotten_half_way_leaves_a_group_that_ends_with_its_runtime() {
    for (flavour, builder) in builders() {
        let (runtime, _watch) = Watch::build(builder);
        let alive = Alive::default();
        runtime.block_on(async {
            let result = scope(async |group: TaskGroup| {
                // Handles and waits of every kind, polled once and leaked.
                let mut child = group.spawn(async { Ok(cancelled().await) });
                assert!(is_pending(&mut child).await, "{flavour}");
                std::mem::forget(child);
                let listener = group.clone();
                std::mem::forget(listener);
                let mut asked = group.token().clone().cancelled_owned();
                assert!(is_pending(&mut asked).await);
                std::mem::forget(asked);
                let mut shielded = shield(pending::<()>());
                assert!(is_pending(&mut shielded).await);
                std::mem::forget(shielded);
                let mut limit = timeout(Duration::from_millis(1), pending::<()>());
                assert!(is_pending(&mut limit).await);
                std::mem::forget(limit);
                group.cancel();
                Ok(())
            });
            result.await.unwrap();
            // A leaked part of a child leaves what it had opened open: a cancel waits for it, as long as the runtime lasts.
            let one = alive.one();
            let mut leaked = scope_local(async |scope: LocalScope<'_, ()>| {
                drop(scope.spawn(async move {
                    let _one = one;
                    pending::<Result<(), ()>>().await
                }));
                pending::<Result<(), _>>().await
            });
            assert!(is_pending(&mut leaked).await && is_pending(&mut leaked).await);
            std::mem::forget(leaked);
        });
        assert!(runtime.shutdown_timeout(Duration::from_secs(60)).is_complete(), "{flavour}");
        assert_eq!(alive.count(), 1, "{flavour}: leaked is leaked");
    }
}

/// A child's end, its sibling's failure, a deadline and a cancel fall into one moment.
fn collide(seed: u64) -> &'static str {
    let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
    let alive = Alive::default();
    let ended = runtime.block_on(async {
        let tick = Duration::from_millis(1);
        let part = |n: u32| {
            let one = alive.one();
            async move {
                let _one = one;
                sleep(tick).await;
                if n == 0 { Err("failed") } else { Ok(n) }
            }
        };
        let crew = [gather([part(1), part(2)]), gather([part(3), part(0)])];
        let raced = mainspring::spawn(timeout(tick, race(crew.map(spawned))));
        raced.await.unwrap()
    });
    assert_eq!(alive.count(), 0, "seed {seed}: whoever won, all are gone");
    match ended {
        Ok(Ok(values)) if values == [1, 2] => "values",
        Ok(Err("failed")) => "failed",
        Err(_) => "late",
        other => panic!("seed {seed}: {other:?}"),
    }
}

#[test]
fn scp_08_ends_a_failure_and_a_deadline_in_one_tick_give_one_of_them_and_leave_nobody() {
    let seeds = seeds(2_000);
    let seen: Vec<_> = (0..seeds).map(collide).collect();
    for kind in ["values", "failed"] {
        assert!(seen.contains(&kind), "{kind} comes about in {seeds} seeds");
    }
}
