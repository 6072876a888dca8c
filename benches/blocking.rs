//! Closures that block, on threads of the runtime's own: what one costs there and back, and what one of many costs.
//!
//! `blocking_round_trip` hands over one closure at a time and waits for its result, so each wakes a thread and each
//! result wakes the loop. `blocking_burst` has ten thousand under way: then threads find work when they come back for
//! more, and the question is who notices that nobody needs to be woken.

use super::common::case::{Case, Field, Figures, Size, Workload, wall_of_second_pass};
use super::common::doors::Blocking;
use super::common::runtime::Runtime;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<RoundTrip>(), F::cases::<Burst>()].concat()
}

fn offered<R: Runtime>() -> bool {
    !R::FILES_ONLY && R::Blocking::OFFERED
}

/// One after the other.
struct RoundTrip;

impl Workload for RoundTrip {
    const NAME: &'static str = "blocking_round_trip";
    const FLOOR: Option<fn(Size) -> Figures> = Some(there_and_back);

    fn suits<R: Runtime>() -> bool {
        offered::<R>()
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let jobs = size.of(50_000);
        let runtime = R::start(2);
        wall_of_second_pass(jobs, || {
            let sum = runtime.run(async move {
                let mut sum = 0;
                for job in 0..jobs {
                    sum += R::Blocking::start(move || black_box(job)).await;
                }
                sum
            });
            assert_eq!(sum, jobs * (jobs - 1) / 2, "each came back with its own");
        })
    }
}

/// The floor: a number passes from one parked thread to another and back, by way of two words.
fn there_and_back(size: Size) -> Figures {
    let jobs = size.of(50_000);
    let (there, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let caller = thread::current();
    let worker = thread::spawn({
        let (there, back) = (Arc::clone(&there), Arc::clone(&back));
        move || {
            for job in 1..=2 * jobs {
                park_until(&there, job);
                back.store(black_box(job), Ordering::Release);
                caller.unpark();
            }
        }
    });
    let mut next = 0;
    let figures = wall_of_second_pass(jobs, || {
        for _ in 0..jobs {
            next += 1;
            there.store(next, Ordering::Release);
            worker.thread().unpark();
            park_until(&back, next);
        }
    });
    worker.join().expect("it panics at nothing");
    figures
}

fn park_until(word: &AtomicUsize, value: usize) {
    while word.load(Ordering::Acquire) != value {
        thread::park();
    }
}

/// So many under way.
const IN_FLIGHT: usize = 10_000;

/// Many at once.
struct Burst;

impl Workload for Burst {
    const NAME: &'static str = "blocking_burst";
    const FLOOR: Option<fn(Size) -> Figures> = Some(through_a_channel);

    fn suits<R: Runtime>() -> bool {
        offered::<R>()
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (bursts, jobs) = bursts_of(size);
        let runtime = R::start(2);
        wall_of_second_pass(bursts * jobs, || {
            let sum = runtime.run(async move {
                let mut sum = 0;
                for _ in 0..bursts {
                    let start = |job| R::Blocking::start(move || black_box(job));
                    let all: Vec<_> = (0..jobs).map(start).collect();
                    for job in all {
                        sum += job.await;
                    }
                }
                sum
            });
            assert_eq!(sum, bursts * (jobs * (jobs - 1) / 2), "each came back with its own");
        })
    }
}

/// How many bursts, and of how many.
fn bursts_of(size: Size) -> (usize, usize) {
    match size {
        Size::Full => (20, IN_FLIGHT),
        Size::Quick => (2, IN_FLIGHT),
        Size::Tiny => (2, 10),
    }
}

/// The floor: closures in boxes through std's channel to one thread, and a count of those that have run.
fn through_a_channel(size: Size) -> Figures {
    let (bursts, jobs) = bursts_of(size);
    let (give, take) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let worker = thread::spawn(move || take.into_iter().for_each(|job| job()));
    let ran = Arc::new(AtomicUsize::new(0));
    let figures = wall_of_second_pass(bursts * jobs, || {
        for _ in 0..bursts {
            let caller = thread::current();
            for job in 0..jobs {
                let ran = Arc::clone(&ran);
                let count = move || _ = black_box(ran.fetch_add(job, Ordering::AcqRel));
                give.send(Box::new(count)).expect("it listens");
            }
            give.send(Box::new(move || caller.unpark())).expect("as above");
            thread::park();
        }
    });
    drop(give);
    worker.join().expect("no job panics");
    assert_eq!(ran.load(Ordering::Acquire), 2 * bursts * (jobs * (jobs - 1) / 2), "each has run once in each pass");
    figures
}
