//! What locks cost: when nobody else wants them, and when sixteen tasks do and each holds them across a yield.
//!
//! - `mutex_free`: one task locks and unlocks a mutex that is never held by anybody else. The floor is a lock of std's.
//! - `mutex_held`: sixteen tasks, one mutex, held across a yield: nearly every lock has to wait.
//! - `semaphore`: sixteen tasks, four permits, each held across a yield.
//!
//! In the last two a lock that lets whoever runs go in again saves every second turn of a task, and somebody waits meanwhile. So
//! each has a second figure, `first over last`: when the first task was done with all of its turns, how many times more had it had
//! than the one that had had the fewest? One that serves in order has 1.
//!
//! Every runtime is asked with the locks that its users have, see [`Locks`].

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::locks::Locks;
use super::common::runtime::{Join, Leaves as _, Runtime};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// So many tasks want the same.
const TASKS: usize = 16;
/// So many may have it at a time.
const PERMITS: usize = 4;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<MutexFree>(), F::cases::<MutexHeld>(), F::cases::<Semaphore>()].concat()
}

/// Nobody else is there.
struct MutexFree;

impl Workload for MutexFree {
    const NAME: &'static str = "mutex_free";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_lock);

    fn run<R: Runtime>(size: Size) -> Figures {
        let times = size.of(10_000_000);
        per_operation::<R>(times, |runtime| {
            let total = runtime.run(async move {
                let mutex = <R::Leaves>::mutex();
                for _ in 0..times {
                    *black_box(<R::Leaves>::lock(&mutex).await) += 1;
                }
                *<R::Leaves>::lock(&mutex).await
            });
            assert_eq!(total, times as u64);
        })
    }
}

fn std_lock(size: Size) -> Figures {
    let times = size.of(10_000_000);
    of_second_pass(times, || {
        let mutex = Mutex::new(0);
        for _ in 0..times {
            *black_box(mutex.lock().expect("nobody panics")) += 1;
        }
        assert_eq!(*mutex.lock().expect("nobody panics"), times);
    })
}

/// Everybody waits for it.
struct MutexHeld;

impl Workload for MutexHeld {
    const NAME: &'static str = "mutex_held";
    const YIELDS: bool = true;

    fn run<R: Runtime>(size: Size) -> Figures {
        let times = size.of(50_000);
        in_turn(times, |turns| {
            per_operation::<R>(TASKS * times, |runtime| {
                let turns = turns();
                let total = runtime.run(async move {
                    let mutex = Arc::new(<R::Leaves>::mutex());
                    let tasks = (0..TASKS).map(|_| {
                        let (mutex, turns) = (Arc::clone(&mutex), Arc::clone(&turns));
                        R::spawn(async move {
                            let mut has_told = false;
                            for turn in 1..=times {
                                let mut count = <R::Leaves>::lock(&mutex).await;
                                <R::Leaves>::yield_now().await;
                                *count += 1;
                                drop(count);
                                turns.had(turn, &mut has_told);
                            }
                        })
                    });
                    all::<R>(tasks.collect()).await;
                    *<R::Leaves>::lock(&mutex).await
                });
                assert_eq!(total, (TASKS * times) as u64, "each was alone");
            })
        })
    }
}

/// A quarter of them may go on.
struct Semaphore;

impl Workload for Semaphore {
    const NAME: &'static str = "semaphore";
    const YIELDS: bool = true;

    fn run<R: Runtime>(size: Size) -> Figures {
        let times = size.of(50_000);
        in_turn(times, |turns| {
            per_operation::<R>(TASKS * times, |runtime| {
                let turns = turns();
                runtime.run(async move {
                    let semaphore = Arc::new(<R::Leaves>::semaphore(PERMITS));
                    let tasks = (0..TASKS).map(|_| {
                        let (semaphore, turns) = (Arc::clone(&semaphore), Arc::clone(&turns));
                        R::spawn(async move {
                            let mut has_told = false;
                            for turn in 1..=times {
                                let permit = <R::Leaves>::acquire(&semaphore).await;
                                <R::Leaves>::yield_now().await;
                                drop(permit);
                                turns.had(turn, &mut has_told);
                            }
                        })
                    });
                    all::<R>(tasks.collect()).await;
                });
            })
        })
    }
}

/// Who has had how many turns. For all but one turn of a task it is a look at a word that is written once.
struct Turns {
    /// How many each task has in the end.
    each: usize,
    /// One task has had all of its turns.
    first_is_done: AtomicBool,
    /// The fewest turns that any task had had by then, the one on which it told included.
    fewest: AtomicUsize,
}

impl Turns {
    fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { each, first_is_done: AtomicBool::new(false), fewest: AtomicUsize::new(each) })
    }

    /// The calling task has had so many. It tells how many at the first of its turns after some task's last.
    #[inline]
    fn had(&self, turns: usize, has_told: &mut bool) {
        if turns == self.each {
            self.first_is_done.store(true, Ordering::Relaxed);
        }
        if self.first_is_done.load(Ordering::Relaxed) && !*has_told {
            *has_told = true;
            self.fewest.fetch_min(turns, Ordering::Relaxed);
        }
    }
}

/// Measures, and adds a figure of the last pass: the first task's turns over the last one's.
fn in_turn(each: usize, measure: impl FnOnce(&dyn Fn() -> Arc<Turns>) -> Figures) -> Figures {
    let latest = RefCell::new(Turns::new(each));
    let mut figures = measure(&|| {
        latest.replace(Turns::new(each));
        Arc::clone(&latest.borrow())
    });
    figures.push(("first over last", each as f64 / latest.borrow().fewest.load(Ordering::Relaxed) as f64));
    figures
}

async fn all<R: Runtime>(tasks: Vec<Join<R, ()>>) {
    for task in tasks {
        task.await.expect("whoever waits for a lock gets it");
    }
}
