//! What a thread that is no part of the runtime pays to reach it, and how long it waits for an answer.
//!
//! A worker that has nothing to do sleeps in the kernel, so the way in is a push, a system call on the edge from
//! asleep to awake, and the time the kernel takes to bring a thread back. All of it is unpinned: on one cpu the
//! sleeper could not even start before the pusher sleeps.
//!
//! - `wake_parked`: a task that waits for a waker is woken, and says when it is polled.
//! - `spawn_outside_idle`: the same for a new task, spawned onto a runtime whose workers all sleep.
//! - `spawn_outside_busy`: one thread spawns empty tasks as fast as it can, while the workers run them; until the
//!   last has run. It is pushes against pops, and how often somebody is woken in vain.
//!
//! In the first two the asking thread rests for a moment before each try, so that everybody else sleeps, and again
//! until the answer is there. The main part waits meanwhile, for a runtime with one thread has no other to run tasks.

use super::common::case::{Case, Field, Figures, OutsideWorkload, Size, Workload, of_second_pass};
use super::common::oneshot;
use super::common::runtime::{Outside, Runtime};
use super::common::table::quantile;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How long the asking thread rests before it asks: longer than a worker looks around before it sleeps.
const REST: Duration = Duration::from_micros(150);

/// How often it asks.
const SAMPLES: usize = 5_000;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    let wakes = [F::cases::<WakeParked<1>>(), F::cases::<WakeParked<2>>()].concat();
    [wakes, F::outside_cases::<SpawnIdle>(), F::outside_cases::<SpawnBusy>()].concat()
}

/// A parked task is woken, again and again, on so many workers.
struct WakeParked<const WORKERS: usize>;

impl<const WORKERS: usize> Workload for WakeParked<WORKERS> {
    const NAME: &'static str = match WORKERS {
        1 => "wake_parked_1",
        2 => "wake_parked_2",
        _ => panic!("a row needs a name"),
    };
    const PINNED: bool = false;
    const PARALLEL: bool = WORKERS > 1;
    const FLOOR: Option<fn(Size) -> Figures> = if WORKERS == 1 { Some(wake_thread) } else { None };

    fn run<R: Runtime>(size: Size) -> Figures {
        let samples = size.of(SAMPLES);
        let bell = Arc::new(Bell::default());
        let (answer, answers) = mpsc::channel();
        let asker = thread::spawn({
            let bell = Arc::clone(&bell);
            move || ask(samples, &answers, || bell.ring())
        });
        R::start(WORKERS).run(async move {
            for _ in 0..samples {
                let asked = poll_fn(|cx| bell.poll_rung(cx)).await;
                answer.send(asked.elapsed()).expect("the asking thread waits for it");
            }
        });
        latencies(asker.join().expect("every ring is answered"))
    }
}

/// The floor: a thread that does nothing but park.
fn wake_thread(size: Size) -> Figures {
    let samples = size.of(SAMPLES);
    let bell = Arc::new(Bell::default());
    let (answer, answers) = mpsc::channel();
    let sleeper = thread::spawn({
        let bell = Arc::clone(&bell);
        move || {
            for _ in 0..samples {
                let waker = futures_task::waker(Arc::new(Unpark(thread::current())));
                let mut cx = Context::from_waker(&waker);
                let asked = loop {
                    match bell.poll_rung(&mut cx) {
                        Poll::Ready(asked) => break asked,
                        Poll::Pending => thread::park(),
                    }
                };
                answer.send(asked.elapsed()).expect("the asking thread waits for it");
            }
        }
    });
    let times = ask(samples, &answers, || bell.ring());
    sleeper.join().expect("every ring is answered");
    latencies(times)
}

/// Wakes a thread.
struct Unpark(thread::Thread);

impl futures_task::ArcWake for Unpark {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.unpark();
    }
}

/// Asks `samples` times and gives back how long the answers took, in microseconds.
fn ask(samples: usize, answers: &mpsc::Receiver<Duration>, mut question: impl FnMut()) -> Vec<f64> {
    let one = |_| {
        thread::sleep(REST);
        question();
        let took = answers.recv().expect("whoever was asked answers");
        took.as_nanos() as f64 / 1e3
    };
    (0..samples).map(one).collect()
}

/// Median and 99th percentile.
fn latencies(mut times: Vec<f64>) -> Figures {
    vec![("p50 us", quantile(&mut times, 0.5)), ("p99 us", quantile(&mut times, 0.99))]
}

/// What the waking thread and the woken task share.
#[derive(Default)]
struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    /// When it was rung, until the task has heard it.
    at: Option<Instant>,
    /// The task's waker, while it waits.
    waker: Option<Waker>,
}

impl Bell {
    fn ring(&self) {
        let mut rung = self.0.lock();
        let waker = rung.waker.take();
        rung.at = Some(Instant::now());
        drop(rung);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<Instant> {
        let mut rung = self.0.lock();
        match rung.at.take() {
            Some(at) => Poll::Ready(at),
            None => {
                rung.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A task is spawned onto a runtime that sleeps, and says when it runs.
struct SpawnIdle;

impl OutsideWorkload for SpawnIdle {
    const NAME: &'static str = "spawn_outside_idle";

    fn run<R: Outside>(size: Size) -> Figures {
        let samples = size.of(SAMPLES);
        let times = beside::<R, _>(move |spawner| {
            let (answer, answers) = mpsc::channel();
            ask(samples, &answers, || {
                let (answer, asked) = (answer.clone(), Instant::now());
                drop(R::spawn_through(spawner, async move { answer.send(asked.elapsed()).expect("it is waited for") }));
            })
        });
        latencies(times)
    }
}

/// Empty tasks, as fast as one thread can spawn them, and until the last has run.
struct SpawnBusy;

impl OutsideWorkload for SpawnBusy {
    const NAME: &'static str = "spawn_outside_busy";

    fn run<R: Outside>(size: Size) -> Figures {
        // As many in a first look as in full. A tenth of them is over while the workers are still being woken, time and again.
        let tasks = if size == Size::Tiny { size.of(300_000) } else { 300_000 };
        beside::<R, _>(move |spawner| of_second_pass(tasks, || spawn_all::<R>(spawner, tasks)))
    }
}

fn spawn_all<R: Outside>(spawner: &R::Spawner, tasks: usize) {
    /// How many have run: not in an `Arc`, whose count would be one more thing that two threads write.
    static RAN: AtomicUsize = AtomicUsize::new(0);
    RAN.store(0, Ordering::Release);
    for _ in 0..tasks {
        drop(R::spawn_through(spawner, async { RAN.fetch_add(1, Ordering::AcqRel) }));
    }
    while RAN.load(Ordering::Acquire) < tasks {
        thread::sleep(Duration::from_micros(100)); // a thousandth of the whole
    }
}

/// Runs `body` on a thread of its own while the main part waits for its end.
fn beside<R: Outside, T: Send + 'static>(body: impl FnOnce(&R::Spawner) -> T + Send + 'static) -> T {
    let runtime = R::start(2);
    let (done, over) = oneshot::channel();
    let spawner = runtime.spawner();
    let beside = thread::spawn(move || done.send(body(&spawner)));
    let result = runtime.run(over).expect("the thread does not panic");
    beside.join().expect("it has nothing left to do");
    result
}
