//! What locks cost: when nobody else wants them, and when sixteen tasks do and each holds them across a yield.
//!
//! - `mutex_free`: one task locks and unlocks a mutex that is never held by anybody else. The floor is a lock of std's.
//! - `mutex_held`: sixteen tasks, one mutex, held across a yield: nearly every lock has to wait.
//! - `semaphore`: sixteen tasks, four permits, each held across a yield.
//!
//! Every runtime is asked with the locks that its users have, see [`Locks`].

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::locks::Locks;
use super::common::runtime::{Join, Leaves as _, Runtime};
use std::hint::black_box;
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
        per_operation::<R>(TASKS * times, |runtime| {
            let total = runtime.run(async move {
                let mutex = Arc::new(<R::Leaves>::mutex());
                let tasks = (0..TASKS).map(|_| {
                    let mutex = Arc::clone(&mutex);
                    R::spawn(async move {
                        for _ in 0..times {
                            let mut count = <R::Leaves>::lock(&mutex).await;
                            <R::Leaves>::yield_now().await;
                            *count += 1;
                        }
                    })
                });
                all::<R>(tasks.collect()).await;
                *<R::Leaves>::lock(&mutex).await
            });
            assert_eq!(total, (TASKS * times) as u64, "each was alone");
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
        per_operation::<R>(TASKS * times, |runtime| {
            runtime.run(async move {
                let semaphore = Arc::new(<R::Leaves>::semaphore(PERMITS));
                let tasks = (0..TASKS).map(|_| {
                    let semaphore = Arc::clone(&semaphore);
                    R::spawn(async move {
                        for _ in 0..times {
                            let permit = <R::Leaves>::acquire(&semaphore).await;
                            <R::Leaves>::yield_now().await;
                            drop(permit);
                        }
                    })
                });
                all::<R>(tasks.collect()).await;
            });
        })
    }
}

async fn all<R: Runtime>(tasks: Vec<Join<R, ()>>) {
    for task in tasks {
        task.await.expect("whoever waits for a lock gets it");
    }
}
