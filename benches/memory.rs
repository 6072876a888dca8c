//! What an idle task holds: a million of them, each parked on a future of 64 bytes.
//!
//! Resident bytes, read from the kernel, since what an allocator rounds up and keeps for itself is memory too.
//!
//! Where mainspring's go, 208 a task:
//!
//! ```text
//!   to run it                       60    state 8, vtable 8, home 8, joiner's waker 16, registry's links 16, flags 4
//!   to say who it is and whence     32    id 8, spawn place 8, name 8, parent 8
//!   to say what it does             36    wait place 8, what for 8, woken by 8, polls 4, wakes 4, born 4
//!   the future                      64
//!   the allocator's own word         8
//!   the allocator's rounding         8    to 16 bytes; a future of 72 costs the same
//! ```
//!
//! Of the peers smol's task has neither the second nor the third line (its id and registry slot stand elsewhere), and nio's
//! has no registry either: 163 and 114 to 129 bytes. Those 68 bytes are what it costs to answer "who waits where" at any time.

use super::common::case::{Case, Field, Figures, Size, Workload};
use super::common::machine;
use super::common::oneshot;
use super::common::runtime::Runtime;
use parking_lot::Mutex;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<IdleTask>()
}

/// Tasks that wait for something that never comes.
struct IdleTask;

impl Workload for IdleTask {
    const NAME: &'static str = "idle_task";

    fn run<R: Runtime>(size: Size) -> Figures {
        let tasks = size.of(1_000_000);
        let census = Arc::new(Census::default());
        let bytes = R::start(2).run(park_all::<R>(tasks, Arc::clone(&census)));
        if R::ENDS_ITS_TASKS {
            let left = census.parked.load(Ordering::Acquire);
            assert_eq!(left, 0, "a runtime that is gone has dropped every task");
        }
        vec![("bytes", bytes as f64 / tasks as f64)]
    }
}

/// Who is parked, and who wants to know when the last of them is.
#[derive(Default)]
struct Census {
    /// Those that have been polled and not yet dropped.
    parked: AtomicUsize,
    /// So many there will be when the present batch is complete.
    goal: AtomicUsize,
    /// Told when the goal is reached.
    complete: Mutex<Option<oneshot::Sender<()>>>,
}

/// The growth of the process while `tasks` are spawned and parked.
async fn park_all<R: Runtime>(tasks: usize, census: Arc<Census>) -> u64 {
    // In batches, so that the queue stays short: its length is not what is measured.
    spawn_parked::<R>(1_000, &census).await;
    let before = machine::resident_bytes();
    for _ in 0..tasks.div_ceil(1_000) {
        spawn_parked::<R>(1_000, &census).await;
    }
    machine::resident_bytes().saturating_sub(before)
}

/// Spawns `tasks` more and comes back when they have been polled.
async fn spawn_parked<R: Runtime>(tasks: usize, census: &Arc<Census>) {
    let (complete, all_parked) = oneshot::channel();
    *census.complete.lock() = Some(complete);
    census.goal.fetch_add(tasks, Ordering::AcqRel);
    for _ in 0..tasks {
        drop(R::spawn(Idle { census: Arc::clone(census), waker: None, rest: black_box([0; 40]) }));
    }
    assert_eq!(all_parked.await, Some(()), "the last one says so");
}

/// A future of 64 bytes that is never ready. It keeps its waker, as whatever a task waits for does: some runtimes
/// drop a task that nobody can wake.
struct Idle {
    census: Arc<Census>,
    /// There once it has been polled, and thereby counted.
    waker: Option<Waker>,
    /// Fills it up.
    rest: [u8; 40],
}

const _: () = assert!(size_of::<Idle>() == 64, "the row is about a future of 64 bytes");

impl Future for Idle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waker.is_none() {
            self.waker = Some(cx.waker().clone());
            let parked = self.census.parked.fetch_add(1, Ordering::AcqRel) + 1;
            if parked == self.census.goal.load(Ordering::Acquire) {
                self.census.complete.lock().take().expect("only the last one takes it").send(());
            }
        }
        black_box(&self.rest);
        Poll::Pending
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if self.waker.is_some() {
            self.census.parked.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
