//! The same program in a simulation: virtual years in milliseconds, and the same run again from its seed.
//!
//! A simulated runtime has one thread and a clock that leaps to the next deadline when nobody has anything to
//! do. Every choice the runtime makes is drawn from the seed, and every event is folded into a hash; so two
//! runs with one seed are the same run, and a failure found by trying seeds is repeated by naming one.
//!
//! Run it: `cargo run --example replay`
//!
//! With `--lives 1000` it prints a line for each of so many seeds instead. `tests/replay.sh` compares those of a debug
//! build with those of a release build.

#![allow(clippy::disallowed_methods, reason = "compares virtual time with the wall clock")]

use mainspring::runtime::Builder;
use mainspring::task;
use mainspring::time::{Duration, Instant, sleep, timeout};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// As good as a minute, in here.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Six runners who are equally fast: who comes in first is the scheduler's choice alone.
async fn race() -> Vec<char> {
    let finish = Arc::new(Mutex::new(Vec::new()));
    let run = |name: char| {
        let finish = finish.clone();
        task::spawn(async move {
            for _lap in 0..100 {
                sleep(YEAR).await;
            }
            finish.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        })
    };
    let runners: Vec<_> = ('a'..='f').map(run).collect();
    for runner in runners {
        runner.await.expect("no runner panics or is aborted");
    }
    finish.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A crowd: some yield and some sleep, some stay on their thread, each fourth is aborted, and each waits for a while for the
/// one before it. Gives who came how far in which order.
async fn crowd() -> Vec<(u32, u32)> {
    let diary = Arc::new(Mutex::new(Vec::new()));
    let mut before: Option<task::JoinHandle<()>> = None;
    for name in 0..12 {
        let (diary, waits_for) = (diary.clone(), before.take());
        let life = async move {
            for step in 0..6 {
                diary.lock().unwrap_or_else(PoisonError::into_inner).push((name, step));
                match (name + step) % 3 {
                    0 => task::yield_now().await,
                    1 => sleep(Duration::from_millis(5)).await,
                    _ => sleep(Duration::from_micros(u64::from(name))).await,
                }
            }
            if let Some(other) = waits_for {
                drop(timeout(Duration::from_millis(20), other).await);
            }
            diary.lock().unwrap_or_else(PoisonError::into_inner).push((name, 6));
        };
        let task = if name % 3 == 1 { task::spawn_local(life) } else { task::spawn(life) };
        if name % 4 == 3 {
            task.abort();
        }
        before = Some(task);
    }
    drop(before.expect("twelve were spawned").await);
    sleep(Duration::from_secs(1)).await;
    diary.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A line for each seed: a race, a crowd, and the hash of all that happened in both.
fn print_lives(seeds: u64) -> std::io::Result<()> {
    for seed in 0..seeds {
        let runtime = Builder::new_simulated(seed).build()?;
        let (race, crowd) = runtime.block_on(async { (race().await, crowd().await) });
        let hash = runtime.event_hash().expect("a simulated runtime always has one");
        println!("seed {seed} events {hash:016x} race {} crowd {crowd:?}", String::from_iter(race));
    }
    Ok(())
}

/// One race under this seed: the order of arrival, and the hash of all that happened.
fn simulate(seed: u64) -> std::io::Result<(String, u64)> {
    let runtime = Builder::new_simulated(seed).build()?;
    let order = runtime.block_on(async {
        let start = Instant::now();
        let order = race().await;
        assert!(start.elapsed() >= 100 * YEAR, "a century has passed in here");
        order
    });
    let hash = runtime.event_hash().expect("a simulated runtime always has one");
    Ok((order.into_iter().collect(), hash))
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, seeds] = &args[..]
        && flag == "--lives"
    {
        return print_lives(seeds.parse().map_err(std::io::Error::other)?);
    }
    let start = std::time::Instant::now();
    let mut orders = BTreeSet::new();
    for seed in 0..8 {
        let (order, hash) = simulate(seed)?;
        println!("seed {seed}: {order}  events {hash:016x}");
        assert_eq!((order.clone(), hash), simulate(seed)?, "one seed, one run");
        orders.insert(order);
    }
    println!("{} different races, 1,600 virtual years, {} ms", orders.len(), start.elapsed().as_millis());
    assert!(orders.len() > 1, "another seed gives another race");
    Ok(())
}
