//! What an idle task holds: a million of them, each parked on a future of 64 bytes.
//!
//! Resident bytes, read from the kernel, since what an allocator rounds up and keeps for itself is memory too.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[allow(dead_code, reason = "each bench uses its own part of what they share")]
mod common;

use common::machine;
use common::runner::{self, Figures, Size, Workload, on_all};
use common::runtime::{Leaves as _, Runtime};
use std::hint::black_box;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

fn main() -> ExitCode {
    runner::main(&on_all::<IdleTask>())
}

/// Tasks that wait for something that never comes.
struct IdleTask;

impl Workload for IdleTask {
    const NAME: &'static str = "idle_task";

    fn run<R: Runtime>(size: Size) -> Figures {
        let tasks = size.of(1_000_000);
        let parked = Arc::new(AtomicUsize::new(0));
        let bytes = R::start(2).run(park_all::<R>(tasks, Arc::clone(&parked)));
        assert_eq!(parked.load(Ordering::Acquire), 0, "a runtime that is gone has dropped every task");
        vec![("bytes", bytes as f64 / tasks as f64)]
    }
}

/// The growth of the process while `tasks` are spawned and parked.
async fn park_all<R: Runtime>(tasks: usize, parked: Arc<AtomicUsize>) -> u64 {
    // One by one and a turn now and then, so that the queue stays short: its length is not what is measured.
    spawn_parked::<R>(1_000, &parked).await;
    let before = machine::resident_bytes();
    for _ in 0..tasks.div_ceil(1_000) {
        spawn_parked::<R>(1_000, &parked).await;
    }
    machine::resident_bytes().saturating_sub(before)
}

/// Spawns `tasks` more and comes back when they have been polled.
async fn spawn_parked<R: Runtime>(tasks: usize, parked: &Arc<AtomicUsize>) {
    let goal = parked.load(Ordering::Acquire) + tasks;
    for _ in 0..tasks {
        drop(R::spawn(Idle { parked: Arc::clone(parked), polled: false, rest: black_box([0; 48]) }));
    }
    while parked.load(Ordering::Acquire) < goal {
        <R::Leaves>::yield_now().await;
    }
}

/// A future of 64 bytes that is never ready. It keeps no waker: what a waker costs is the same for everybody,
/// since whoever waits keeps it.
struct Idle {
    /// Counts those that have been polled and not yet dropped.
    parked: Arc<AtomicUsize>,
    /// Whether this one is counted.
    polled: bool,
    /// Fills it up.
    rest: [u8; 48],
}

const _: () = assert!(size_of::<Idle>() == 64, "the row is about a future of 64 bytes");

impl Future for Idle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if !self.polled {
            self.polled = true;
            self.parked.fetch_add(1, Ordering::AcqRel);
        }
        black_box(&self.rest);
        Poll::Pending
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if self.polled {
            self.parked.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
