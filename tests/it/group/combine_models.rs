//! Random crews against plain references: in a simulation time is exact, so what must come out, and when, can be computed.
//!
//! `PROPTEST_CASES=100000` is for longer nights.

use super::Alive;
use crate::message_of;
use mainspring::group::{Failure, GroupError, gather, gather_all, hedge, race, race_ok, scope, spawned};
use mainspring::runtime;
use mainspring::task::yield_now;
use mainspring::time::{Duration, Instant, sleep};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

/// What a part does: wait so long, and then this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Well,
    Badly,
    Panics,
}

/// How a part waits; what it has opened must be gone with it.
#[derive(Clone, Copy, Debug)]
enum Waits {
    Asleep,
    Yielding,
    Spawned,
    Scoped,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Distinct in a crew, so that the order of the ends is no matter of chance.
    delay: u64,
    ends: Ends,
    waits: Waits,
}

/// What came out, and when; or the number of the one that has panicked.
type Outcome<T> = Result<(T, u64), usize>;

fn crew() -> impl Strategy<Value = Vec<Part>> {
    let delays = prop::collection::btree_set(0_u64..40, 1..8);
    let kinds = (prop_oneof![5 => Just(Ends::Well), 3 => Just(Ends::Badly), 1 => Just(Ends::Panics)], 0..4_u8);
    (delays, prop::collection::vec(kinds, 8), any::<u64>()).prop_map(|(delays, kinds, shuffle)| {
        let mut parts: Vec<_> = parts(delays, kinds).collect();
        let middle = (shuffle % parts.len() as u64) as usize;
        parts.rotate_left(middle);
        parts
    })
}

fn parts(delays: BTreeSet<u64>, kinds: Vec<(Ends, u8)>) -> impl Iterator<Item = Part> {
    delays.into_iter().zip(kinds).map(|(delay, (ends, waits))| {
        let waits = [Waits::Asleep, Waits::Yielding, Waits::Spawned, Waits::Scoped][waits as usize];
        Part { delay: delay * 3, ends, waits }
    })
}

type Boxed = Pin<Box<dyn Future<Output = Result<usize, usize>> + Send>>;

/// The part as a future.
fn run(number: usize, part: Part, alive: &Alive) -> Boxed {
    let one = alive.one();
    let work = async move {
        let _one = one;
        sleep(Duration::from_millis(part.delay)).await;
        match part.ends {
            Ends::Well => Ok(number),
            Ends::Badly => Err(number),
            Ends::Panics => crate::panic_quietly(number.to_string()),
        }
    };
    match part.waits {
        Waits::Asleep => Box::pin(work),
        Waits::Yielding => Box::pin(async {
            yield_now().await;
            work.await
        }),
        Waits::Spawned => Box::pin(spawned(work)),
        Waits::Scoped => Box::pin(async {
            let ended = scope(async |group| group.spawn(work).await.map_err(|_| usize::MAX)).await;
            match ended.map_err(GroupError::into_first) {
                Ok(number) => Ok(number),
                Err(Failure::Error(number)) => Err(number),
                Err(Failure::Panicked(error)) => std::panic::resume_unwind(error.into_panic()),
                Err(_) => pending().await, // until it is dropped
            }
        }),
    }
}

/// Runs what is made of the parts in a simulation.
fn simulate<T, F: Future<Output = T>>(seed: u64, make: impl FnOnce(Alive) -> F) -> Outcome<T> {
    let runtime = runtime::Builder::new_simulated(seed).build().unwrap();
    let alive = Alive::default();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let start = Instant::now();
            let outcome = make(alive.clone()).await;
            assert_eq!(alive.count(), 0, "C2: all are gone when it resolves");
            (outcome, start.elapsed().as_millis() as u64)
        })
    }));
    assert_eq!(alive.count(), 0, "C2: and when it panics");
    ended.map_err(|payload| message_of(payload).parse().expect("a part's own panic"))
}

/// The numbers of those parts, in the order in which they end.
fn by_end(parts: &[Part]) -> Vec<usize> {
    let mut order: Vec<_> = (0..parts.len()).collect();
    order.sort_by_key(|number| parts[*number].delay);
    order
}

fn expect_race(parts: &[Part]) -> Outcome<Result<usize, usize>> {
    let first = by_end(parts)[0];
    match parts[first].ends {
        Ends::Panics => Err(first),
        Ends::Well => Ok((Ok(first), parts[first].delay)),
        Ends::Badly => Ok((Err(first), parts[first].delay)),
    }
}

fn expect_race_ok(parts: &[Part]) -> Outcome<Result<usize, Vec<usize>>> {
    for number in by_end(parts) {
        match parts[number].ends {
            Ends::Panics => return Err(number),
            Ends::Well => return Ok((Ok(number), parts[number].delay)),
            Ends::Badly => {}
        }
    }
    let last = parts.iter().map(|part| part.delay).max().unwrap();
    Ok((Err((0..parts.len()).collect()), last))
}

/// When each ends, if so many run at once; in the order of the ends, of which two at one moment are a tie.
fn schedule(parts: &[Part], limit: usize) -> Vec<(u64, usize)> {
    let (mut running, mut ended, mut next) = (Vec::new(), Vec::new(), 0);
    let mut now = 0;
    while ended.len() < parts.len() {
        while running.len() < limit && next < parts.len() {
            running.push((now + parts[next].delay, next));
            next += 1;
        }
        running.sort_unstable();
        let first = running.remove(0);
        now = first.0;
        ended.push(first);
    }
    ended
}

fn has_ties(ended: &[(u64, usize)]) -> bool {
    ended.windows(2).any(|pair| pair[0].0 == pair[1].0)
}

fn expect_gather(ended: &[(u64, usize)], parts: &[Part]) -> Outcome<Result<Vec<usize>, usize>> {
    for &(at, number) in ended {
        match parts[number].ends {
            Ends::Panics => return Err(number),
            Ends::Badly => return Ok((Err(number), at)),
            Ends::Well => {}
        }
    }
    Ok((Ok((0..parts.len()).collect()), ended.last().map_or(0, |last| last.0)))
}

fn expect_gather_all(ended: &[(u64, usize)], parts: &[Part]) -> Outcome<Vec<Result<usize, usize>>> {
    if let Some((_, number)) = ended.iter().find(|(_, number)| parts[*number].ends == Ends::Panics) {
        return Err(*number);
    }
    let result = |number: usize| if parts[number].ends == Ends::Well { Ok(number) } else { Err(number) };
    Ok(((0..parts.len()).map(result).collect(), ended.last().map_or(0, |last| last.0)))
}

fn expect_hedge(parts: &[Part], delay: u64) -> Outcome<Result<usize, usize>> {
    let copies = [parts[0], Part { delay: parts[1].delay + delay, ..parts[1] }];
    let is_late = parts[0].delay > delay;
    let mut first_error = None;
    for number in if is_late { by_end(&copies) } else { vec![0] } {
        let at = copies[number].delay;
        match copies[number].ends {
            Ends::Panics => return Err(number),
            Ends::Well => return Ok((Ok(number), at)),
            Ends::Badly if !is_late || first_error.is_some() => return Ok((Err(first_error.unwrap_or(number)), at)),
            Ends::Badly => first_error = Some(number),
        }
    }
    unreachable!("one of two errors is the second")
}

fn check(run: impl Fn(Vec<Part>, usize, u64)) {
    let default = Config::default();
    let config = Config { cases: 600.max(default.cases), failure_persistence: None, ..default };
    let cases = (crew(), 1_usize..5, any::<u64>());
    TestRunner::new(config)
        .run(&cases, |(parts, limit, seed)| {
            run(parts, limit, seed);
            Ok(())
        })
        .unwrap();
}

#[test]
fn races_do_what_the_reference_does() {
    check(|parts, _, seed| {
        let futures = |alive: Alive| {
            let futures: Vec<_> = parts.iter().enumerate().map(|(number, part)| run(number, *part, &alive)).collect();
            futures
        };
        assert_eq!(simulate(seed, |alive| race(futures(alive))), expect_race(&parts));
        assert_eq!(simulate(seed, |alive| race_ok(futures(alive))), expect_race_ok(&parts));
    });
}

#[test]
fn gathers_do_what_the_reference_does() {
    check(|parts, limit, seed| {
        let ended = schedule(&parts, limit);
        if has_ties(&ended) {
            return;
        }
        let futures =
            |alive: Alive| parts.clone().into_iter().enumerate().map(move |(number, part)| run(number, part, &alive));
        assert_eq!(simulate(seed, |alive| gather(futures(alive)).limit(limit)), expect_gather(&ended, &parts));
        let all = simulate(seed, |alive| gather_all(futures(alive)).limit(limit));
        assert_eq!(all, expect_gather_all(&ended, &parts));
    });
}

#[test]
fn hedges_do_what_the_reference_does() {
    check(|mut parts, limit, seed| {
        parts.extend([Part { delay: 7, ..parts[0] }]);
        let delay = 10 * limit as u64 + 1; // never at the moment of an end, which are multiples of three, or seven
        if parts[0].delay == delay || parts[0].delay == parts[1].delay + delay {
            return;
        }
        let parts = [parts[0], parts[1]];
        let hedged =
            simulate(seed, |alive| hedge(Duration::from_millis(delay), move |copy| run(copy, parts[copy], &alive)));
        assert_eq!(hedged, expect_hedge(&parts, delay));
    });
}
