//! SCP-06: whoever comes to a group that is closing or closed; and limits.
//!
//! Cases of the catalogue: SCP-06.

use super::{Alive, is_pending};
use crate::{builders, poll_with, runtimes, until};
use mainspring::group::{Builder, ChildError, TaskGroup, scope};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::Duration;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn scp_06_a_spawn_into_a_closed_or_closing_group_is_dropped_and_says_so() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let mut kept = None;
        let result = runtime.block_on(Builder::new().grace(Duration::from_secs(60)).scope(async |group: TaskGroup| {
            kept = Some(group.clone());
            group.cancel_with("too late");
            let one = alive.one();
            let child = group.spawn(async move {
                drop(one);
                Ok(())
            });
            assert_eq!(alive.count(), 0, "{flavour}: dropped at once");
            assert!(child.is_finished() && child.id().is_none());
            let Err(ChildError::Cancelled(CancelCause::Asked { message: Some(why), .. })) = child.await else {
                panic!("{flavour}: it says so")
            };
            assert_eq!(&*why, "too late", "{flavour}");
            assert!(group.try_spawn(async { Ok(()) }).is_err(), "{flavour}: the future comes back");
            let waited = group.spawn_wait(async { Ok(()) }).await.await;
            assert!(matches!(waited, Err(ChildError::Cancelled(_))), "{flavour}");
            Ok(())
        }));
        result.unwrap();
        let group = kept.unwrap();
        assert!(group.is_closed());
        // Outside of any runtime, long after.
        let one = alive.one();
        let mut late = group.spawn(async move {
            drop(one);
            Ok(())
        });
        assert!(matches!(poll_with(&mut late, Waker::noop()), Poll::Ready(Err(_))), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn scp_06_spawns_that_race_the_end_run_or_are_dropped_and_none_is_lost() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let runtime = builder.build().unwrap();
        for round in 0..100 {
            let (alive, over) = (Alive::default(), Arc::new(AtomicBool::new(false)));
            let spawned = Arc::new(AtomicUsize::new(0));
            let threads = Arc::new(Mutex::new(Vec::new()));
            let result = runtime.block_on(scope(async |group: TaskGroup<()>| {
                for _ in 0..2 {
                    let (group, alive, over, spawned) = (group.clone(), alive.clone(), over.clone(), spawned.clone());
                    threads.lock().unwrap().push(thread::spawn(move || {
                        while !over.load(Ordering::SeqCst) {
                            let one = alive.one();
                            spawned.fetch_add(1, Ordering::SeqCst);
                            drop(group.spawn(async move {
                                let _one = one;
                                pending::<Result<(), ()>>().await
                            }));
                        }
                    }));
                }
                until(|| spawned.load(Ordering::SeqCst) > 10).await;
                if round % 2 == 0 {
                    group.cancel();
                    Ok(())
                } else {
                    Err(())
                }
            }));
            assert_eq!(result.is_ok(), round % 2 == 0, "{flavour}");
            over.store(true, Ordering::SeqCst);
            threads.lock().unwrap().drain(..).for_each(|thread| thread.join().unwrap());
            assert_eq!(alive.count(), 0, "{flavour}: none lives after the end");
        }
    }
}

#[test]
fn scp_06_in_a_simulation_a_spawn_meets_every_moment_of_the_end() {
    let mut refused = 0;
    for seed in 0..2_000 {
        let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
        let (alive, kept) = (Alive::default(), Arc::new(Mutex::new(None::<TaskGroup>)));
        refused += runtime.block_on(async {
            let (late_alive, late_kept) = (alive.clone(), kept.clone());
            let spawner = mainspring::spawn(async move {
                until(|| late_kept.lock().unwrap().is_some()).await;
                let group = late_kept.lock().unwrap().take().unwrap();
                let one = late_alive.one();
                let child = group.spawn(async move {
                    yield_now().await;
                    drop(one);
                    Ok(())
                });
                usize::from(child.await.is_err())
            });
            let scope = scope(async move |group: TaskGroup| {
                *kept.lock().unwrap() = Some(group.clone());
                drop(group.spawn(async {
                    yield_now().await;
                    Ok(())
                }));
                Ok(())
            });
            mainspring::spawn(scope).await.unwrap().unwrap();
            spawner.await.unwrap()
        });
        assert_eq!(alive.count(), 0, "seed {seed}");
    }
    assert!((50..1_950).contains(&refused), "{refused} of 2,000 came too late");
}

#[test]
fn a_limit_holds_for_children_of_every_origin_and_all_of_them_run() {
    for (flavour, runtime) in runtimes() {
        let running = Arc::new(AtomicUsize::new(0));
        let (most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = |n: usize| {
            let (running, most, done) = (running.clone(), most.clone(), done.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..n % 3 {
                    yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        };
        let mut refused = 0;
        let result = runtime.block_on(Builder::new().limit(4).scope(async |group: TaskGroup| {
            for n in 0..300 {
                match n % 3 {
                    0 => drop(group.spawn(work(n))),
                    1 => drop(group.spawn_wait(work(n)).await),
                    _ => match group.try_spawn(work(n)) {
                        Ok(child) => drop(child),
                        Err(_) => refused += 1,
                    },
                }
            }
            // Whoever gives up in line leaves the others their turn.
            for n in 0..20 {
                let mut gives_up = group.spawn_wait(work(n));
                let _ = poll_with(&mut gives_up, Waker::noop());
            }
            Ok(())
        }));
        result.unwrap();
        let (most, done) = (most.load(Ordering::SeqCst), done.load(Ordering::SeqCst));
        assert!(most <= 4 && (300 - refused..=320 - refused).contains(&done), "{flavour}: {most}, {done}, {refused}");
        assert_eq!(running.load(Ordering::SeqCst), 0, "{flavour}");
    }
}

#[test]
fn children_that_wait_for_room_are_dropped_by_a_cancel() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let result = runtime.block_on(Builder::new().limit(1).scope(async |group: TaskGroup<&str>| {
            for _ in 0..1_000 {
                let one = alive.one();
                drop(group.spawn(async move {
                    let _one = one;
                    pending::<Result<(), _>>().await
                }));
            }
            yield_now().await;
            Err::<(), _>("enough")
        }));
        assert_eq!((result.unwrap_err().into_first().into_error(), alive.count()), (Some("enough"), 0), "{flavour}");
    }
}

#[test]
fn scp_06_a_child_stands_in_line_for_room_from_its_spawn_on_and_not_from_its_first_poll() {
    for (flavour, runtime) in runtimes() {
        let begun = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let begun = begun.clone();
            move || begun.lock().unwrap().push(name)
        };
        let first = |name| {
            let note = note(name);
            async move {
                note();
                Ok(())
            }
        };
        let (open, opened) = mainspring::sync::oneshot::channel();
        let result = runtime.block_on(Builder::new().limit(1).scope(async |group: TaskGroup| {
            drop(group.spawn(async move {
                opened.await.unwrap();
                Ok(())
            }));
            // Nobody has been polled yet in the flavours of one thread, and the room is taken nevertheless.
            assert!(group.try_spawn(first("overtaker")).is_err(), "{flavour}");
            drop(group.spawn(first("a")));
            let mut b = group.spawn_wait(first("b"));
            assert!(is_pending(&mut b).await, "{flavour}");
            let job = note("c");
            drop(group.spawn_blocking(move || {
                job();
                Ok(())
            }));
            let mut d = group.spawn_wait(first("d"));
            assert!(is_pending(&mut d).await, "{flavour}");
            drop(group.spawn(first("e")));
            open.send(()).unwrap();
            drop(b.await);
            drop(d.await);
            Ok(())
        }));
        result.unwrap();
        assert_eq!(*begun.lock().unwrap(), ["a", "b", "c", "d", "e"], "{flavour}");
    }
}

#[test]
fn scp_06_a_child_in_line_that_is_aborted_before_its_first_poll_passes_its_place_on() {
    for (flavour, runtime) in runtimes() {
        let result = runtime.block_on(Builder::new().limit(1).scope(async |group: TaskGroup| {
            let (open, opened) = mainspring::sync::oneshot::channel();
            let running = group.spawn(async move {
                opened.await.unwrap();
                Ok(())
            });
            let in_line = group.spawn(pending::<Result<(), _>>());
            in_line.abort();
            let mut behind = group.spawn_wait(async { Ok(()) });
            assert!(is_pending(&mut behind).await, "{flavour}");
            let last = group.spawn(async { Ok(()) });
            open.send(()).unwrap();
            running.await.unwrap();
            behind.await.await.unwrap();
            last.await.unwrap();
            assert!(matches!(in_line.await, Err(ChildError::Cancelled(_))), "{flavour}");
            Ok(())
        }));
        result.unwrap();
    }
}
