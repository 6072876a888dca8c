//! What timers cost, and how late they are.
//!
//! Most timers never fire: a timeout is made, polled once and dropped when the answer arrives, which is
//! `timer_create_drop`. `sleep_1ms` is the other end, one timer and an idle runtime: anything above 1,000 us is
//! the runtime rounding. `timer_fire` has 100,000 of them due within a second, ten microseconds apart, where
//! being on time and being cheap pull in opposite directions; so lateness and cpu time stand side by side.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[allow(dead_code, reason = "each bench uses its own part of what they share")]
mod common;

use common::machine;
use common::runner::{self, Figures, Size, Workload, on_all};
use common::runtime::{Join, Leaves, Runtime};
use common::table::quantile;
use std::future::poll_fn;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    runner::main(&[on_all::<CreateDrop>(), on_all::<SleepOneMs>(), on_all::<Fire>()].concat())
}

/// Timers of 60 s, polled once and dropped, a thousand alive at a time.
struct CreateDrop;

impl Workload for CreateDrop {
    const NAME: &'static str = "timer_create_drop";

    fn run<R: Runtime>(size: Size) -> Figures {
        const ALIVE: usize = 1_000;
        let batches = size.of(1_000);
        runner::per_operation::<R>(batches * ALIVE, |runtime| {
            runtime.run(async move {
                // The places are allocated once, so that the row holds no allocation but the runtime's own.
                let mut places: Vec<Place<R>> = (0..ALIVE).map(|_| Box::pin(None)).collect();
                for _ in 0..batches {
                    fill_and_empty::<R>(&mut places).await;
                    <R::Leaves>::yield_now().await;
                }
            });
        })
    }
}

/// Where one timer lives while it is alive.
type Place<R> = Pin<Box<Option<<<R as Runtime>::Leaves as Leaves>::Sleep>>>;

async fn fill_and_empty<R: Runtime>(places: &mut [Place<R>]) {
    poll_fn(|cx| {
        for place in &mut *places {
            place.set(Some(<R::Leaves>::sleep(Duration::from_secs(60))));
            let timer = place.as_mut().as_pin_mut().expect("it was just put there");
            assert!(timer.poll(cx).is_pending(), "a minute is not over yet");
        }
        places.iter_mut().for_each(|place| place.set(None));
        Poll::Ready(())
    })
    .await;
}

/// One sleep of a millisecond after the other, with nothing else to do.
struct SleepOneMs;

impl Workload for SleepOneMs {
    const NAME: &'static str = "sleep_1ms";
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
        assert!(times.iter().all(|&time| time >= 1_000.0), "no sleep is shorter than asked");
        vec![("median us", quantile(&mut times, 0.5)), ("p99 us", quantile(&mut times, 0.99))]
    }
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
    let set = places.map(|place| R::spawn(lateness::<R>(first + Duration::from_micros(10) * place as u32)));
    let tasks: Vec<Join<R, f64>> = set.collect();
    let mut late = Vec::with_capacity(timers);
    for task in tasks {
        late.push(task.await.expect("it is not early"));
    }
    late
}

async fn lateness<R: Runtime>(due: Instant) -> f64 {
    <R::Leaves>::sleep(due.saturating_duration_since(Instant::now())).await;
    let now = Instant::now();
    assert!(now >= due, "none fires early");
    (now - due).as_nanos() as f64 / 1e3
}
