//! Nobody starves: tasks that are always ready, workers that are never idle.
//!
//! Cases of the catalogue: SCH-01, SCH-02, SCH-04, SCH-05, SCH-06.

use crate::kit::{Load, current_thread, echo, everywhere, in_block_on, join_all, multi_thread, tcp_pair};
use mainspring::net::TcpListener;
use mainspring::runtime::Runtime;
use mainspring::task::yield_now;
use mainspring::time::{Instant, sleep, sleep_until, timeout};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

cases! { CASES:
    30 => [
        sch_01_two_tasks_that_wake_each_other_for_ever_leave_a_third_its_turn,
        sch_02_a_loop_over_operations_that_are_always_ready_lets_timers_fire,
        sch_04_a_task_from_outside_is_run_although_every_worker_is_saturated,
        sch_05_a_socket_is_served_although_every_worker_is_saturated,
        sch_05_timers_fire_although_every_worker_is_saturated,
        sch_05_sleeps_end_in_time_beside_a_task_that_spawns_for_ever,
        sch_06_no_task_falls_behind_among_a_thousand_that_yield,
    ],
}

/// Ten times the 50 ms that the catalogue allows; what is expected is far below a millisecond.
const SOON: Duration = Duration::from_millis(500);

/// Two tasks that are idle by turns: each wakes the other and goes idle.
#[derive(Default)]
struct PingPong {
    wakers: Mutex<[Option<Waker>; 2]>,
    polls: AtomicU64,
    over: AtomicBool,
}

impl PingPong {
    async fn play(self: Arc<Self>, me: usize) {
        poll_fn(|cx| {
            self.polls.fetch_add(1, Ordering::Relaxed);
            let other = {
                let mut wakers = self.wakers.lock().expect("nobody panics in here");
                wakers[me] = Some(cx.waker().clone());
                wakers[1 - me].take()
            };
            other.into_iter().for_each(Waker::wake);
            if self.over.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// A third task: gives the largest number of polls that the two had between two of its own.
    async fn watch(self: Arc<Self>) -> u64 {
        let mut largest = 0;
        for _ in 0..1_000 {
            let before = self.polls.load(Ordering::Relaxed);
            yield_now().await;
            largest = largest.max(self.polls.load(Ordering::Relaxed) - before);
        }
        self.over.store(true, Ordering::Relaxed);
        largest
    }
}

fn sch_01_two_tasks_that_wake_each_other_for_ever_leave_a_third_its_turn() {
    // With two workers a woken task jumps the queue; the second worker is kept out of the way, and everything is on one.
    for workers in [1, 2] {
        let runtime = if workers == 1 { current_thread() } else { multi_thread(workers) };
        let (out_of_the_way, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        if workers == 2 {
            drop(runtime.spawn(async move {
                out_of_the_way.send(()).expect("the case waits for it");
                let _ = released.recv();
            }));
            begun.recv_timeout(SOON).expect("a worker is free");
        }
        let game = Arc::new(PingPong::default());
        let (first, second, third) = (game.clone(), game.clone(), game.clone());
        // Spawned by a task, so that all are where that task is.
        let largest = runtime.spawn(async move {
            let players = [mainspring::spawn(first.play(0)), mainspring::spawn(second.play(1))];
            let largest = third.watch().await;
            players.iter().for_each(|player| player.abort());
            largest
        });
        let largest = runtime.block_on(largest).expect("no panic");
        drop(release);
        let polls = game.polls.load(Ordering::Relaxed);
        assert!(polls >= 1_000, "the two were hardly polled: {polls}");
        assert!(largest <= 256, "the third waited for {largest} polls");
    }
}

fn sch_02_a_loop_over_operations_that_are_always_ready_lets_timers_fire() {
    everywhere(&[1, 2], |runtime| {
        let over = Arc::new(AtomicBool::new(false));
        runtime.block_on(async {
            // As many as there can be workers, so that none is left over for the timers.
            let sleepers: Vec<_> = (0..2).map(|_| mainspring::spawn(sleep_for_ever_in_no_time(over.clone()))).collect();
            let writers: Vec<_> = (0..2).map(|_| mainspring::spawn(talk_to_oneself(over.clone()))).collect();
            // The loops end only when the timers have fired, and else the watchdog ends all.
            let timers = (0..2).map(|_| {
                mainspring::spawn(async {
                    for _ in 0..20 {
                        sleep(Duration::from_millis(1)).await;
                    }
                })
            });
            join_all(timers.collect::<Vec<_>>()).await;
            over.store(true, Ordering::Relaxed);
            let rounds: u64 = join_all(sleepers).await.into_iter().chain(join_all(writers).await).sum();
            assert!(rounds > 1_000, "the loops hardly ran: {rounds}");
        });
    });
}

/// Awaits what is over already, again and again.
async fn sleep_for_ever_in_no_time(over: Arc<AtomicBool>) -> u64 {
    let past = Instant::now();
    let mut rounds = 0;
    while !over.load(Ordering::Relaxed) {
        sleep_until(past).await;
        rounds += 1;
    }
    rounds
}

/// Writes a byte that it reads at once.
async fn talk_to_oneself(over: Arc<AtomicBool>) -> u64 {
    let (near, far) = tcp_pair().await;
    let mut rounds = 0;
    while !over.load(Ordering::Relaxed) {
        near.write_all(b"x").await.expect("both ends are open");
        far.read_exact(&mut [0]).await.expect("both ends are open");
        rounds += 1;
    }
    rounds
}

/// Runs `test` on saturated runtimes: one whose only thread stays in `block_on`, and one with two workers.
fn saturated(test: impl Fn(&Runtime)) {
    let runtime = multi_thread(2);
    let load = Load::on(&runtime, 64);
    test(&runtime);
    drop((load, runtime));
    in_block_on(|runtime| {
        let load = Load::on(runtime, 64);
        test(runtime);
        drop(load);
    });
}

fn sch_04_a_task_from_outside_is_run_although_every_worker_is_saturated() {
    saturated(|runtime| {
        let (log, seen) = mpsc::channel();
        for number in 0..1_000 {
            let log = log.clone();
            drop(runtime.spawn(async move { log.send(number) }));
            assert_eq!(seen.recv_timeout(SOON), Ok(number));
        }
    });
}

fn sch_05_a_socket_is_served_although_every_worker_is_saturated() {
    saturated(|runtime| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
        let address = listener.local_addr().expect("it is bound");
        let listener = TcpListener::from_std(listener).expect("it is a TCP socket");
        drop(runtime.spawn(async move {
            let (stream, _) = listener.accept().await.expect("one connects");
            echo(stream).await;
        }));
        let mut client = std::net::TcpStream::connect(address).expect("it listens");
        client.set_read_timeout(Some(SOON)).expect("it can have one");
        for round in 0..=250 {
            client.write_all(&[round]).expect("the other side lives");
            let mut back = [0];
            client.read_exact(&mut back).expect("the echo comes in time");
            assert_eq!(back[0], round);
        }
    });
}

fn sch_05_timers_fire_although_every_worker_is_saturated() {
    saturated(|runtime| {
        let (log, seen) = mpsc::channel();
        drop(runtime.spawn(async move {
            for tick in 0..200 {
                sleep(Duration::from_millis(1)).await;
                log.send(tick).expect("the case listens");
            }
        }));
        (0..200).for_each(|tick| assert_eq!(seen.recv_timeout(SOON), Ok(tick)));
    });
}

fn sch_05_sleeps_end_in_time_beside_a_task_that_spawns_for_ever() {
    const SLEEPS: usize = 200;
    let nap = Duration::from_millis(5);
    everywhere(&[1, 2], |runtime| {
        let (over, spawned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let spawner = runtime.spawn(spawn_for_ever(over.clone(), spawned.clone()));
        let sleeper = runtime.spawn(async move {
            let mut gaps = Vec::with_capacity(SLEEPS);
            for _ in 0..SLEEPS {
                let began = Instant::now();
                sleep(nap).await;
                gaps.push(began.elapsed());
            }
            gaps
        });
        // Ten times what is expected.
        let limit = 10 * nap * u32::try_from(SLEEPS).expect("it is small");
        let ended = runtime.block_on(async { timeout(limit, sleeper).await });
        over.store(true, Ordering::Relaxed);
        let mut gaps = ended.expect("all sleeps end in ten times their time").expect("no panic");
        runtime.block_on(spawner).expect("no panic");
        gaps.sort();
        let percentile_95 = gaps[SLEEPS * 95 / 100];
        assert!(percentile_95 < Duration::from_millis(100), "{percentile_95:?}, the longest {:?}", gaps[SLEEPS - 1]);
        assert!(gaps[0] >= nap, "one ended early: {:?}", gaps[0]);
        let spawned = spawned.load(Ordering::Relaxed);
        assert!(spawned > 10_000, "the load was none: {spawned} tasks");
    });
}

/// Short tasks, as many as there is time for, nobody waits for any of them.
async fn spawn_for_ever(over: Arc<AtomicBool>, spawned: Arc<AtomicUsize>) {
    while !over.load(Ordering::Relaxed) {
        for _ in 0..16 {
            let spawned = spawned.clone();
            drop(mainspring::spawn(async move {
                yield_now().await;
                spawned.fetch_add(1, Ordering::Relaxed);
            }));
        }
        yield_now().await;
    }
}

fn sch_06_no_task_falls_behind_among_a_thousand_that_yield() {
    const TASKS: usize = 1_000;
    const YIELDS: usize = 1_000;
    for workers in [1, 2] {
        let runtime = multi_thread(workers);
        let progress: Arc<Vec<AtomicUsize>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
        let total = Arc::new(AtomicUsize::new(0));
        let (worst, begun) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let tasks: Vec<_> = (0..TASKS)
            .map(|me| {
                let (progress, total, worst, begun) = (progress.clone(), total.clone(), worst.clone(), begun.clone());
                runtime.spawn(async move {
                    // All begin at once, and already spread over the workers.
                    while !begun.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                    for _ in 0..YIELDS {
                        yield_now().await;
                        progress[me].fetch_add(1, Ordering::Relaxed);
                        if (total.fetch_add(1, Ordering::Relaxed) + 1) % (TASKS * YIELDS / 10) == 0 {
                            let done = || progress.iter().map(|done| done.load(Ordering::Relaxed));
                            let pair = (done().min().expect("there are tasks"), done().max().expect("there are tasks"));
                            worst.lock().expect("nobody panics in here").push(pair);
                        }
                    }
                })
            })
            .collect();
        begun.store(true, Ordering::Relaxed);
        runtime.block_on(join_all(tasks));
        let tenths = worst.lock().expect("nobody panics in here");
        assert_eq!(tenths.len(), 10);
        // One worker runs them round and round. Of two, each goes round its own part, and what part of a processor each has
        // in these few milliseconds is for the system to say: there it is enough that all come to their end.
        let is_fair = |(least, most): &(usize, usize)| 2 * least >= *most;
        assert!(workers > 1 || tenths.iter().all(is_fair), "{tenths:?}");
    }
}
