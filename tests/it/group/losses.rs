//! What must not be lost on the way: an end, a panic, a turn; whatever of the user's panics in between.
//!
//! Cases of the catalogue: SCP-03, SCP-07, SHD-04, SND-04, MIS-01.

use super::strays::drive;
use super::{Alive, is_pending};
use crate::{builders, child_of, in_child, message_of, panic_quietly, runtimes, until, words_of};
use futures_core::Stream;
use mainspring::group::{
    Builder, JoinSet, LocalScope, On, TaskGroup, gather, gather_all, map_on, map_stream_on, race, scope,
};
use mainspring::runtime;
use mainspring::task::yield_now;
use mainspring::time::{Duration, sleep};
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Its destructor panics with this word, if there is one.
struct Bomb(Option<&'static str>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(word) = self.0 {
            panic_quietly(word);
        }
    }
}

/// Gives this, and panics when it is dropped.
struct Explodes<T> {
    gives: Option<T>,
    _bomb: Bomb,
}

fn explodes<T>(gives: Option<T>, word: Option<&'static str>) -> Explodes<T> {
    Explodes { gives, _bomb: Bomb(word) }
}

impl<T: Unpin> Future for Explodes<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.gives.take().map_or(Poll::Pending, Poll::Ready)
    }
}

fn panic_of(body: impl FnOnce()) -> String {
    message_of(catch_unwind(AssertUnwindSafe(body)).expect_err("it should panic"))
}

#[test]
fn shd_04_a_source_that_is_dropped_with_its_worker_is_no_end_of_the_source() {
    struct Never(Arc<AtomicBool>);
    impl Stream for Never {
        type Item = u8;
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
            self.0.store(true, Ordering::SeqCst);
            Poll::Pending
        }
    }
    let runtime = runtime::Builder::new_multi_thread().workers(2).build().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let mut mapped = {
        let _inside = runtime.enter();
        map_stream_on(On::tasks(2), Never(asked.clone()), ready)
    };
    runtime.block_on(until(|| asked.load(Ordering::SeqCst)));
    assert!(runtime.shutdown_timeout(Duration::from_secs(60)).is_complete());
    let said = panic_of(|| assert_eq!(drive(mapped.next()), Some(0), "the source has not ended"));
    assert!(said.contains("a worker of this `map_on` was dropped"), "{said}");
    assert_eq!(drive(mapped.next()), None, "once");
}

#[test]
fn snd_04_a_future_whose_destructor_panics_is_a_panic_in_its_place_and_the_rest_follows() {
    for (flavour, runtime) in runtimes() {
        let on = [On::inline(), On::tasks(1), On::tasks(3), On::threads(1)];
        for on in on {
            runtime.block_on(async {
                let work = |n: u32| explodes(Some(n), (n == 2).then_some("the second"));
                let mut mapped = map_on(on, 1..=4, work);
                assert_eq!(mapped.next().await, Some(1), "{flavour} {on:?}");
                let panicked = catch(mapped.next()).await;
                assert_eq!(panicked.map_err(message_of), Err("the second".to_owned()), "{flavour} {on:?}");
                assert_eq!(mapped.next().await, Some(3), "{flavour} {on:?}");
                assert_eq!(mapped.next().await, Some(4), "{flavour} {on:?}");
                assert_eq!(mapped.next().await, None, "{flavour} {on:?}");
            });
        }
    }
}

/// Awaits what may panic.
async fn catch<F: Future + Unpin>(mut future: F) -> Result<F::Output, Box<dyn std::any::Any + Send>> {
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut future).poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

#[test]
fn snd_04_an_output_whose_destructor_panics_keeps_no_worker_alive() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        runtime.block_on(async {
            let ones = alive.clone();
            let work = move |n| {
                let one = ones.one();
                async move {
                    let _one = one;
                    if n > 0 { pending().await } else { Bomb(Some("an output")) }
                }
            };
            let mapped = map_on(On::tasks(2), [0, 1], work);
            until(|| alive.count() == 1 && format!("{mapped:?}").contains("done: 1")).await;
            assert_eq!(panic_of(|| drop(mapped)), "an output", "{flavour}");
            until(|| alive.count() == 0).await;
        });
    }
}

#[test]
fn snd_04_a_spawn_that_panicked_leaves_no_number_in_the_set() {
    let mut set = JoinSet::new();
    drop(panic_of(|| drop(set.spawn(ready(0)))));
    drop(panic_of(|| drop(set.spawn_local(ready(0)))));
    drop(panic_of(|| drop(set.spawn_blocking(|| 0))));
    let runtime = runtime::Builder::new_simulated(1).build().unwrap();
    let first = runtime.block_on(async {
        drop(set.spawn(pending()));
        drop(set.spawn(ready(7)));
        set.join_next().await
    });
    assert_eq!(first.unwrap().unwrap(), 7, "whoever ends first, and not whoever has the first place");
}

#[test]
fn scp_03_of_two_panics_of_a_combinator_one_goes_on_and_the_other_is_told_also_when_it_is_dropped() {
    let body = || {
        for (_, runtime) in runtimes() {
            runtime.block_on(async {
                // The error that decides it explodes when a panic comes after it.
                let parts =
                    [explodes(Some(Err::<(), _>(Bomb(Some("the error")))), None), explodes(None, Some("the member"))];
                let panicked = catch(gather(parts)).await.map(|_| ());
                assert_eq!(panicked.map_err(message_of), Err("the member".to_owned()));
                // Dropped in its grace, with a panic that would have gone on.
                let parts = [true, false]
                    .map(async |panics| if panics { panic_quietly("kept in vain") } else { pending::<()>().await });
                let mut half_way = race(parts).grace(Duration::from_secs(3_600));
                assert!(is_pending(&mut half_way).await && is_pending(&mut half_way).await);
                drop(half_way);
            });
        }
    };
    let Some(output) = child_of(body) else { return };
    let words = words_of(&output);
    assert!(output.status.success(), "{words}");
    assert_eq!(words.matches("the error").count(), 3, "{words}");
    assert_eq!(words.matches("kept in vain").count(), 3, "{words}");
}

#[test]
fn mis_01_a_limit_of_none_blames_the_line_that_asked_for_it() {
    in_child(|| {
        let places = Arc::new(Mutex::new(Vec::new()));
        let noted = places.clone();
        std::panic::set_hook(Box::new(move |panic| {
            noted.lock().unwrap().push(panic.location().unwrap().file().to_owned())
        }));
        drop(panic_of(|| drop(gather([ready(Ok::<_, ()>(()))]).limit(0))));
        drop(panic_of(|| drop(gather_all([ready(())]).limit(0))));
        drop(panic_of(|| drop(Builder::new().limit(0))));
        drop(std::panic::take_hook());
        let places = places.lock().unwrap();
        assert_eq!(places.len(), 3);
        assert!(places.iter().all(|place| place.ends_with("losses.rs")), "{places:?}");
    });
}

#[test]
fn mis_01_a_limit_that_is_none_takes_nothing_for_itself() {
    for (flavour, runtime) in runtimes() {
        for limit in [usize::MAX, usize::MAX - 1] {
            let values = runtime.block_on(gather([1, 2, 3].map(|n| ready(Ok::<_, ()>(n)))).limit(limit));
            assert_eq!(values.unwrap(), [1, 2, 3], "{flavour}");
            assert_eq!(runtime.block_on(gather_all([ready(1)]).limit(limit)), [1], "{flavour}");
            let sum = runtime.block_on(Builder::new().limit(limit).scope(async |group: TaskGroup| {
                let children = [group.spawn(async { Ok(1) }), group.spawn_wait(async { Ok(2) }).await];
                let mut sum = group.try_spawn(async { Ok(4) }).ok().expect("there is room").await.unwrap();
                for child in children {
                    sum += child.await.unwrap();
                }
                Ok(sum)
            }));
            assert_eq!(sum.unwrap(), 7, "{flavour}");
        }
    }
}

#[test]
fn snd_04_an_error_whose_destructor_panics_keeps_no_child_of_a_dropped_scope() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        runtime.block_on(async {
            let one = alive.one();
            let patient = Builder::new().grace(Duration::from_secs(3_600));
            let mut half_way = patient.scope_local(async |scope: LocalScope<'_, Bomb>| {
                let inside = scope.clone();
                drop(scope.spawn::<(), _>(async move {
                    let _kept = (one, inside);
                    pending().await
                }));
                drop(scope.spawn::<(), _>(async { Err(Bomb(Some("an error"))) }));
                pending::<Result<(), _>>().await
            });
            for _ in 0..4 {
                assert!(is_pending(&mut half_way).await, "{flavour}");
            }
            assert_eq!(panic_of(|| drop(half_way)), "an error", "{flavour}");
        });
        assert_eq!(alive.count(), 0, "{flavour}");
    }
}

#[test]
fn scp_07_a_child_that_has_leaked_a_scope_half_way_is_named_by_the_report_of_the_shutdown() {
    for (flavour, builder) in builders() {
        let runtime = builder.build().unwrap();
        let line = Arc::new(Mutex::new(0));
        let noted = line.clone();
        runtime.block_on(async {
            let leaked = Arc::new(AtomicBool::new(false));
            let has_leaked = leaked.clone();
            let outer = mainspring::spawn(scope(async move |group: TaskGroup| {
                *noted.lock().unwrap() = line!() + 1;
                drop(group.spawn::<(), _>(async move {
                    let mut inner = scope(async |_: TaskGroup| pending::<Result<(), _>>().await);
                    assert!(is_pending(&mut inner).await);
                    std::mem::forget(inner);
                    has_leaked.store(true, Ordering::SeqCst);
                    pending().await
                }));
                until(|| leaked.load(Ordering::SeqCst)).await;
                group.cancel();
                pending::<Result<(), _>>().await
            }));
            for _ in 0..100 {
                yield_now().await;
            }
            sleep(Duration::from_millis(20)).await;
            assert!(!outer.is_finished(), "{flavour}: it waits for the child, in which a scope seems to be open");
            drop(outer);
        });
        let report = runtime.shutdown_timeout(Duration::from_secs(60));
        assert!(report.is_complete(), "{flavour}");
        let line = *line.lock().unwrap();
        let places: Vec<_> = report.cancelled().iter().filter_map(|task| task.spawned_at()).collect();
        assert!(places.iter().any(|at| at.file().ends_with("losses.rs") && at.line() == line), "{flavour}: {places:?}");
    }
}
