//! Whether a second worker helps, so that no other row is won by leaving it asleep.
//!
//! Waking a sibling costs a system call, and every row of `spawn` and `yield` would look better without one.
//! `speed_up` asks for what that call buys: the time two workers take for work that one task spawned, over the
//! time of one. `start_together` asks how soon: eight long tasks are spawned at once, and the figure is the
//! moment at which both workers have begun one.

use super::common::case::{Case, Field, Figures, Size, Workload};
use super::common::runtime::{Leaves as _, Runtime};
use super::common::table::quantile;
use super::common::work::Pace;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<SpeedUp>(), F::cases::<StartTogether>()].concat()
}

/// Ten thousand tasks of 20 us, spawned by one task.
struct SpeedUp;

impl Workload for SpeedUp {
    const NAME: &'static str = "speed_up";
    const PINNED: bool = false;
    const PARALLEL: bool = true;

    fn run<R: Runtime>(size: Size) -> Figures {
        let (tasks, pace) = (size.of(10_000), Pace::measure());
        let (alone, both) = (R::start(1), R::start(2));
        let timed = |runtime: &R| {
            let start = Instant::now();
            assert_eq!(runtime.run(spread::<R>(tasks, pace)), tasks, "every task is joined once");
            start.elapsed().as_secs_f64()
        };
        // The least disturbed of five: another process on the second cpu can only make it worse.
        let least = |runtime: &R| (0..5).map(|_| timed(runtime)).fold(f64::INFINITY, f64::min);
        vec![("2 workers / 1 worker", least(&both) / least(&alone))]
    }
}

async fn spread<R: Runtime>(tasks: usize, pace: Pace) -> usize {
    let handles: Vec<_> = (0..tasks).map(|_| R::spawn(async move { pace.work(20) })).collect();
    let mut joined = 0;
    for handle in handles {
        handle.await.expect("the work does not panic");
        joined += 1;
    }
    joined
}

/// Eight tasks of 5 ms, spawned together.
struct StartTogether;

impl Workload for StartTogether {
    const NAME: &'static str = "start_together";
    const PINNED: bool = false;
    const PARALLEL: bool = true;

    fn run<R: Runtime>(size: Size) -> Figures {
        let tries = if size == Size::Full { 20 } else { 5 };
        let pace = Pace::measure();
        let runtime = R::start(2);
        let mut times: Vec<f64> = (0..tries).map(|_| runtime.run(both_busy_after::<R>(pace))).collect();
        vec![("both busy us", quantile(&mut times, 0.5))]
    }
}

/// Microseconds until the second worker has begun one of the tasks; until the end of all if it never does.
async fn both_busy_after<R: Runtime>(pace: Pace) -> f64 {
    // Long enough for the other worker to have gone to sleep.
    <R::Leaves>::sleep(Duration::from_millis(5)).await;
    let start = Instant::now();
    let task = || async move {
        let begun = (thread::current().id(), start.elapsed());
        pace.work(5_000);
        begun
    };
    let tasks: Vec<_> = (0..8).map(|_| R::spawn(task())).collect();
    let mut begun: Vec<(ThreadId, Duration)> = Vec::new();
    for task in tasks {
        begun.push(task.await.expect("the work does not panic"));
    }
    begun.sort_by_key(|&(_, after)| after);
    let second = begun.iter().find(|(thread, _)| *thread != begun[0].0);
    second.map_or_else(|| start.elapsed(), |&(_, after)| after).as_nanos() as f64 / 1e3
}
