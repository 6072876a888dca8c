//! The first of several.

use super::{Noted, SECOND, simulate};
use crate::{message_of, poll_with, runtimes};
use mainspring::runtime::Builder;
use mainspring::select;
use mainspring::task::{self, yield_now};
use mainspring::time::{Instant, sleep};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

#[test]
fn the_first_that_is_ready_wins_and_the_others_are_dropped_before_its_handler_runs() {
    for (_, runtime) in runtimes() {
        let log = RefCell::new(Vec::new());
        let won = runtime.block_on(async {
            let loser = async {
                let _noted = Noted(&log, "the loser is gone");
                pending::<()>().await;
            };
            let winner = async {
                let _noted = Noted(&log, "the winner is gone");
                yield_now().await;
                7
            };
            select! {
                () = loser => unreachable!(),
                n = winner => {
                    log.borrow_mut().push("handled");
                    n
                }
            }
        });
        assert_eq!(won, 7);
        assert_eq!(*log.borrow(), ["the winner is gone", "the loser is gone", "handled"]);
    }
}

#[test]
fn a_handler_may_use_what_the_futures_had_borrowed() {
    simulate(1, async {
        let mut text = String::from("a");
        let mut other = vec![1];
        select! {
            () = async { text.push('b') } => text.push('c'),
            () = async { other.push(2); pending().await } => other.push(3),
        }
        assert_eq!(text, "abc");
        assert!(other.len() <= 2);
    });
}

#[test]
fn handlers_may_await_return_break_and_use_the_question_mark() {
    async fn life(kind: u32) -> Result<u32, String> {
        'rounds: for round in 0.. {
            let got = 'inner: {
                select! {
                    n = ready(kind) => match n {
                        0 => return Ok(100),
                        1 if round < 3 => continue 'rounds,
                        1 => break 'rounds,
                        2 => break 'inner 5,
                        3 => Err("three".to_owned())?,
                        _ => {
                            sleep(SECOND).await;
                            6
                        }
                    }
                }
            };
            return Ok(got);
        }
        Ok(200)
    }
    simulate(1, async {
        assert_eq!(life(0).await, Ok(100));
        assert_eq!(life(1).await, Ok(200));
        assert_eq!(life(2).await, Ok(5));
        assert_eq!(life(3).await, Err("three".to_owned()));
        let start = Instant::now();
        assert_eq!(life(4).await, Ok(6));
        assert_eq!(start.elapsed(), SECOND);
    });
}

#[test]
fn preconditions_come_first_and_a_branch_without_its_own_is_made_but_not_polled() {
    let log = RefCell::new(Vec::new());
    let say = |what: &'static str, value: bool| {
        log.borrow_mut().push(what);
        value
    };
    let make = |what: &'static str| {
        log.borrow_mut().push(what);
        poll_fn(|_| {
            log.borrow_mut().push("polled");
            Poll::Ready(())
        })
    };
    simulate(1, async {
        select! {
            () = make("future a"), if say("if a", false) => unreachable!(),
            () = make("future b"), if say("if b", true) => {}
        }
    });
    assert_eq!(*log.borrow(), ["if a", "if b", "future a", "future b", "polled"]);
}

#[test]
fn an_output_that_does_not_fit_takes_its_branch_out_and_else_is_for_when_all_are_out() {
    simulate(1, async {
        let polled = Cell::new(0);
        let misfit = poll_fn(|_| {
            polled.set(polled.get() + 1);
            Poll::Ready(None::<u32>)
        });
        let later = async {
            sleep(SECOND).await;
            Some("later")
        };
        let got = select! {
            Some(_) = misfit => "never",
            Some(text) = later => text,
            else => "else",
        };
        assert_eq!((got, polled.get()), ("later", 1), "a branch that is out is polled no more");
        let got = select! {
            Some(n) = ready(None::<u32>) => n,
            Ok(n) = ready(Err::<u32, _>("no")) => n,
            _ = ready(1), if false => 1,
            else => 2,
        };
        assert_eq!(got, 2);
        let only_else: u32 = select! { else => 3 };
        assert_eq!(only_else, 3);
    });
}

#[test]
fn an_output_that_does_not_fit_is_dropped_at_once_and_one_that_fits_is_moved() {
    let log = RefCell::new(Vec::new());
    simulate(1, async {
        select! {
            biased;
            (1, _noted) = async { (0, Noted(&log, "a misfit")) } => unreachable!(),
            (2, noted) = async { yield_now().await; (2, Noted(&log, "kept")) } => {
                log.borrow_mut().push("handled");
                drop(noted);
            }
        }
    });
    assert_eq!(*log.borrow(), ["a misfit", "handled", "kept"]);
}

#[test]
fn every_kind_of_pattern_binds() {
    #[derive(Debug)]
    struct Point {
        x: u32,
        name: String,
    }
    let point = || ready(Some(Point { x: 3, name: "p".to_owned() }));
    simulate(1, async {
        let got = select! { Some(Point { x, name }) = point() => (x, name) };
        assert_eq!(got, (3, "p".to_owned()));
        let got = select! { Some(Point { mut x, ref name }) = point() => { x += 1; (x, name.clone()) } };
        assert_eq!(got, (4, "p".to_owned()));
        let got = select! { Some(Point { ref mut name, .. }) = point() => { name.push('q'); name.clone() } };
        assert_eq!(got, "pq");
        let got = select! { all @ Some(Point { x: 1..=3, .. }) = point() => all.unwrap().x, else => 0 };
        assert_eq!(got, 3);
        let got = select! { Ok(n) | Err(n) = ready(Err::<u32, u32>(9)) => n };
        assert_eq!(got, 9);
        let got = select! { [first, .., last] = ready([1, 2, 3]) => (first, last) };
        assert_eq!(got, (1, 3));
        let mut number = 5;
        let got = select! { &mut ref mut n = ready(&mut number) => { *n += 1; *n } };
        assert_eq!((got, number), (6, 6));
        select! { _ = point() => {} }
        select! { None::<u32> | Some(_) = ready(None) => {} }
    });
}

#[test]
fn a_future_given_by_reference_goes_on_over_the_rounds_of_a_loop() {
    for (_, runtime) in runtimes() {
        let rounds = runtime.block_on(async {
            let polls = Cell::new(0);
            let long = async {
                for _ in 0..50 {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
                "done"
            };
            let mut long = pin!(long);
            let mut rounds = 0;
            loop {
                select! {
                    text = &mut long => break assert_eq!(text, "done"),
                    () = async { yield_now().await; yield_now().await } => rounds += 1,
                }
            }
            assert_eq!(polls.get(), 50);
            rounds
        });
        assert!(rounds > 5, "{rounds}");
    }
}

#[test]
fn selects_nest_in_handlers_and_in_futures() {
    let got = simulate(3, async {
        let mut deadline = pin!(sleep(10 * SECOND));
        let mut sum = 0;
        loop {
            select! {
                n = async {
                    select! {
                        () = sleep(SECOND) => 1,
                        () = sleep(2 * SECOND) => 100,
                    }
                } => {
                    sum += n;
                    select! {
                        () = &mut deadline => break sum,
                        () = sleep(SECOND) => {}
                    }
                }
                () = &mut deadline => break sum,
            }
        }
    });
    assert_eq!(got, 5);
}

#[test]
#[allow(clippy::type_complexity, reason = "says what is tested")]
fn sixteen_branches_and_sixty_four() {
    macro_rules! of {
        ($runtime:expr, $winner:expr; $($n:literal)*) => {
            $runtime.block_on(async { select! { $(_ = async { if $n != $winner { pending::<()>().await } } => $n,)* } })
        };
    }
    let runtime = Builder::new_simulated(1).build().unwrap();
    for winner in [0, 7, 15] {
        assert_eq!(of!(runtime, winner; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15), winner);
    }
    for winner in [0, 31, 63] {
        let got = of!(runtime, winner;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41
            42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
        assert_eq!(got, winner);
    }
}

/// Who wins of four that are always ready.
macro_rules! winner {
    ($($biased:tt)*) => { async { select! { $($biased)* _ = ready(()) => 0, _ = ready(()) => 1, _ = ready(()) => 2, _ = ready(()) => 3 } } };
}

#[test]
fn of_several_that_are_ready_the_seed_chooses_and_replays_its_choice() {
    let winners = |seed| simulate(seed, async { [winner!().await, winner!().await, winner!().await] });
    let seen: BTreeSet<[i32; 3]> = (0..1_000).map(winners).collect();
    assert_eq!(seen.len(), 64, "all 4 * 4 * 4 ways");
    assert!((0..100).all(|seed| winners(seed) == winners(seed)));
    let hash = |seed, biased| {
        let runtime = Builder::new_simulated(seed).build().unwrap();
        runtime.block_on(async { if biased { winner!(biased;).await } else { winner!().await } });
        runtime.event_hash()
    };
    assert_eq!(hash(5, false), hash(5, false));
    assert_ne!(hash(5, false), hash(5, true), "the choice is an event");
}

#[test]
fn on_the_real_loop_and_outside_of_runtimes_nobody_is_starved() {
    let mut wins = [[0_u32; 4]; 2];
    let runtime = Builder::new_current_thread().build().unwrap();
    for _ in 0..1_000 {
        wins[0][runtime.block_on(winner!()) as usize] += 1;
        let Poll::Ready(winner) = poll_with(&mut pin!(winner!()), Waker::noop()) else { unreachable!() };
        wins[1][winner as usize] += 1;
    }
    assert!(wins.iter().flatten().all(|&wins| (100..500).contains(&wins)), "{wins:?}");
}

#[test]
fn biased_looks_in_the_order_as_written() {
    for (_, runtime) in runtimes() {
        for _ in 0..100 {
            assert_eq!(runtime.block_on(winner!(biased;)), 0);
        }
    }
}

#[test]
fn all_out_and_no_else_panics_with_a_text_that_says_so_and_where() {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        simulate(1, async {
            select! { Some(()) = ready(None) => {} }
        });
    }));
    let message = message_of(panicked.unwrap_err());
    assert!(message.contains("every branch of this `select!` is out, and it has no `else`"), "{message}");
}

#[test]
fn sch_02_a_loop_over_branches_that_are_always_ready_lets_others_run() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let stop = Rc::new(Cell::new(false));
            let other = stop.clone();
            let stopper = task::spawn_local(async move { other.set(true) });
            let mut rounds = 0_u64;
            while !stop.get() {
                select! {
                    () = ready(()) => rounds += 1,
                    () = pending() => {}
                }
                assert!(rounds < 100_000, "{name}: the other task never ran");
            }
            stopper.await.unwrap();
        });
    }
}

#[test]
fn a_panic_in_a_branch_drops_the_others_and_passes_on() {
    let log = RefCell::new(Vec::new());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        simulate(1, async {
            select! {
                () = async { let _noted = Noted(&log, "gone"); pending().await } => {}
                () = async { yield_now().await; crate::panic_quietly("out") } => {}
            }
        });
    }));
    assert_eq!(message_of(panicked.unwrap_err()), "out");
    assert_eq!(*log.borrow(), ["gone"]);
}
