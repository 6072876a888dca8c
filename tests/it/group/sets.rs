//! `JoinSet`, with tokio's meaning.
//!
//! Cases of the catalogue: MIS-11, TSK-16.

use super::Alive;
use crate::{Watch, builders, message_of, panic_quietly, poll_with, runtimes, until};
use mainspring::group::JoinSet;
use mainspring::task::yield_now;
use mainspring::time::{Duration, sleep};
use std::future::pending;
use std::rc::Rc;
use std::task::Waker;

#[test]
fn tasks_of_every_kind_are_joined_once_each() {
    for (flavour, runtime) in runtimes() {
        let mut joined = runtime.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..300 {
                drop(match n % 3 {
                    0 => set.spawn(async move { n }),
                    1 => set.spawn_local(async move { *Rc::new(n) }),
                    _ => set.spawn_blocking(move || n),
                });
            }
            assert_eq!(set.len(), 300);
            let mut joined = Vec::new();
            while let Some(result) = set.join_next().await {
                joined.push(result.unwrap());
                joined.extend(std::iter::from_fn(|| set.try_join_next()).map(Result::unwrap));
            }
            assert!(set.is_empty());
            joined
        });
        joined.sort_unstable();
        assert_eq!(joined, (0..300).collect::<Vec<_>>(), "{flavour}");
    }
}

#[test]
fn they_come_in_the_order_in_which_they_end() {
    let runtime = mainspring::runtime::Builder::new_simulated(1).build().unwrap();
    let order = runtime.block_on(async {
        let mut set = JoinSet::new();
        for ms in [30, 10, 50, 20, 40] {
            set.spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                ms
            });
        }
        let mut order = Vec::new();
        while let Some(ms) = set.join_next().await {
            order.push(ms.unwrap());
        }
        order
    });
    assert_eq!(order, [10, 20, 30, 40, 50]);
}

#[test]
fn panics_and_aborts_come_out_as_errors_and_cost_nobody_else() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let panics = set.spawn(async { panic_quietly("payload") }).id();
            let parked = set.spawn(pending());
            set.spawn(async { 7 });
            parked.abort();
            let mut results = Vec::new();
            while let Some(result) = set.join_next_with_id().await {
                results.push(result);
            }
            let values = results.iter().filter(|result| matches!(result, Ok((_, 7)))).count();
            assert_eq!((values, results.len()), (1, 3), "{flavour}");
            for error in results.into_iter().filter_map(Result::err) {
                if error.id() == panics {
                    assert_eq!(message_of(error.into_panic()), "payload", "{flavour}");
                } else {
                    assert!(error.id() == parked.id() && error.is_cancelled(), "{flavour}: {error}");
                }
            }
        });
    }
}

#[test]
fn a_dropped_set_aborts_a_shut_down_one_waits_and_a_detached_one_runs_on() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let alive = Alive::default();
        let fill = |set: &mut JoinSet<()>| {
            for _ in 0..50 {
                let one = alive.one();
                set.spawn(async move {
                    let _one = one;
                    pending().await
                });
            }
        };
        runtime.block_on(async {
            let mut set = JoinSet::new();
            fill(&mut set);
            yield_now().await;
            set.shutdown().await;
            assert_eq!((alive.count(), set.len()), (0, 0), "{flavour}");
            fill(&mut set);
            drop(set);
            until(|| alive.count() == 0).await;
            let mut set = JoinSet::new();
            fill(&mut set);
            set.detach_all();
            assert!(set.is_empty() && set.join_next().await.is_none(), "{flavour}");
            // Numbers of those who are gone are not taken for those of who comes after them.
            set.spawn(async {});
            assert!(set.join_next().await.unwrap().is_ok() && set.is_empty(), "{flavour}");
            drop(set);
            yield_now().await;
            assert_eq!(alive.count(), 50, "{flavour}");
        });
        drop(runtime);
        assert_eq!(alive.count(), 0, "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn join_all_gives_the_outputs_and_passes_a_panic_on() {
    for (flavour, runtime) in runtimes() {
        let mut outputs =
            runtime.block_on(async { (0..50).map(|n| async move { n }).collect::<JoinSet<_>>().join_all().await });
        outputs.sort_unstable();
        assert_eq!(outputs, (0..50).collect::<Vec<_>>(), "{flavour}");
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                set.spawn(async { panic_quietly("one of them") });
                let _: Vec<()> = set.join_all().await;
            })
        }));
        assert_eq!(message_of(panics.unwrap_err()), "one of them", "{flavour}");
    }
}

#[test]
fn mis_11_a_forgotten_set_leaves_its_tasks_running() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let one = alive.one();
            set.spawn(async move {
                let _one = one;
                pending::<()>().await
            });
            let mut waits = Box::pin(set.join_next());
            assert!(poll_with(&mut waits, Waker::noop()).is_pending());
            drop(waits);
            std::mem::forget(set);
            yield_now().await;
            assert_eq!(alive.count(), 1, "{flavour}");
        });
        drop(runtime);
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}
