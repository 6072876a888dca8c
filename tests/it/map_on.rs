//! `map_on`: order, window, errors and panics in their places, and buffers that go round.

use crate::{message_of, panic_quietly, runtimes, until};
use mainspring::group::{Filled, MapOn, On, fill_on, map_on, map_stream_on};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{spawn, yield_now};
use mainspring::time::{Duration, sleep};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Every way to work, on every flavour.
pub(super) fn everywhere() -> impl Iterator<Item = (String, Runtime, On)> {
    let places = [("inline", On::inline()), ("tasks", On::tasks(3)), ("threads", On::threads(2))];
    places.into_iter().flat_map(|(place, on)| {
        runtimes().map(move |(flavour, runtime)| (format!("{place} on {flavour}"), runtime, on))
    })
}

async fn all<U>(mut mapped: MapOn<U>) -> Vec<U> {
    let mut outputs = Vec::new();
    while let Some(output) = mapped.next().await {
        outputs.push(output);
    }
    assert!(mapped.next().await.is_none(), "and none after the last");
    outputs
}

#[test]
fn outputs_come_in_the_order_of_the_items_however_long_each_takes() {
    for (name, runtime, on) in everywhere() {
        let outputs = runtime.block_on(all(map_on_inside(&runtime, on, 0..200_u64, |n| async move {
            for _ in 0..n * 7 % 5 {
                yield_now().await;
            }
            if n % 50 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            n
        })));
        assert_eq!(outputs, (0..200).collect::<Vec<_>>(), "{name}");
    }
}

/// The work begins at once, so it needs its runtime already in the making.
pub(super) fn map_on_inside<I, F, G>(runtime: &Runtime, on: On, items: I, work: F) -> MapOn<G::Output>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    F: Fn(I::Item) -> G + Send + Sync + 'static,
    G: Future<Output: Send + 'static> + Send + 'static,
{
    let _inside = runtime.enter();
    map_on(on, items, work)
}

#[test]
fn nothing_and_one_item_and_a_window_of_one() {
    for (name, runtime, on) in everywhere() {
        runtime.block_on(async {
            assert_eq!(all(map_on(on, Vec::<u8>::new(), async |n| n)).await, [], "{name}");
            assert_eq!(all(map_on(on.window(1), [7], async |n| n)).await, [7], "{name}");
            assert_eq!(all(map_on(on.window(1), 0..9, async |n| n)).await, [0, 1, 2, 3, 4, 5, 6, 7, 8], "{name}");
        });
    }
}

#[test]
fn no_more_than_a_window_is_begun_ahead_of_the_consumer() {
    for (name, runtime, on) in everywhere() {
        let begun = Arc::new(AtomicU32::new(0));
        let count = begun.clone();
        runtime.block_on(async {
            let items = (0..100_u32).inspect(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            let mut mapped = map_on(on.window(5), items, async |n| n);
            for taken in 0..100_u32 {
                for _ in 0..20 {
                    yield_now().await;
                }
                let ahead = begun.load(Ordering::Relaxed) - taken;
                assert!(ahead <= 5, "{name}: {ahead}");
                assert_eq!(mapped.next().await, Some(taken));
            }
        });
    }
}

#[test]
fn it_runs_on_while_the_consumer_does_something_else() {
    for (_, runtime) in runtimes() {
        for on in [On::tasks(2), On::threads(2)] {
            runtime.block_on(async {
                let done = Arc::new(AtomicU32::new(0));
                let count = done.clone();
                let mut mapped = map_on(on.window(8), 0..100, move |n| {
                    let count = count.clone();
                    async move {
                        count.fetch_add(1, Ordering::Relaxed);
                        n
                    }
                });
                until(|| done.load(Ordering::Relaxed) == 8).await;
                assert_eq!(mapped.next().await, Some(0));
                until(|| done.load(Ordering::Relaxed) == 9).await;
            });
        }
    }
}

#[test]
fn errors_and_panics_come_in_their_places_and_the_rest_follows() {
    for (name, runtime, on) in everywhere() {
        runtime.block_on(async {
            let mut mapped = map_on(on, 0..6, |n| {
                // One panics when its future is made, one when that is polled.
                if n == 1 {
                    panic_quietly("made");
                }
                async move {
                    if n == 4 {
                        panic_quietly("polled");
                    }
                    if n == 3 { Err("three") } else { Ok(n) }
                }
            });
            let mut seen = Vec::new();
            for _ in 0..6 {
                let spawned = std::future::poll_fn(|cx| {
                    let caught = catch_unwind(AssertUnwindSafe(|| std::pin::Pin::new(&mut mapped.next()).poll(cx)));
                    match caught {
                        Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
                        Ok(std::task::Poll::Ready(output)) => std::task::Poll::Ready(Ok(output)),
                        Err(payload) => std::task::Poll::Ready(Err(message_of(payload))),
                    }
                });
                seen.push(spawned.await);
            }
            let expected = [
                Ok(Some(Ok(0))),
                Err("made".to_owned()),
                Ok(Some(Ok(2))),
                Ok(Some(Err("three"))),
                Err("polled".to_owned()),
                Ok(Some(Ok(5))),
            ];
            assert_eq!(seen, expected, "{name}");
            assert_eq!(mapped.next().await, None, "{name}");
        });
    }
}

#[test]
fn a_source_that_panics_ends_there_and_says_so() {
    for (name, runtime, on) in everywhere() {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let items = (0..10)
                    .inspect(|n| assert_ne!(*n, usize::MAX))
                    .map(|n: usize| if n == 3 { panic_quietly("source") } else { n });
                let mut mapped = map_on(on, items, async |n| n);
                for expected in 0..3 {
                    assert_eq!(mapped.next().await, Some(expected), "{name}");
                }
                mapped.next().await;
            });
        }));
        assert_eq!(message_of(caught.unwrap_err()), "source", "{name}");
    }
}

#[test]
fn a_large_window_takes_memory_as_it_is_used() {
    for (name, runtime, on) in everywhere() {
        // Slots for outputs of 16 KiB each: 256 GiB, if they were all made.
        let outputs = runtime.block_on(async {
            let mut mapped = map_on(on.window(1 << 24), 0..10_u8, async |n| [n; 1 << 14]);
            let mut firsts = Vec::new();
            while let Some(output) = mapped.next().await {
                firsts.push(output[0]);
            }
            let mut filled = fill_on(on.window(1 << 24), 0..1, async |_, buffer: [u128; 16]| Ok::<_, ()>(buffer));
            assert!(filled.next().await.is_some() && filled.next().await.is_none(), "{name}");
            firsts
        });
        assert_eq!(outputs, (0..10).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_stream_may_be_the_source_and_stages_follow_one_another() {
    for (name, runtime, on) in everywhere() {
        let outputs = runtime.block_on(async {
            let slow = map_on(On::tasks(2), 0..50, async |n| {
                sleep(Duration::from_micros(10)).await;
                n
            });
            all(map_stream_on(on, slow, async |n| 2 * n)).await
        });
        assert_eq!(outputs, (0..50).map(|n| 2 * n).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn buffers_go_round_and_an_error_costs_its_own() {
    for (name, runtime, on) in everywhere() {
        runtime.block_on(async {
            let fresh = Arc::new(AtomicU32::new(0));
            let count = fresh.clone();
            let mut batches = fill_on(on.window(4), 0..200_u32, move |n, mut batch: Vec<u32>| {
                if batch.capacity() == 0 {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                async move {
                    batch.clear();
                    batch.extend([n; 8]);
                    if n == 100 { Err(n) } else { Ok(batch) }
                }
            });
            let mut next = 0;
            while let Some(batch) = batches.next().await {
                match batch {
                    Ok(batch) => assert_eq!(*batch, [next; 8], "{name}"),
                    Err(error) => assert_eq!((error, next), (100, 100), "{name}"),
                }
                next += 1;
            }
            assert_eq!(next, 200);
            let fresh = fresh.load(Ordering::Relaxed);
            assert!(fresh <= 4 + 1 + 1, "{name}: {fresh} buffers for a window of 4, one in hand, and one error");
        });
    }
}

#[test]
fn a_buffer_may_be_kept_or_outlive_the_map() {
    for (_, runtime, on) in everywhere() {
        let (kept, outlives): (Vec<u8>, Filled<Vec<u8>>) = runtime.block_on(async {
            let mut batches = fill_on(on, 1..=2_u8, async |n, _: Vec<u8>| Ok::<_, Infallible>(vec![n]));
            let first = batches.next().await.unwrap().unwrap();
            (first.into_inner(), batches.next().await.unwrap().unwrap())
        });
        assert_eq!((kept, &*outlives), (vec![1], &vec![2]));
    }
}

#[test]
fn sch_02_workers_that_are_always_ready_let_other_tasks_run() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let ran = Arc::new(AtomicBool::new(false));
        let mapped = map_on(On::tasks(1).window(1 << 20), 0_u32..100_000, async |n| n);
        let flag = ran.clone();
        spawn(async move { flag.store(true, Ordering::Relaxed) }).await.unwrap();
        let shown = format!("{mapped:?}");
        assert!(ran.load(Ordering::Relaxed) && !shown.contains("begun: 100000"), "{shown}");
    });
}

#[test]
fn the_same_seed_maps_in_the_same_steps() {
    let life = |seed| {
        let runtime = Builder::new_simulated(seed).build().unwrap();
        runtime.block_on(async {
            all(map_on(On::threads(3), 0..20_u64, async |n| sleep(Duration::from_nanos(n % 3)).await)).await
        });
        runtime.event_hash()
    };
    assert!((0..20).all(|seed| life(seed) == life(seed)));
    assert_ne!(life(1), life(2));
}

#[test]
fn mis_03_no_workers_and_no_window_say_what_is_wrong() {
    for (make, words) in [
        (Box::new(|| On::tasks(0)) as Box<dyn Fn() -> On>, "On::tasks(0)"),
        (Box::new(|| On::threads(0)), "On::threads(0)"),
        (Box::new(|| On::tasks(1).window(0)), "a window has room for 1"),
        (Box::new(|| On::tasks(1).window(usize::MAX)), "a window has room for 1"),
        (Box::new(|| On::tasks(usize::MAX)), "it takes 2^20 at most"),
        (Box::new(|| On::threads((1 << 20) + 1)), "it takes 2^20 at most"),
    ] {
        let message = message_of(catch_unwind(AssertUnwindSafe(make)).map(drop).unwrap_err());
        assert!(message.contains(words), "{message}");
    }
}
