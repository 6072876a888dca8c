//! Real timers: never early, never forgotten, whatever the wall clock does.
//!
//! Cases of the catalogue: RCT-16, TIM-06, TIM-07, TIM-08, TIM-13.

use crate::harness::{command_for, scratch_file, skipped};
use crate::kit::{bell, echo, everywhere, in_block_on, join_all, multi_thread, tcp_pair, timer};
use mainspring::runtime::Runtime;
use mainspring::task::yield_now;
use mainspring::time::{sleep, sleep_until, timeout};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

cases! { CASES:
    60 => [
        tim_06_while_20_000_timers_of_one_deadline_fire_other_tasks_run,
        tim_07_none_of_10_000_random_sleeps_ends_early,
        tim_08_an_earlier_timer_from_another_thread_wakes_the_driver,
        tim_08_each_of_ever_earlier_timers_wakes_the_driver,
        tim_13_jumps_of_the_wall_clock_move_no_timer,
        rct_16_with_the_only_timer_years_away_sockets_are_still_served,
    ],
}

cases! { SCRIPTS:
    60 => [sleep_through_clock_jumps],
}

fn tim_06_while_20_000_timers_of_one_deadline_fire_other_tasks_run() {
    everywhere(&[1, 2], |runtime| {
        // If the machine is too busy to set them all before they are due, they are set further ahead.
        let turns =
            [1, 2, 4, 8].into_iter().find_map(|ahead| turns_while_timers_fire(runtime, Duration::from_secs(ahead)));
        let turns = turns.expect("20,000 timers can be set in eight seconds");
        assert!(turns >= 5, "20,000 timers fired, and another task had {turns} turns meanwhile");
    });
}

/// How many turns another task has between the first timer and the last; `None` if some were due before all were set.
fn turns_while_timers_fire(runtime: &Runtime, ahead: Duration) -> Option<u64> {
    const TIMERS: u64 = 20_000;
    let (set, fired) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    runtime.block_on(async {
        let deadline = mainspring::time::Instant::now() + ahead;
        let tasks = (0..TIMERS).map(|_| {
            let (set, fired) = (set.clone(), fired.clone());
            mainspring::spawn(async move {
                let nap = sleep_until(deadline);
                set.fetch_add(u64::from(!nap.is_elapsed()), Ordering::Relaxed);
                nap.await;
                fired.fetch_add(1, Ordering::Relaxed);
            })
        });
        let tasks: Vec<_> = tasks.collect();
        while set.load(Ordering::Relaxed) < TIMERS {
            yield_now().await;
            if mainspring::time::Instant::now() >= deadline {
                join_all(tasks).await;
                return None;
            }
        }
        let others = fired.clone();
        let witness = mainspring::spawn(async move {
            let mut turns = 0;
            loop {
                match others.load(Ordering::Relaxed) {
                    TIMERS => return turns,
                    0 => {}
                    _ => turns += 1,
                }
                yield_now().await;
            }
        });
        join_all(tasks).await;
        Some(witness.await.expect("no panic"))
    })
}

fn tim_07_none_of_10_000_random_sleeps_ends_early() {
    everywhere(&[2], |runtime| {
        let tasks = (0..500).map(|task: u64| {
            runtime.spawn(async move {
                let mut random = task.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                for _ in 0..20 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let wanted = Duration::from_nanos(random % 50_000_000);
                    let started = Instant::now();
                    sleep(wanted).await;
                    let took = started.elapsed();
                    assert!(took >= wanted, "{wanted:?} took {took:?}");
                }
            })
        });
        runtime.block_on(join_all(tasks.collect::<Vec<_>>()));
    });
}

fn tim_08_an_earlier_timer_from_another_thread_wakes_the_driver() {
    let test = |runtime: &Runtime| {
        drop(runtime.spawn(async { sleep(Duration::from_secs(3_600)).await }));
        for _ in 0..5 {
            // Everybody sleeps until the far timer by then.
            thread::sleep(Duration::from_millis(60));
            let _inside = runtime.enter();
            let (mut nap, heard) = timer();
            // Fifty times the 20 ms that the catalogue allows.
            assert!(heard.recv_timeout(Duration::from_secs(1)).is_ok(), "the driver slept on");
            assert!(nap.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "woken, but not over");
        }
    };
    [1, 2, 4].into_iter().for_each(|workers| test(&multi_thread(workers)));
    in_block_on(test);
}

fn tim_08_each_of_ever_earlier_timers_wakes_the_driver() {
    let test = |runtime: &Runtime| {
        let _inside = runtime.enter();
        // Set from far to near while the driver sleeps, they fire from near to far.
        let naps = (1..=10).rev().map(|n| {
            let (wanted, (waker, heard)) = (n * Duration::from_millis(20), bell());
            let started = Instant::now();
            let mut nap = Box::pin(sleep(wanted));
            let waits = nap.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
            thread::sleep(Duration::from_micros(500));
            (waits, started, wanted, heard, nap)
        });
        let naps: Vec<_> = naps.collect();
        for (waits, started, wanted, heard, _nap) in naps.into_iter().rev() {
            let heard = waits.then(|| heard.recv_timeout(Duration::from_secs(2)));
            assert!(heard.is_none_or(|heard| heard.is_ok()), "the timer of {wanted:?} was forgotten");
            assert!(started.elapsed() >= wanted, "the timer of {wanted:?} is early");
        }
    };
    [1, 2].into_iter().for_each(|workers| test(&multi_thread(workers)));
    in_block_on(test);
}

fn rct_16_with_the_only_timer_years_away_sockets_are_still_served() {
    const DAY: Duration = Duration::from_secs(86_400);
    for away in [30 * DAY, 400 * DAY, 5_000_000 * DAY, Duration::MAX] {
        everywhere(&[1, 2], |runtime| {
            let far_away = runtime.spawn(async move { sleep(away).await });
            let near = runtime.block_on(async {
                let (near, far) = tcp_pair().await;
                drop(mainspring::spawn(echo(far)));
                near
            });
            for round in 0..20 {
                // Nothing else is armed, so every sleep of the driver is cut by the far timer, or by nothing.
                runtime.block_on(async {
                    near.write_all(&[round]).await.expect("the echo lives");
                    let mut back = [0];
                    near.read_exact(&mut back).await.expect("the echo lives");
                    assert_eq!(back[0], round);
                });
            }
            assert!(!far_away.is_finished(), "a timer went off years too early");
        });
    }
}

fn tim_13_jumps_of_the_wall_clock_move_no_timer() {
    let Some(library) = faketime() else {
        skipped("faketime is not installed: jumps of the wall clock were not tested");
        return;
    };
    let offset = scratch_file("offset");
    fs::write(&offset, "+0").expect("cargo made the folder");
    let outcome = command_for("sleep_through_clock_jumps")
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        // The two names that this setting has had: only the wall clock jumps, as in the world.
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .output()
        .expect("this very program can be started");
    let _ = fs::remove_file(&offset);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// Where the library lies that lies about the time, if it is installed.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let places = folders.filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    places.into_iter().find(|place| place.exists())
}

fn sleep_through_clock_jumps() {
    let offset = std::env::var_os("FAKETIME_TIMESTAMP_FILE").expect("the case sets it");
    let runtime = multi_thread(2);
    let jumped = AtomicBool::new(false);
    runtime.block_on(async {
        for jump in ["+1d", "-1d", "+0", "+1d", "-1d"] {
            let (wall, began) = (SystemTime::now(), Instant::now());
            let nap = mainspring::spawn(sleep(Duration::from_millis(50)));
            let limit = mainspring::spawn(timeout(Duration::from_secs(3_600), std::future::pending::<()>()));
            yield_now().await;
            fs::write(&offset, jump).expect("the case made the file");
            nap.await.expect("no panic");
            let took = began.elapsed();
            assert!((Duration::from_millis(50)..Duration::from_secs(2)).contains(&took), "after {jump}: {took:?}");
            assert!(!limit.is_finished(), "after {jump}: an hour passed in {took:?}");
            limit.abort();
            let moved = SystemTime::now().duration_since(wall).unwrap_or_else(|backwards| backwards.duration());
            jumped.fetch_or(moved > Duration::from_secs(3_600), Ordering::Relaxed);
        }
    });
    assert!(jumped.load(Ordering::Relaxed), "the wall clock never jumped, so nothing was tested");
}
