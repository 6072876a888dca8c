//! What it costs to spawn a task, let it run and join it.
//!
//! `spawn_join` spawns empty tasks in batches and joins them all: allocation, queueing and the handle, and
//! nothing else. Its floor is what nobody can leave out: a box, a queue and a poll. `chained_spawn` has one task alive at a time: each spawns the next, which is the shortest way
//! through a scheduler, and shows what a fresh allocation costs when the last one has just been freed.

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::oneshot;
use super::common::runtime::Runtime;
use std::collections::VecDeque;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<SpawnJoin>(), F::cases::<ChainedSpawn>()].concat()
}

/// Empty tasks, spawned in batches, all joined.
struct SpawnJoin;

impl Workload for SpawnJoin {
    const NAME: &'static str = "spawn_join";
    const FLOOR: Option<fn(Size) -> Figures> = Some(boxed_queued_and_polled);

    fn run<R: Runtime>(size: Size) -> Figures {
        let tasks = size.of(1_000_000);
        per_operation::<R>(tasks, |runtime| {
            let joined = runtime.run(spawn_and_join::<R>(tasks));
            assert_eq!(joined, tasks, "every task is joined once");
        })
    }
}

/// Tasks alive at a time.
const BATCH: usize = 10_000;

async fn spawn_and_join<R: Runtime>(tasks: usize) -> usize {
    let mut handles = Vec::with_capacity(BATCH);
    let mut joined = 0;
    while joined < tasks {
        handles.extend((0..BATCH.min(tasks - joined)).map(|_| R::spawn(async {})));
        for handle in handles.drain(..) {
            handle.await.expect("an empty task does not panic");
            joined += 1;
        }
    }
    joined
}

/// Futures in boxes go into a queue in batches and are polled once, by a loop.
fn boxed_queued_and_polled(size: Size) -> Figures {
    let tasks = size.of(1_000_000);
    of_second_pass(tasks, || {
        let mut queue: VecDeque<Pin<Box<dyn Future<Output = usize>>>> = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut done = 0;
        while done < tasks {
            // It captures something, for an empty block would need no memory.
            (0..BATCH.min(tasks - done)).for_each(|index| queue.push_back(Box::pin(async move { black_box(index) })));
            while let Some(mut task) = queue.pop_front() {
                assert!(task.as_mut().poll(&mut cx).is_ready(), "it waits for nothing");
                done += 1;
            }
        }
    })
}

/// Each task spawns the next.
struct ChainedSpawn;

impl Workload for ChainedSpawn {
    const NAME: &'static str = "chained_spawn";

    fn run<R: Runtime>(size: Size) -> Figures {
        const DEPTH: usize = 1_000;
        let chains = size.of(1_000);
        per_operation::<R>(chains * DEPTH, |runtime| {
            runtime.run(async move {
                for _ in 0..chains {
                    let (done, over) = oneshot::channel();
                    link::<R>(DEPTH, done);
                    assert_eq!(over.await, Some(()), "the last task of the chain reports");
                }
            });
        })
    }
}

/// A function and not an `async fn`, so that the task's type does not contain itself.
fn link<R: Runtime>(left: usize, done: oneshot::Sender<()>) {
    let task = R::spawn(async move { if left == 1 { done.send(()) } else { link::<R>(left - 1, done) } });
    drop(task);
}
