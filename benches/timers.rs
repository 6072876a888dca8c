//! What timers cost, and how late they are.
//!
//! Most timers never fire: a timeout is made, polled once and dropped when the answer arrives, which is
//! `timer_create_drop`. `sleep_1ms` is the other end, one timer and an idle runtime: anything above 1,000 us is
//! the runtime rounding. `timer_fire` has 100,000 of them due within a second, ten microseconds apart, where
//! being on time and being cheap pull in opposite directions; so lateness and cpu time stand side by side.

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::machine;
use super::common::runtime::{Join, Leaves, Runtime};
use super::common::table::quantile;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<CreateDrop>(), F::cases::<SleepOneMs>(), F::cases::<Fire>()].concat()
}

/// Timers alive at a time.
const ALIVE: usize = 1_000;

/// Timers of 60 s, polled once and dropped, a thousand alive at a time.
struct CreateDrop;

impl Workload for CreateDrop {
    const NAME: &'static str = "timer_create_drop";
    const FLOOR: Option<fn(Size) -> Figures> = Some(linked_and_unlinked);

    fn run<R: Runtime>(size: Size) -> Figures {
        let batches = size.of(1_000);
        per_operation::<R>(batches * ALIVE, |runtime| {
            runtime.run(async move {
                // The places are allocated once, so that the row holds no allocation but the runtime's own.
                let mut places: Vec<_> = (0..ALIVE).map(|_| Box::pin(None)).collect();
                for _ in 0..batches {
                    fill_and_empty(&mut places, || <R::Leaves>::sleep(Duration::from_secs(60))).await;
                    <R::Leaves>::yield_now().await;
                }
            });
        })
    }
}

/// A place is where one timer lives while it is alive.
async fn fill_and_empty<S: Future>(places: &mut [Pin<Box<Option<S>>>], timer: impl Fn() -> S) {
    poll_fn(|cx| {
        for place in &mut *places {
            place.set(Some(timer()));
            let timer = place.as_mut().as_pin_mut().expect("it was just put there");
            assert!(timer.poll(cx).is_pending(), "a minute is not over yet");
        }
        places.iter_mut().for_each(|place| place.set(None));
        Poll::Ready(())
    })
    .await;
}

/// What a timer cannot do without: one look at the clock, and a place in a list by its deadline. The lists are
/// those of a wheel of one level, and their links are numbers, as in an arena.
fn linked_and_unlinked(size: Size) -> Figures {
    const SLOTS: usize = 64;
    let batches = size.of(1_000);
    of_second_pass(batches * ALIVE, || {
        let start = Instant::now();
        // Each slot is a ring of its own at first; after the slots come the timers.
        let mut links: Vec<(usize, usize)> = (0..SLOTS + ALIVE).map(|index| (index, index)).collect();
        for _ in 0..batches {
            for timer in SLOTS..SLOTS + ALIVE {
                let due = Instant::now() + Duration::from_secs(60) - start;
                let slot = due.as_secs() as usize % SLOTS;
                let next = links[slot].1;
                links[timer] = (slot, next);
                links[slot].1 = timer;
                links[next].0 = timer;
            }
            for timer in SLOTS..SLOTS + ALIVE {
                let (previous, next) = links[timer];
                links[previous].1 = next;
                links[next].0 = previous;
            }
            assert!((0..SLOTS).all(|slot| links[slot].1 == slot), "every list is empty again");
        }
    })
}

/// One sleep of a millisecond after the other, with nothing else to do.
struct SleepOneMs;

impl Workload for SleepOneMs {
    const NAME: &'static str = "sleep_1ms";
    const FLOOR: Option<fn(Size) -> Figures> = Some(the_kernels_sleep);
    const PINNED: bool = false;

    fn run<R: Runtime>(size: Size) -> Figures {
        let sleeps = size.of(1_000);
        let mut times = R::start(2).run(async move {
            let mut times = Vec::with_capacity(sleeps);
            for _ in 0..sleeps {
                let start = Instant::now();
                <R::Leaves>::sleep(Duration::from_millis(1)).await;
                times.push(start.elapsed().as_nanos() as f64 / 1e3);
            }
            times
        });
        sleeps_found(&mut times)
    }
}

/// What it takes to ask the kernel for a millisecond.
fn the_kernels_sleep(size: Size) -> Figures {
    let sleep = |_| {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(1));
        start.elapsed().as_nanos() as f64 / 1e3
    };
    sleeps_found(&mut (0..size.of(1_000)).map(sleep).collect::<Vec<_>>())
}

fn sleeps_found(times: &mut [f64]) -> Figures {
    assert!(times.iter().all(|&time| time >= 1_000.0), "no sleep is shorter than asked");
    vec![("median us", quantile(times, 0.5)), ("p99 us", quantile(times, 0.99))]
}

/// A hundred thousand timers, due ten microseconds apart.
struct Fire;

impl Workload for Fire {
    const NAME: &'static str = "timer_fire";
    const PINNED: bool = false;

    fn run<R: Runtime>(size: Size) -> Figures {
        let timers = size.of(100_000);
        let before = machine::cpu_time();
        let mut late = R::start(2).run(fire::<R>(timers));
        let cpu = (machine::cpu_time() - before).as_nanos() as f64 / 1e3 / timers as f64;
        assert_eq!(late.len(), timers, "every timer fires once");
        let (p50, p99) = (quantile(&mut late, 0.5), quantile(&mut late, 0.99));
        vec![("late p50 us", p50), ("late p99 us", p99), ("cpu us each", cpu)]
    }
}

/// Gives back how late each timer was, in microseconds. The first is due only when all have been set, and they
/// are set in an order that is not the order in which they are due.
async fn fire<R: Runtime>(timers: usize) -> Vec<f64> {
    /// A prime that divides none of the sizes, so that a stride of it visits every place once.
    const STRIDE: usize = 7_919;
    let first = Instant::now() + Duration::from_millis(500);
    let places = (0..timers).map(|index| index * STRIDE % timers);
    let due = |place| first + Duration::from_micros(10) * place as u32;
    let set = places.map(|place| R::spawn_with_leaves(lateness::<R>(due(place))));
    let tasks: Vec<Join<R, f64>> = set.collect();
    let mut late = Vec::with_capacity(timers);
    for task in tasks {
        late.push(task.await.expect("it is not early"));
    }
    late
}

async fn lateness<R: Runtime>(due: Instant) -> f64 {
    <R::Leaves>::sleep_until(due).await;
    let now = Instant::now();
    assert!(now >= due, "none fires early");
    (now - due).as_nanos() as f64 / 1e3
}
