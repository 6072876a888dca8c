//! Tasks that stay on their thread.
//!
//! Cases of the catalogue: SCH-15.

use crate::kit::{Gate, everywhere, join_all};
use crate::probe::eventually;
use mainspring::runtime::Runtime;
use mainspring::task::{AbortHandle, JoinHandle, yield_now};
use mainspring::time::sleep;
use std::future::{Future, pending, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::Duration;

cases! { CASES:
    60 => [
        sch_15_local_tasks_are_polled_and_dropped_on_their_thread_under_wakes_and_aborts_from_elsewhere,
        sch_15_local_tasks_of_a_worker_stay_with_it_and_end_with_the_runtime,
        sch_15_local_tasks_end_with_their_block_on,
    ],
}

/// Counts what was done on the wrong thread, and what was done at all.
#[derive(Default)]
struct Tally {
    polls: AtomicUsize,
    drops: AtomicUsize,
    astray: AtomicUsize,
}

/// A future that must not leave its thread, and says so by its type and by its count.
struct Homebody<F> {
    inner: Pin<Box<F>>,
    home: ThreadId,
    tally: Arc<Tally>,
    /// Makes it neither Send nor Sync.
    stays: PhantomData<*const ()>,
}

impl<F> Homebody<F> {
    fn new(inner: F, tally: &Arc<Tally>) -> Self {
        Self { inner: Box::pin(inner), home: thread::current().id(), tally: tally.clone(), stays: PhantomData }
    }

    fn note(&self, what: &AtomicUsize) {
        what.fetch_add(1, Ordering::SeqCst);
        if thread::current().id() != self.home {
            self.tally.astray.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl<F: Future> Future for Homebody<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.note(&self.tally.polls);
        self.inner.as_mut().poll(cx)
    }
}

impl<F> Drop for Homebody<F> {
    fn drop(&mut self) {
        self.note(&self.tally.drops);
    }
}

/// Is polled whenever anybody opens one of the gates, and never ends.
async fn listen_to(gates: Arc<Vec<Arc<Gate>>>) {
    for gate in gates.iter() {
        gate.wait().await;
    }
    pending::<()>().await;
}

/// Spawns local tasks of three sorts: some that end by themselves, some that are woken and aborted from elsewhere.
fn spawn_homebodies(tally: &Arc<Tally>, gates: &Arc<Vec<Arc<Gate>>>) -> (Vec<JoinHandle<()>>, Vec<AbortHandle>) {
    let ending = (0..20).map(|n| {
        mainspring::spawn_local(Homebody::new(
            async move {
                for _ in 0..10 {
                    yield_now().await;
                    sleep(Duration::from_micros(n)).await;
                }
            },
            tally,
        ))
    });
    let ending = ending.collect();
    let woken = (0..20).map(|_| {
        let handle = mainspring::spawn_local(Homebody::new(listen_to(gates.clone()), tally));
        let abort = handle.abort_handle();
        drop(handle);
        abort
    });
    (ending, woken.collect())
}

/// Opens the gates and aborts the tasks from threads of its own, all at once.
fn disturb(gates: &Arc<Vec<Arc<Gate>>>, aborts: &[AbortHandle]) {
    thread::scope(|scope| {
        scope.spawn(|| {
            for gate in gates.iter() {
                gate.open();
                thread::yield_now();
            }
        });
        for abort in aborts {
            scope.spawn(|| abort.abort());
        }
    });
}

fn gates() -> Arc<Vec<Arc<Gate>>> {
    Arc::new((0..50).map(|_| Gate::new()).collect())
}

fn sch_15_local_tasks_are_polled_and_dropped_on_their_thread_under_wakes_and_aborts_from_elsewhere() {
    everywhere(&[1, 2, 4], |runtime| {
        for _ in 0..20 {
            let (tally, gates) = (Arc::new(Tally::default()), gates());
            runtime.block_on(async {
                let (ending, aborts) = spawn_homebodies(&tally, &gates);
                yield_now().await;
                let from_elsewhere = {
                    let gates = gates.clone();
                    thread::spawn(move || disturb(&gates, &aborts))
                };
                join_all(ending).await;
                while tally.drops.load(Ordering::SeqCst) < 40 {
                    yield_now().await;
                }
                from_elsewhere.join().expect("no panic");
            });
            assert_eq!(tally.astray.load(Ordering::SeqCst), 0, "polled or dropped on another thread");
            assert_eq!(tally.drops.load(Ordering::SeqCst), 40, "each is dropped once");
            assert!(tally.polls.load(Ordering::SeqCst) >= 20 * 11 + 20);
        }
    });
}

fn sch_15_local_tasks_of_a_worker_stay_with_it_and_end_with_the_runtime() {
    for workers in [1, 2, 4] {
        let runtime = crate::kit::multi_thread(workers);
        let (tally, gates) = (Arc::new(Tally::default()), gates());
        let mut aborts = Vec::new();
        for _ in 0..8 {
            let (tell, told) = std::sync::mpsc::channel();
            let (on_worker, doors) = (tally.clone(), gates.clone());
            drop(runtime.spawn(async move {
                let (ending, aborts) = spawn_homebodies(&on_worker, &doors);
                drop(ending);
                tell.send(aborts).expect("the case waits");
            }));
            aborts.extend(told.recv_timeout(Duration::from_secs(5)).expect("a worker is free"));
        }
        // Guests come and go, and take cores away; tasks must not go with them.
        (0..20).for_each(|_| runtime.block_on(yield_now()));
        disturb(&gates, &aborts[..80]);
        eventually("those that end, and those that were aborted", || tally.drops.load(Ordering::SeqCst) == 160 + 80);
        assert_eq!(tally.drops.load(Ordering::SeqCst), 240, "nobody else is gone");
        drop(runtime);
        assert_eq!(tally.drops.load(Ordering::SeqCst), 320, "the others went with the runtime");
        assert_eq!(tally.astray.load(Ordering::SeqCst), 0, "polled or dropped on another thread");
    }
}

fn sch_15_local_tasks_end_with_their_block_on() {
    everywhere(&[1, 2], |runtime: &Runtime| {
        let tally = Arc::new(Tally::default());
        for round in 1..=20 {
            let handles: Vec<_> = runtime.block_on(async {
                let spawn = |n: u64| mainspring::spawn_local(Homebody::new(poll_fn(move |_| one_panics(n)), &tally));
                let handles = (0..5).map(spawn).collect();
                yield_now().await;
                handles
            });
            assert_eq!(tally.drops.load(Ordering::SeqCst), 5 * round, "dropped before `block_on` returned");
            assert!(handles.iter().all(JoinHandle::is_finished));
            let errors = runtime.block_on(async {
                let mut errors = Vec::new();
                for handle in handles {
                    errors.push(handle.await.expect_err("none of them had an output"));
                }
                errors
            });
            assert_eq!(errors.iter().filter(|error| error.is_panic()).count(), 1);
            assert_eq!(errors.iter().filter(|error| error.is_cancelled()).count(), 4);
        }
        assert_eq!(tally.astray.load(Ordering::SeqCst), 0, "dropped on another thread");
    });
}

/// The poll of five futures, one of which panics, without a message on stderr.
fn one_panics(n: u64) -> Poll<()> {
    if n == 0 {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
    Poll::Pending
}
