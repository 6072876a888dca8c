//! What it costs to spawn a task, let it run and join it.
//!
//! `spawn_join` spawns empty tasks in batches and joins them all: allocation, queueing and the handle, and
//! nothing else. `chained_spawn` has one task alive at a time: each spawns the next, which is the shortest way
//! through a scheduler, and shows what a fresh allocation costs when the last one has just been freed.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[allow(dead_code, reason = "each bench uses its own part of what they share")]
mod common;

use common::oneshot;
use common::runner::{self, Figures, Size, Workload, on_all};
use common::runtime::Runtime;
use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main(&[on_all::<SpawnJoin>(), on_all::<ChainedSpawn>()].concat())
}

/// Empty tasks, spawned in batches, all joined.
struct SpawnJoin;

impl Workload for SpawnJoin {
    const NAME: &'static str = "spawn_join";

    fn run<R: Runtime>(size: Size) -> Figures {
        let tasks = size.of(1_000_000);
        runner::per_operation::<R>(tasks, |runtime| {
            let joined = runtime.run(spawn_and_join::<R>(tasks));
            assert_eq!(joined, tasks, "every task is joined once");
        })
    }
}

async fn spawn_and_join<R: Runtime>(tasks: usize) -> usize {
    const BATCH: usize = 10_000;
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

/// Each task spawns the next.
struct ChainedSpawn;

impl Workload for ChainedSpawn {
    const NAME: &'static str = "chained_spawn";

    fn run<R: Runtime>(size: Size) -> Figures {
        const DEPTH: usize = 1_000;
        let chains = size.of(1_000);
        runner::per_operation::<R>(chains * DEPTH, |runtime| {
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
