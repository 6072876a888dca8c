//! SIM: the same seed lives the same life, another seed another one, years are short, and a standstill is named.
//!
//! Cases of the catalogue: SIM-01, SIM-02, SIM-03, SIM-04, SIM-06, SIM-07, TIM-11.

use crate::{child_of, message_of, words_of};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{self, JoinHandle, yield_now};
use mainspring::time::{Duration, Instant, interval, sleep, timeout};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Instant as RealInstant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn simulated(seed: u64) -> Runtime {
    Builder::new_simulated(seed).build().unwrap()
}

/// What can be seen of one run: who did what in which order and at what time, and the hash of all events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    steps: Vec<(usize, usize)>,
    lasted: Duration,
    hash: u64,
}

/// Eight tasks, two of them local, that yield, sleep, wait for one another, abort and give up.
fn run(seed: u64) -> Run {
    let runtime = simulated(seed);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let lasted = runtime.block_on(async {
        let start = Instant::now();
        let mut tasks: Vec<JoinHandle<()>> = Vec::new();
        for name in 0..8 {
            let before = if name >= 4 { Some(tasks.remove(0)) } else { None };
            let life = live(name, before, steps.clone());
            tasks.push(if name % 4 == 1 { task::spawn_local(life) } else { task::spawn(life) });
        }
        tasks[3].abort();
        for task in tasks {
            let _ = timeout(Duration::from_secs(1), task).await;
        }
        start.elapsed()
    });
    let hash = runtime.event_hash().expect("a simulation has one");
    Run { steps: Arc::into_inner(steps).unwrap().into_inner().unwrap(), lasted, hash }
}

async fn live(name: usize, before: Option<JoinHandle<()>>, steps: Arc<Mutex<Vec<(usize, usize)>>>) {
    for step in 0..4 {
        steps.lock().unwrap().push((name, step));
        match (name + step) % 3 {
            0 => yield_now().await,
            1 => sleep(Duration::from_millis(5)).await,
            _ => sleep(Duration::from_micros(name as u64)).await,
        }
    }
    if let Some(before) = before {
        let _ = before.await;
    }
    steps.lock().unwrap().push((name, 4));
}

/// So many seeds live in each comparison.
const SEEDS: u64 = 1_000;

#[test]
fn sim_01_the_same_seed_lives_the_same_life_1_000_times_out_of_1_000() {
    let different: Vec<_> = (0..SEEDS).filter(|&seed| run(seed) != run(seed)).collect();
    assert!(different.is_empty(), "seeds {different:?} lived two lives; see `run` for the program");
}

/// Of a debug build and a release build the same is shown by `tests/replay.sh`.
#[test]
fn sim_01_the_same_seed_lives_the_same_life_in_another_process() {
    let lives = || -> Vec<_> { (0..SEEDS).map(|seed| format!("life {seed} {:?}", run(seed))).collect() };
    // In the child other addresses, other threads, another hash of everything that is seeded by the system.
    let output = child_of(|| lives().iter().for_each(|life| println!("{life}")));
    if let Some(output) = output {
        let words = words_of(&output);
        let theirs: Vec<_> = words.lines().filter_map(|line| Some(&line[line.find("life ")?..])).collect();
        let ours = lives();
        let different = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        assert_eq!(different, None, "here, and in the other process");
        assert_eq!(theirs.len(), ours.len());
    }
}

#[test]
fn sim_01_threads_elsewhere_change_nothing() {
    let lives = |seeds| (0..seeds).map(run).collect::<Vec<_>>();
    let alone = lives(SEEDS);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Four that only take the processors away, and four that live themselves.
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| lives(100))).collect();
        let beside = lives(SEEDS);
        let others: Vec<_> = others.into_iter().map(|other| other.join()).collect();
        over.store(true, Ordering::Relaxed);
        assert!(beside == alone, "what happens elsewhere changed a life here");
        others.into_iter().for_each(|other| assert!(other.unwrap() == alone[..100]));
    });
}

#[test]
fn sim_02_of_500_seeds_at_least_475_make_schedules_of_their_own() {
    // Not the hashes: those would differ by their seeds alone.
    let schedules: BTreeSet<_> = (0..500).map(|seed| run(seed).steps).collect();
    assert!(schedules.len() >= 475, "{} schedules", schedules.len());
    let hashes: BTreeSet<_> = (0..500).map(|seed| run(seed).hash).collect();
    assert_eq!(hashes.len(), 500);
}

#[test]
fn sim_02_any_of_the_ready_tasks_may_be_first() {
    let first = |seed| {
        let order = Arc::new(Mutex::new(Vec::new()));
        simulated(seed).block_on(async {
            let tasks: Vec<_> = (0..5)
                .map(|name| {
                    let order = order.clone();
                    task::spawn(async move { order.lock().unwrap().push(name) })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    };
    let orders: BTreeSet<Vec<i32>> = (0..2_000).map(first).collect();
    assert_eq!(orders.len(), 120, "every order of five tasks comes up in 2,000 seeds");
}

#[test]
fn the_hash_folds_what_happens_and_only_a_simulation_has_one() {
    let runtime = simulated(5);
    let before = runtime.event_hash();
    runtime.block_on(async {});
    let after = runtime.event_hash();
    assert!(before.is_some() && before != after);
    assert_eq!(Builder::new_current_thread().build().unwrap().event_hash(), None);
    assert_eq!(Builder::new_multi_thread().workers(1).build().unwrap().event_hash(), None);
}

/// What a seed makes of a program with a bug: `Ok` if all went well under it.
fn verdict<F: Future<Output = ()>>(seed: u64, program: impl Fn() -> F) -> Result<(), String> {
    let runtime = simulated(seed);
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(program()))).map_err(message_of)
}

/// Tries seeds until one finds the bug; what it said is given back, and it says the same each time.
fn bug_found<F: Future<Output = ()>>(program: impl Fn() -> F) -> String {
    let mut verdicts = (0..SEEDS).map(|seed| (seed, verdict(seed, &program)));
    let (seed, found) = verdicts.find(|(_, verdict)| verdict.is_err()).expect("a seed of 1,000 finds it");
    let mut others = (0..SEEDS).map(|seed| verdict(seed, &program));
    assert!(others.any(|verdict| verdict.is_ok()), "a program that always fails needs no simulation");
    assert!((0..10).all(|_| verdict(seed, &program) == found), "seed {seed} replays it");
    found.unwrap_err()
}

#[test]
fn sim_03_an_update_that_is_lost_now_and_then_is_found_and_replayed() {
    let said = bug_found(|| async {
        let account = Arc::new(Mutex::new(0));
        let deposits: Vec<_> = (0..2)
            .map(|_| {
                let account = account.clone();
                task::spawn(async move {
                    let before = *account.lock().unwrap();
                    yield_now().await; // the bug: somebody else may come between
                    *account.lock().unwrap() = before + 1;
                })
            })
            .collect();
        for deposit in deposits {
            deposit.await.unwrap();
        }
        let sum = *account.lock().unwrap();
        assert_eq!(sum, 2, "a deposit is lost");
    });
    assert!(said.contains("a deposit is lost"), "{said}");
}

#[test]
fn sim_03_locks_taken_in_two_orders_are_found_and_the_standstill_is_named() {
    let said = bug_found(|| async {
        let locks = [0, 1].map(|_| Arc::new(tokio::sync::Mutex::new(())));
        let tasks = [[0, 1], [1, 0]].map(|order| {
            let [first, second] = order.map(|which: usize| locks[which].clone());
            task::Builder::new().name("a philosopher").spawn(async move {
                let _first = first.lock().await;
                yield_now().await;
                let _second = second.lock().await;
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(said.starts_with("deadlock: ") && said.matches("a philosopher").count() == 2, "{said}");
}

#[test]
fn sim_03_a_wake_up_that_is_lost_now_and_then_is_found_and_replayed() {
    let said = bug_found(|| async {
        let bell = Arc::new(Mutex::new((false, None::<Waker>)));
        let rung = bell.clone();
        let listener = task::spawn(async move {
            let mut looked = rung.lock().unwrap().0;
            yield_now().await; // the bug: the bell may ring between the look and the wait
            poll_fn(|cx| {
                if std::mem::replace(&mut looked, true) {
                    return Poll::Ready(());
                }
                rung.lock().unwrap().1 = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
        });
        let ringer = task::spawn(async move {
            let mut bell = bell.lock().unwrap();
            bell.0 = true;
            bell.1.take().into_iter().for_each(Waker::wake);
        });
        ringer.await.unwrap();
        listener.await.unwrap();
    });
    assert!(said.starts_with("deadlock: "), "{said}");
}

#[test]
fn sim_06_ten_years_of_timers_pass_in_a_moment() {
    let real = RealInstant::now();
    let runtime = simulated(6);
    let counts = runtime.block_on(async {
        let start = Instant::now();
        let end = start + 3_650 * DAY;
        let ticking = [Duration::from_secs(3_600), DAY, 30 * DAY].map(|period| {
            task::spawn(async move {
                let (mut ticks, mut count) = (interval(period), 0_u32);
                while ticks.tick().await < end {
                    count += 1;
                }
                count
            })
        });
        // Short waits between the long ones, so that the wheel turns at every level.
        let waits = task::spawn(async move {
            let (mut wait, mut count) = (Duration::from_nanos(1), 0_u32);
            while Instant::now() < end {
                sleep(wait).await;
                wait = if wait > DAY { Duration::from_nanos(u64::from(count) + 1) } else { wait * 3 };
                count += 1;
            }
            count
        });
        let mut counts = Vec::new();
        for task in ticking {
            counts.push(task.await.unwrap());
        }
        assert!(waits.await.unwrap() > 3_650);
        assert!(start.elapsed() >= 3_650 * DAY);
        counts
    });
    assert_eq!(counts, [3_650 * 24, 3_650, 122]);
    assert!(real.elapsed() < crate::PATIENCE);
}

#[test]
fn a_simulation_waits_for_nothing_and_its_clock_stands_while_tasks_run() {
    let runtime = simulated(1);
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(DAY).await;
        assert_eq!(start.elapsed(), DAY);
    });
}

/// What a simulation says when everything in it sleeps.
fn report_of(runtime: &Runtime, main: impl Future<Output = ()>) -> String {
    message_of(catch_unwind(AssertUnwindSafe(|| runtime.block_on(main))).expect_err("nothing can ever happen again"))
}

#[test]
fn sim_07_a_standstill_names_every_task_with_its_place_and_what_it_waits_for() {
    let runtime = simulated(7);
    let lines = Mutex::new([0; 3]);
    static AWAITS: Mutex<[u32; 3]> = Mutex::new([0; 3]);
    let report = report_of(&runtime, async {
        let shelf = Rc::new(Mutex::new(None::<JoinHandle<()>>));
        let given = shelf.clone();
        let first = task::Builder::new().name("first philosopher");
        lines.lock().unwrap()[0] = line!() + 1;
        let first = first.spawn_local(async move {
            while given.lock().unwrap().is_none() {
                yield_now().await;
            }
            let second = given.lock().unwrap().take().unwrap();
            AWAITS.lock().unwrap()[0] = line!() + 1;
            second.await.unwrap();
        });
        let second = task::Builder::new().name("second philosopher");
        lines.lock().unwrap()[1] = line!() + 1;
        let second = second.spawn(async move {
            AWAITS.lock().unwrap()[1] = line!() + 1;
            first.unwrap().await.unwrap();
        });
        *shelf.lock().unwrap() = Some(second);
        lines.lock().unwrap()[2] = line!() + 1;
        let bystander = task::spawn(pending::<()>());
        sleep(DAY).await;
        AWAITS.lock().unwrap()[2] = line!() + 1;
        bystander.await.unwrap();
    });
    let awaits = *AWAITS.lock().unwrap();
    let [first, second, bystander] = *lines.lock().unwrap();
    let place = |line: u32| format!("{}:{line}:", file!());
    let is_of = |text: &str, line| text.contains(&format!(", spawned at {}", place(line)));
    let line_of = |line| report.lines().find(|text| is_of(text, line)).expect(&report);
    assert!(report.starts_with("deadlock: every task is asleep and no timer is armed"), "{report}");
    assert!(line_of(first).contains("\"first philosopher\""), "{report}");
    assert!(line_of(first).contains(&format!("waits for task 3, at {}", place(awaits[0]))), "{report}");
    assert!(line_of(second).contains("\"second philosopher\""), "{report}");
    assert!(line_of(second).contains(&format!("waits for task 2, at {}", place(awaits[1]))), "{report}");
    assert!(line_of(bystander).ends_with("waits for something that is none of ours"), "{report}");
    let main = report.lines().find(|text| text.starts_with("  task 1,")).expect(&report);
    assert!(main.contains(&format!("waits for task 4, at {}", place(awaits[2]))), "{report}");
    assert_eq!(report.lines().count(), 5, "{report}");
}

#[test]
fn sim_07_who_waits_for_a_strangers_future_is_not_said_to_wait_for_what_came_before() {
    let report = report_of(&simulated(7), async {
        let task = task::spawn(async {
            yield_now().await;
            sleep(DAY).await;
            pending::<()>().await;
        });
        task.await.unwrap();
    });
    let named = report.lines().find(|text| text.starts_with("  task 2,")).expect(&report);
    assert!(named.ends_with("waits for something that is none of ours"), "{report}");
}

#[test]
fn sim_07_a_standstill_ends_the_program_with_an_error() {
    let output = child_of(|| simulated(1).block_on(pending::<()>()));
    if let Some(output) = output {
        assert_eq!(output.status.code(), Some(101), "as every panic");
        assert!(words_of(&output).contains("deadlock: every task is asleep"), "{}", words_of(&output));
    }
}

#[test]
fn sim_07_after_a_standstill_the_simulation_goes_on_without_its_main_future() {
    let runtime = simulated(8);
    let stuck = Arc::new(Mutex::new(None));
    let kept = stuck.clone();
    report_of(&runtime, async move {
        *kept.lock().unwrap() = Some(task::spawn(pending::<()>()));
        pending::<()>().await;
    });
    let stuck = stuck.lock().unwrap().take().unwrap();
    stuck.abort();
    assert!(runtime.block_on(stuck).unwrap_err().is_cancelled());
    assert_eq!(runtime.block_on(async { task::spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn sim_07_who_waits_for_a_timer_is_not_at_a_standstill() {
    let runtime = simulated(9);
    let late = runtime.block_on(async {
        let stuck = task::spawn(pending::<()>());
        timeout(10_000 * DAY, stuck).await
    });
    assert!(late.is_err());
}

#[test]
fn sim_04_a_simulation_has_no_real_sockets() {
    let runtime = simulated(10);
    let error = runtime.block_on(async { mainspring::net::TcpListener::bind("127.0.0.1:0").await }).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let error = runtime.block_on(async { mainspring::net::TcpStream::connect("127.0.0.1:1").await }).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn tim_11_the_clock_leaps_only_when_everybody_is_idle_and_in_the_same_order_each_time() {
    let run = |seed| {
        let runtime = simulated(seed);
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        runtime.block_on(async move {
            let start = Instant::now();
            let tasks: Vec<_> = (0..8_u64)
                .map(|n| {
                    let seen = seen.clone();
                    task::spawn(async move {
                        // As long as somebody has work, no time passes, however much work it is.
                        for _ in 0..100 {
                            yield_now().await;
                        }
                        assert_eq!(start.elapsed(), Duration::ZERO, "time passed while a task was ready");
                        sleep(Duration::from_secs(n / 2)).await;
                        assert_eq!(start.elapsed(), Duration::from_secs(n / 2), "and exactly as much as was asked for");
                        seen.lock().unwrap().push(n);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let order = log.lock().unwrap().clone();
        (order, runtime.event_hash())
    };
    for seed in 0..20 {
        let (order, hash) = run(seed);
        assert_eq!(run(seed), (order.clone(), hash), "seed {seed}");
        assert!(order.is_sorted_by_key(|n| n / 2), "earlier deadlines end first: {order:?}");
    }
}
