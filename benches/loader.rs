//! A loader: batches are made on two threads ahead of one consumer, who gets them in order.
//!
//! Each batch is 0.1 ms of work, which is short enough for what handing over costs to be seen, and for a consumer that comes
//! late to leave a thread without work. mainspring has `map_on` for this; the others' users keep as many closures of
//! `spawn_blocking` under way as there should be threads, and wait for the oldest.
//!
//! INSTEAD OF the time of two threads over that of one, which `examples/loader` prints for us: with one closure under way a thread
//! waits for the consumer between any two, so whoever does badly with one thread would win.

use super::common::case::{Case, Field, Figures, Size, Workload, wall_of_second_pass};
use super::common::doors::Blocking;
use super::common::runtime::Runtime;
use super::common::work::Pace;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What one batch takes, in microseconds.
const WORK_US: u32 = 100;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<Loader>()
}

/// Threads that make batches.
const THREADS: usize = 2;

/// So many batches.
struct Loader;

impl Workload for Loader {
    const NAME: &'static str = "loader";
    const PINNED: bool = false;
    const FLOOR: Option<fn(Size) -> Figures> = Some(in_any_order);

    fn suits<R: Runtime>() -> bool {
        !R::FILES_ONLY && R::Blocking::OFFERED
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (batches, pace) = (size.of(2_000), Pace::measure());
        let runtime = R::start(2);
        wall_of_second_pass(batches, || {
            let taken = runtime.run(async move {
                let mut taken = 0;
                let make = move |key| (key, pace.work(WORK_US));
                R::Blocking::in_order(THREADS, batches, make, |(key, _)| {
                    assert_eq!(key, taken, "in order");
                    taken += 1;
                })
                .await;
                taken
            });
            assert_eq!(taken, batches, "each is taken once");
        })
    }
}

/// The floor: threads that take numbers, do the work, and hand nothing over.
fn in_any_order(size: Size) -> Figures {
    let (batches, pace) = (size.of(2_000), Pace::measure());
    wall_of_second_pass(batches, || {
        let next = AtomicUsize::new(0);
        let live = || {
            while next.fetch_add(1, Ordering::Relaxed) < batches {
                pace.work(WORK_US);
            }
        };
        thread::scope(|scope| (0..THREADS).for_each(|_| _ = scope.spawn(live)));
    })
}
