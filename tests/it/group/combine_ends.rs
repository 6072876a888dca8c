//! Combinators under panics, cancels, drops and leaks.
//!
//! Cases of the catalogue: SCP-02, SCP-03, SCP-04, SCP-07, MIS-11.

use super::{Alive, is_pending};
use crate::{Watch, builders, message_of, panic_quietly, runtimes, until};
use mainspring::group::{
    Builder, TaskGroup, cancelled, gather, gather_all, hedge, race, race_ok, scope, spawned, timeout,
};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, sleep};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly(self.0);
        }
    }
}

/// Runs that and gives the words of its panic.
fn panic_of<F: Future>(runtime: &runtime::Runtime, future: F) -> String {
    let caught = catch_unwind(AssertUnwindSafe(|| drop(runtime.block_on(future))));
    message_of(caught.expect_err("it panics"))
}

#[test]
fn scp_03_a_panic_of_one_goes_on_when_the_rest_has_gone() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let crew = || {
            (0..20).map(|n| {
                let alive = &alive;
                async move {
                    let _one = alive.one();
                    if n == 7 {
                        yield_now().await;
                        panic_quietly("seven");
                    }
                    let one = alive.one();
                    spawned(async move {
                        let _one = one;
                        pending::<Result<(), ()>>().await
                    })
                    .await
                }
            })
        };
        let (raced, gathered) = (panic_of(&runtime, race(crew())), panic_of(&runtime, gather(crew()).limit(15)));
        let (tried, all) = (panic_of(&runtime, race_ok(crew())), panic_of(&runtime, gather_all(crew())));
        assert_eq!([raced, gathered, tried, all], ["seven"; 4], "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn scp_03_panics_of_several_and_in_destructors_end_in_one() {
    for (flavour, runtime) in runtimes() {
        // The winner's value is lost to a loser's destructor, and of the losers one speaks for all.
        let alive = Alive::default();
        let losers = (0..10).map(|n| {
            let alive = &alive;
            async move {
                let (_one, _bomb) = (alive.one(), (n > 0).then(|| Bomb("in drop")));
                if n > 0 {
                    pending::<()>().await;
                }
                yield_now().await;
            }
        });
        assert_eq!(panic_of(&runtime, race(losers)), "in drop", "{flavour}");
        // A panic while another one's has begun to end the rest.
        let panics = (0..10).map(|n| {
            let alive = &alive;
            async move {
                let _one = alive.one();
                if n == 0 {
                    yield_now().await;
                    panic_quietly("first");
                }
                cancelled().await;
                panic_quietly("second")
            }
        });
        assert_eq!(panic_of(&runtime, race(panics).grace(Duration::from_secs(60))), "first", "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn scp_03_a_crew_of_bombs_that_is_dropped_half_way_drops_all_of_them_and_panics_once() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let dropped = runtime.block_on(async {
            let crew = (0..10).map(|_| {
                let alive = &alive;
                async move {
                    let (_one, _bomb) = (alive.one(), Bomb("dropped"));
                    pending::<Result<(), ()>>().await
                }
            });
            let mut half_way = gather(crew);
            assert!(is_pending(&mut half_way).await);
            assert_eq!(alive.count(), 10);
            catch_unwind(AssertUnwindSafe(|| drop(half_way)))
        });
        assert_eq!(message_of(dropped.unwrap_err()), "dropped", "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn scp_03_a_second_copy_that_cannot_be_made_is_a_panic_like_any_other() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let copies = hedge(Duration::from_millis(1), |copy| {
            if copy == 1 {
                panic_quietly("the second copy");
            }
            let one = alive.one();
            spawned(async move {
                let _one = one;
                pending::<Result<(), ()>>().await
            })
        });
        assert_eq!(panic_of(&runtime, copies), "the second copy", "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

/// Combinators in combinators, and a scope at the bottom; each level says when it is dropped.
fn nest(depth: u32, gone: Arc<Mutex<Vec<u32>>>, deepest: Alive) -> Boxed<Result<(), u8>> {
    struct Leaves(u32, Arc<Mutex<Vec<u32>>>);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    Box::pin(async move {
        let _leaves = Leaves(depth, gone.clone());
        let inner = || nest(depth + 1, gone.clone(), deepest.clone());
        match depth {
            50 => {
                let one = deepest.one();
                let bottom = scope(async |group: TaskGroup| {
                    drop(group.spawn(async move {
                        let _one = one;
                        pending::<Result<(), _>>().await
                    }));
                    Ok(())
                });
                assert!(bottom.await.unwrap_err().is_cancelled());
                pending().await // is dropped here, by whoever has cancelled it
            }
            depth if depth % 4 == 0 => race([inner()]).await,
            depth if depth % 4 == 1 => race_ok([inner()]).await.map_err(|errors| errors[0]),
            depth if depth % 4 == 2 => gather([inner()]).await.map(drop),
            _ => hedge(Duration::MAX, |_| inner()).await,
        }
    })
}

#[test]
fn scp_04_a_cancel_goes_through_combinators_nested_50_deep_from_the_leaf_up() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for way in ["scope", "timeout", "race"] {
            let (gone, deepest) = (Arc::new(Mutex::new(Vec::new())), Alive::default());
            runtime.block_on(async {
                let nest = nest(1, gone.clone(), deepest.clone());
                let deep = deepest.clone();
                match way {
                    "scope" => {
                        let ended = scope(async move |group: TaskGroup<u8>| {
                            drop(group.spawn(nest));
                            until(|| deep.count() == 1).await;
                            group.cancel();
                            Ok(())
                        });
                        ended.await.unwrap();
                    }
                    "timeout" => assert!(timeout(Duration::from_millis(50), nest).await.is_err()),
                    _ => {
                        let other: Boxed<_> = Box::pin(async move {
                            until(|| deep.count() == 1).await;
                            Ok(())
                        });
                        race([nest, other]).await.unwrap();
                    }
                }
                assert_eq!(deepest.count(), 0, "{flavour}, {way}: awaited");
                assert_eq!(*gone.lock().unwrap(), (1..=50).rev().collect::<Vec<_>>(), "{flavour}, {way}: leaf first");
            });
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn scp_04_a_second_cancel_in_the_grace_of_the_first_ends_what_is_left() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let (alive, causes) = (Alive::default(), Arc::new(Mutex::new(Vec::new())));
    let result = runtime.block_on(async {
        let start = mainspring::time::Instant::now();
        let (inner, heard) = (alive.clone(), causes.clone());
        let ended = scope(async |group: TaskGroup| {
            drop(group.spawn(async move {
                // Decided at once; the loser is given an hour, and an hour it takes.
                let crew = (0..2).map(|n| {
                    let (one, heard) = (inner.one(), heard.clone());
                    async move {
                        let _one = one;
                        if n == 1 {
                            let cause = cancelled().await;
                            heard.lock().unwrap().push(cause);
                            pending::<()>().await;
                        }
                    }
                });
                race(crew).grace(Duration::from_secs(3_600)).await;
                Ok(())
            }));
            sleep(Duration::from_millis(10)).await;
            assert_eq!(alive.count(), 1, "the loser has its grace");
            group.cancel();
            Ok(())
        });
        ended.await.unwrap();
        start.elapsed()
    });
    assert_eq!((result, alive.count()), (Duration::from_millis(10), 0));
    let causes = causes.lock().unwrap();
    assert!(matches!(causes[..], [CancelCause::LostRace { to: 0, .. }]), "the first cause stands: {causes:?}");
}

#[test]
fn scp_05_a_grace_of_the_scope_around_reaches_the_parts() {
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let said = RefCell::new(Vec::new());
    let result = runtime.block_on(Builder::new().grace(Duration::from_secs(1)).scope(async |group: TaskGroup| {
        let parts = gather_all((0..3).map(|n| {
            let said = &said;
            async move {
                cancelled().await;
                sleep(Duration::from_millis(n)).await;
                said.borrow_mut().push(n);
                n
            }
        }));
        group.cancel_with("time to go");
        Ok(parts.await)
    }));
    assert_eq!(result.unwrap(), [0, 1, 2], "whoever uses the grace is heard to the end");
    assert_eq!(said.into_inner(), [0, 1, 2]);
}

#[test]
fn scp_07_mis_11_combinators_leaked_half_way_leak_their_futures_and_no_more() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (alive, touched) = (Alive::default(), Cell::new(0));
        runtime.block_on(async {
            let touched = &touched;
            let part = || async move {
                touched.set(touched.get() + 1);
                yield_now().await;
                touched.set(touched.get() + 1);
                pending::<Result<(), ()>>().await
            };
            let (mut one, mut two) = (race([part(), part()]), race_ok([part(), part()]));
            let (mut three, mut four) = (gather([part(), part()]), gather_all([part(), part()]));
            let mut five = hedge(Duration::MAX, |_| part());
            assert!(is_pending(&mut one).await && is_pending(&mut two).await);
            assert!(is_pending(&mut three).await && is_pending(&mut four).await && is_pending(&mut five).await);
            std::mem::forget((one, two, three, four, five));
            yield_now().await;
            assert_eq!(touched.get(), 9, "{flavour}: nobody polls them any more");
            // With a task inside: that one runs on, as tasks do.
            let held = alive.one();
            let mut leaked = race([Box::pin(spawned(async move {
                let _held = held;
                pending::<()>().await;
            }))]);
            assert!(is_pending(&mut leaked).await);
            std::mem::forget(leaked);
            yield_now().await;
            assert_eq!(alive.count(), 1, "{flavour}");
        });
        assert!(runtime.shutdown_timeout(Duration::from_secs(60)).is_complete(), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}: it ended with the runtime");
        drop(watch);
    }
}

#[test]
fn scp_07_combinators_dropped_half_way_drop_their_futures() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let alive = Alive::default();
        runtime.block_on(async {
            let part = || {
                let one = alive.one();
                spawned(async move {
                    let _one = one;
                    pending::<Result<(), ()>>().await
                })
            };
            let (mut one, mut two) = (race([part(), part()]), gather([part(), part()]).limit(1));
            let mut three = hedge(Duration::ZERO, |_| part());
            assert!(is_pending(&mut one).await && is_pending(&mut two).await && is_pending(&mut three).await);
            drop((one, two, three));
            until(|| alive.count() == 0).await;
        });
        drop(runtime);
        watch.assert_freed();
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn shd_04_who_waits_for_a_spawned_part_outside_the_runtime_that_ends_is_told() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let ends = builder.build().unwrap();
        let (handle, alive) = (ends.handle().clone(), Alive::default());
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                let one = alive.one();
                catch_unwind(AssertUnwindSafe(|| {
                    handle.block_on(race([spawned(async move {
                        let _one = one;
                        pending::<()>().await;
                    })]));
                }))
            });
            while alive.count() == 0 {
                std::thread::yield_now();
            }
            drop(ends);
            let message = message_of(waits.join().unwrap().unwrap_err());
            assert!(message.contains("its runtime has shut down"), "{flavour}: {message}");
        });
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn a_busy_member_starves_neither_its_siblings_nor_other_tasks() {
    for (flavour, runtime) in runtimes() {
        let turns = Arc::new(Mutex::new(0));
        runtime.block_on(async {
            let counter = turns.clone();
            let other = mainspring::spawn(async move {
                for _ in 0..50 {
                    yield_now().await;
                    *counter.lock().unwrap() += 1;
                }
            });
            let sibling = Cell::new(0);
            let crew = (0..3).map(|n| {
                let (sibling, turns) = (&sibling, &turns);
                async move {
                    match n {
                        0 => loop {
                            yield_now().await;
                        },
                        1 => loop {
                            sibling.set(sibling.get() + 1);
                            yield_now().await;
                        },
                        _ => until(|| *turns.lock().unwrap() == 50 && sibling.get() > 50).await,
                    }
                }
            });
            race(crew).await;
            other.await.unwrap();
        });
        assert_eq!(*turns.lock().unwrap(), 50, "{flavour}");
    }
}
