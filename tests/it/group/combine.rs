//! What the combinators give, and that whoever has lost is gone before they do.

use super::Alive;
use crate::runtimes;
use mainspring::group::{
    Backoff, Builder, TaskGroup, cancelled, deadline, gather, gather_all, hedge, race, race_ok, retry, retry_if, scope,
    spawned, timeout,
};
use mainspring::runtime;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, Instant, sleep};
use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// A simulation, with an async block that runs in it.
fn simulate<F: Future>(main: F) -> F::Output {
    runtime::Builder::new_simulated(1).build().unwrap().block_on(main)
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn the_losers_of_a_race_are_gone_when_it_resolves_with_the_tasks_they_have_spawned() {
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let winner = runtime.block_on(race((0..40).map(|n| {
            let alive = &alive;
            async move {
                let _one = alive.one();
                match n % 4 {
                    0 => pending().await,
                    1 => {
                        let one = alive.one();
                        spawned(async move {
                            let _one = one;
                            pending::<()>().await;
                        })
                        .await;
                    }
                    2 => {
                        let nest = scope(async |group: TaskGroup| {
                            for _ in 0..5 {
                                let one = alive.one();
                                drop(group.spawn(async move {
                                    let _one = one;
                                    pending::<Result<(), _>>().await
                                }));
                            }
                            Ok(())
                        });
                        assert!(nest.await.unwrap_err().is_cancelled());
                    }
                    _ if n == 3 => sleep(ms(5)).await,
                    _ => sleep(Duration::from_secs(3_600)).await,
                }
                n
            }
        })));
        assert_eq!((winner, alive.count()), (3, 0), "{flavour}");
    }
}

#[test]
fn who_loses_is_told_to_whom_and_may_clean_up_while_the_grace_lasts() {
    simulate(async {
        let causes = RefCell::new(Vec::new());
        let start = Instant::now();
        let runner = |n: u64| {
            let causes = &causes;
            async move {
                mainspring::select! {
                    () = sleep(ms(10 * (3 - n))) => {}
                    cause = cancelled() => {
                        sleep(ms(n)).await;
                        causes.borrow_mut().push((n, cause));
                    }
                }
                n
            }
        };
        assert_eq!(race((0..3).map(runner)).grace(ms(7)).await, 2);
        assert_eq!(start.elapsed(), ms(10 + 1), "as long as the slowest needs");
        let causes = causes.into_inner();
        assert_eq!(causes.len(), 2);
        for (n, cause) in causes {
            let CancelCause::LostRace { to: 2, at } = cause else { panic!("{n}: {cause}") };
            assert!(at.file().ends_with("combine.rs"), "the caller's line: {at}");
            assert!(cause.to_string().starts_with("cancelled, having lost the race at "), "{cause}");
        }
        // One that ignores it has the grace and no more.
        let start = Instant::now();
        let ignorant = async |n: u64| if n == 0 { ready(0).await } else { pending().await };
        assert_eq!(race((0..3).map(ignorant)).grace(ms(7)).await, 0);
        assert_eq!(start.elapsed(), ms(7));
    });
}

#[test]
fn each_of_those_who_are_ready_at_once_may_win() {
    let won = |seed| {
        let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
        runtime.block_on(race((0..3).map(ready)))
    };
    let wins: Vec<_> = (0..300).map(won).collect();
    for n in 0..3 {
        let count = wins.iter().filter(|winner| **winner == n).count();
        assert!((50..200).contains(&count), "{n} has won {count} of 300");
    }
    assert_eq!(wins, (0..300).map(won).collect::<Vec<_>>(), "and a seed has one winner");
}

#[test]
#[should_panic(expected = "a race of nobody would never end")]
fn a_race_of_nobody_panics_where_it_is_called() {
    drop(race((0..0).map(ready)));
}

#[test]
fn race_ok_gives_the_first_success_or_all_errors_in_the_order_of_the_futures() {
    simulate(async {
        let start = Instant::now();
        let try_one = async |(delay, result): (u64, Result<u8, u8>)| {
            sleep(ms(delay)).await;
            result
        };
        assert_eq!(race_ok([(5, Err(1)), (30, Ok(2)), (20, Ok(3)), (10, Err(4))].map(try_one)).await, Ok(3));
        assert_eq!(start.elapsed(), ms(20));
        assert_eq!(race_ok([(30, Err(1)), (10, Err(2)), (20, Err(3))].map(try_one)).await, Err(vec![1, 2, 3]));
        assert_eq!(race_ok([(0, Ok(0)); 0].map(try_one)).await, Err(vec![]));
    });
}

#[test]
fn gather_keeps_the_order_and_its_limit() {
    for (flavour, runtime) in runtimes() {
        for limit in [1, 3, 1_000] {
            let (running, most) = (Cell::new(0), Cell::new(0));
            let items = (0..100).map(|n| {
                let (running, most) = (&running, &most);
                async move {
                    running.set(running.get() + 1);
                    most.set(most.get().max(running.get()));
                    for _ in 0..n % 7 {
                        yield_now().await;
                    }
                    running.set(running.get() - 1);
                    if n == 1_000_000 { Err(()) } else { Ok(n) }
                }
            });
            let values = runtime.block_on(gather(items).limit(limit)).unwrap();
            assert_eq!(values, (0..100).collect::<Vec<_>>(), "{flavour}");
            assert!(most.get() <= limit && (limit > 3 || most.get() == limit), "{flavour}: {}", most.get());
        }
    }
}

#[test]
fn the_first_error_of_a_gather_stops_the_rest_and_nothing_more_is_begun() {
    for (flavour, runtime) in runtimes() {
        let (alive, begun) = (Alive::default(), Cell::new(0));
        let items = (0..1_000).map(|n| {
            let (alive, begun) = (&alive, &begun);
            async move {
                begun.set(begun.get() + 1);
                let _one = alive.one();
                yield_now().await;
                if n == 20 {
                    Err("twenty")
                } else if n % 2 == 0 {
                    Ok(n)
                } else {
                    pending().await
                }
            }
        });
        assert_eq!(runtime.block_on(gather(items).limit(15)), Err("twenty"), "{flavour}");
        assert_eq!(alive.count(), 0, "{flavour}");
        assert!(begun.get() <= 36, "{flavour}: {} begun", begun.get());
    }
}

#[test]
fn gather_all_stops_for_no_error_and_ten_thousand_are_gathered() {
    for (flavour, runtime) in runtimes() {
        let all = runtime.block_on(gather_all((0..10_000_u32).map(async |n| {
            if n % 3 == 0 {
                yield_now().await;
            }
            if n % 2 == 0 { Ok(n) } else { Err(n) }
        })));
        assert_eq!(all.len(), 10_000, "{flavour}");
        let is_right = |(n, result): (u32, Result<u32, u32>)| result == if n % 2 == 0 { Ok(n) } else { Err(n) };
        assert!((0..).zip(all).all(is_right), "{flavour}");
        let none = runtime.block_on(gather_all((0..0).map(ready)));
        assert!(none.is_empty(), "{flavour}");
    }
}

#[test]
fn what_is_not_send_is_combined_on_a_thread_of_its_own_and_what_is_goes_into_tasks() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let local = Rc::new(Cell::new(0));
            let adder = |n| {
                let local = local.clone();
                async move {
                    yield_now().await;
                    local.set(local.get() + n);
                    Ok::<_, ()>(())
                }
            };
            gather((1..=10).map(adder)).await.unwrap();
            assert_eq!(local.get(), 55, "{flavour}");

            let task = mainspring::spawn(async {
                let words = ["three", "four", "five"].map(str::to_owned);
                // Borrows from the task, on whatever worker it is.
                let lengths = gather(words.iter().map(|word| async move {
                    sleep(ms(1)).await;
                    Ok::<_, ()>(word.len())
                }));
                let lengths = lengths.await.unwrap();
                let longest =
                    retry(Backoff::new(), async || if words.len() < 3 { Err(()) } else { Ok(words[0].len()) });
                let first = race(words.iter().map(async |word| word.len()));
                let late = hedge(ms(1), |_| async { Ok::<_, ()>(words.len()) });
                (lengths, longest.await, first.await < 6, late.await)
            });
            assert_eq!(task.await.unwrap(), (vec![5, 4, 4], Ok(5), true, Ok(3)), "{flavour}");
        });
    }
}

#[test]
fn a_hedge_begins_a_second_copy_only_when_the_first_is_late() {
    simulate(async {
        // (delay of each copy, its result), the answer, the copies begun, and when it comes.
        type Answer = Result<u8, u8>;
        type Case = ([(u64, Answer); 2], Answer, usize, u64);
        let cases: [Case; 8] = [
            ([(40, Ok(1)), (0, Ok(2))], Ok(1), 1, 40),
            ([(50, Ok(1)), (0, Ok(2))], Ok(1), 1, 50),
            ([(90, Ok(1)), (10, Ok(2))], Ok(2), 2, 60),
            ([(90, Ok(1)), (70, Ok(2))], Ok(1), 2, 90),
            ([(40, Err(1)), (0, Ok(2))], Err(1), 1, 40),
            ([(60, Err(1)), (30, Ok(2))], Ok(2), 2, 80),
            ([(90, Err(1)), (10, Err(2))], Err(2), 2, 90),
            ([(60, Err(1)), (90, Err(2))], Err(1), 2, 140),
        ];
        for (copies, expected, begun_expected, lasts) in cases {
            let (start, begun) = (Instant::now(), Cell::new(0));
            let alive = Alive::default();
            let answer = hedge(ms(50), |copy| {
                begun.set(begun.get() + 1);
                let (delay, result) = copies[copy];
                let one = alive.one();
                async move {
                    let _one = one;
                    sleep(ms(delay)).await;
                    result
                }
            });
            assert_eq!(answer.await, expected, "{copies:?}");
            assert_eq!((begun.get(), start.elapsed(), alive.count()), (begun_expected, ms(lasts), 0), "{copies:?}");
        }
        let forever = hedge(Duration::MAX, async |copy| {
            sleep(Duration::from_secs(1_000_000)).await;
            Ok::<_, ()>(copy)
        });
        assert_eq!(forever.await, Ok(0), "a delay without end is none");
        let at_once = hedge(Duration::ZERO, async |copy| if copy == 0 { pending().await } else { Ok::<_, ()>(copy) });
        assert_eq!(at_once.await, Ok(1));
    });
}

/// The moments of the attempts, in ms.
fn attempts_of(seed: u64) -> Vec<u128> {
    let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
    runtime.block_on(async {
        let (start, mut attempts) = (Instant::now(), Vec::new());
        let backoff = Backoff::new().attempts(8).base(ms(100)).delay_max(ms(1_000));
        let result: Result<(), _> = retry(backoff, || {
            attempts.push(start.elapsed().as_millis());
            ready(Err(attempts.len()))
        })
        .await;
        assert_eq!(result, Err(8), "the last error");
        attempts
    })
}

#[test]
fn a_retry_waits_longer_and_longer_with_jitter_and_the_same_in_a_replay() {
    let mut sums = [0; 7];
    for seed in 0..200 {
        let attempts = attempts_of(seed);
        assert_eq!(attempts, attempts_of(seed), "seed {seed} replays");
        for (n, pair) in attempts.windows(2).enumerate() {
            let longest = (100 << n).min(1_000);
            assert!(pair[1] - pair[0] <= longest, "seed {seed}: {attempts:?}");
            sums[n] += pair[1] - pair[0];
        }
    }
    for (n, sum) in sums.into_iter().enumerate() {
        let half = (100_u128 << n).min(1_000) / 2;
        assert!((half * 70..half * 130).contains(&(sum / 2)), "wait {n} is half of the longest on average: {sums:?}");
    }
}

#[test]
fn a_retry_gives_up_for_an_error_that_is_not_worth_it_for_a_deadline_and_for_a_cancel() {
    simulate(async {
        let tried = Cell::new(0);
        let fails = async || {
            tried.set(tried.get() + 1);
            Err::<(), _>(tried.get())
        };
        let backoff = Backoff::new().attempts(1_000).base(ms(64)).delay_max(ms(64));
        assert_eq!(retry_if(backoff, |error| *error < 5, fails).await, Err(5));
        assert_eq!(retry(Backoff::new().attempts(1), fails).await, Err(6), "one attempt and no more");

        // The total deadline is that of what is around: the last error is given before it, not lost to it.
        let start = Instant::now();
        let error = timeout(ms(1_000), retry(backoff, fails)).await.expect("it gives up by itself");
        assert!(error.is_err_and(|tries| tries > 10) && start.elapsed() < ms(1_000), "{:?}", start.elapsed());
        // An attempt under way is cut off by it.
        let slow = retry(backoff, async || {
            assert_eq!(deadline(), Some(Instant::now() + ms(10)));
            sleep(ms(50)).await;
            Err::<(), _>(())
        });
        assert!(timeout(ms(10), slow).await.is_err());

        let backoff = backoff.base(Duration::from_secs(3_600)).delay_max(Duration::from_secs(3_600));
        let start = Instant::now();
        let seen = Arc::new(Mutex::new(None));
        let asked = Builder::new().grace(Duration::from_secs(1)).scope(async |group: TaskGroup| {
            let seen = seen.clone();
            drop(group.spawn(async move {
                let error: Result<(), _> = retry(backoff, async || Err("refused")).await;
                *seen.lock().unwrap() = Some(error);
                Ok(())
            }));
            sleep(ms(1)).await;
            group.cancel();
            Ok(())
        });
        asked.await.unwrap();
        assert_eq!(*seen.lock().unwrap(), Some(Err("refused")));
        assert_eq!(start.elapsed(), ms(1), "nobody waits for an hour who was asked to end");
    });
}

#[test]
fn what_is_spawned_runs_in_parallel_and_ends_with_what_awaits_it() {
    let runtime = runtime::Builder::new_multi_thread().workers(2).build().unwrap();
    // Each waits for the other by blocking its thread: in turn they would never end.
    let meet = Arc::new(std::sync::Barrier::new(2));
    let both = runtime.block_on(gather((0..2).map(|n| {
        let meet = meet.clone();
        spawned(async move {
            meet.wait();
            Ok::<_, ()>(n)
        })
    })));
    assert_eq!(both, Ok(vec![0, 1]));
    for (flavour, runtime) in runtimes() {
        let alive = Alive::default();
        let one = alive.one();
        let late = runtime.block_on(timeout(
            ms(5),
            spawned(async move {
                let _one = one;
                pending::<()>().await;
            }),
        ));
        assert!(late.is_err() && alive.count() == 0, "{flavour}: awaited");
        // It has the grace of what is around, and its value counts.
        let value = runtime.block_on(
            race([0, 1].map(|n| {
                spawned(async move {
                    if n == 1 {
                        cancelled().await;
                        yield_now().await;
                    }
                    n
                })
            }))
            .grace(Duration::from_secs(60)),
        );
        assert_eq!(value, 0, "{flavour}");
    }
}

#[test]
fn a_dump_says_which_combinator_a_task_waits_in_and_where() {
    let dump_of = |kind: &'static str| {
        let runtime = runtime::Builder::new_simulated(1).build().unwrap();
        let stalled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let stuck = mainspring::spawn(async move {
                    let never = || pending::<Result<(), ()>>();
                    match kind {
                        "race" => drop(race([never(), never()]).await),
                        "gather" => drop(gather([never(), never(), never()]).await),
                        _ => drop(hedge(ms(1), |_| never()).await),
                    }
                });
                let _ = stuck.await;
            });
        }));
        crate::message_of(stalled.unwrap_err())
    };
    for (kind, words) in [
        ("race", "the first of 2 in the race at "),
        ("gather", "3 of those that are gathered at "),
        ("hedge", "the first answer of 2 copies, hedged at "),
    ] {
        let dump = dump_of(kind);
        let (_, place) = dump.split_once(words).unwrap_or_else(|| panic!("{kind}: {dump}"));
        assert!(place.split(':').next().unwrap().ends_with("combine.rs"), "{kind}: {dump}");
    }
}
