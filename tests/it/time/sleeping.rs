//! Sleeping: for exactly as long as was asked, in order, and as often as it is reset.
//!
//! Cases of the catalogue: TIM-01, TIM-02, TIM-03, TIM-05, TIM-07.

use super::kit::{HOUR, MS, NS, SECOND, YEAR, all, poll_once, scatter, simulated, then};
use mainspring::runtime::Builder;
use mainspring::time::{Duration, Instant, Sleep, interval, interval_at, sleep, sleep_until, timeout, timeout_at};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[test]
fn tim_03_in_virtual_time_a_sleep_lasts_exactly_as_long_as_it_was_asked_to() {
    simulated().block_on(async {
        for duration in [Duration::ZERO, NS, 999 * NS, MS - NS, MS, MS + NS, HOUR, 10 * YEAR] {
            let start = Instant::now();
            sleep(duration).await;
            assert_eq!(start.elapsed(), duration);
            assert_eq!(timeout(duration, pending::<()>()).await.map_err(|_| start.elapsed()), Err(2 * duration));
        }
    });
}

#[test]
fn tim_03_what_is_due_already_is_over_at_the_first_poll() {
    simulated().block_on(async {
        sleep(HOUR).await;
        let now = Instant::now();
        let long_ago = now.checked_sub(100 * YEAR).unwrap_or(now);
        for nap in [sleep(Duration::ZERO), sleep_until(now), sleep_until(now - HOUR), sleep_until(long_ago)] {
            assert!(nap.is_elapsed());
            let mut nap = pin!(nap);
            assert_eq!(poll_once(nap.as_mut(), Waker::noop()), Poll::Ready(()));
            assert_eq!(poll_once(nap.as_mut(), Waker::noop()), Poll::Ready(()), "and it stays over");
        }
        assert!(timeout_at(long_ago, pending::<()>()).await.is_err());
        assert_eq!(interval_at(long_ago, HOUR).tick().await, long_ago);
        assert_eq!(Instant::now(), now);
    });
}

#[test]
fn tim_03_the_longest_durations_never_pass_and_nothing_panics() {
    simulated().block_on(async {
        let lifetimes = 400 * YEAR;
        for forever in [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_secs(u64::MAX), 600 * YEAR] {
            let start = Instant::now();
            let both = all(vec![timeout(forever, sleep(forever)), timeout(forever, sleep(SECOND))]);
            assert!(timeout(SECOND, both).await.is_err());
            assert_eq!(timeout(forever, sleep(SECOND)).await, Ok(()));
            let mut ticks = interval(forever);
            assert_eq!(ticks.tick().await, start + 2 * SECOND);
            assert!(timeout(SECOND, ticks.tick()).await.is_err());
            ticks.reset_after(forever);
            assert!(timeout(SECOND, ticks.tick()).await.is_err());
        }
        assert!(timeout(lifetimes, sleep(Duration::MAX)).await.is_err());
    });
}

#[test]
fn tim_02_after_years_short_and_long_sleeps_still_end_in_order() {
    simulated().block_on(async {
        for days in [12, 36, 365, 803, 3_650] {
            sleep(days * 24 * HOUR).await;
            let start = Instant::now();
            let durations = [YEAR, HOUR, NS, 36 * 24 * HOUR, SECOND, MS, 2 * YEAR, Duration::ZERO];
            let ended = all(durations.map(sleep).into()).await;
            assert_eq!(ended.iter().map(|&(index, ())| index).collect::<Vec<_>>(), [7, 2, 5, 4, 1, 3, 0, 6]);
            assert_eq!(start.elapsed(), 2 * YEAR);
        }
    });
}

#[test]
fn tim_01_sleeps_end_by_deadline_each_at_its_own_nanosecond() {
    simulated().block_on(async {
        let start = Instant::now();
        let durations: Vec<_> = (0..2_000).map(|n| Duration::from_nanos(scatter(n) % 50_000_000)).collect();
        let naps = durations.iter().map(|&duration| async move {
            sleep(duration).await;
            start.elapsed()
        });
        let ended = all(naps.collect()).await;
        assert!(ended.iter().all(|&(index, took)| took == durations[index]));
        assert!(ended.is_sorted_by_key(|&(_, took)| took));
    });
}

/// TIM-07. On the real loop, whose clock it is about; only the order of events is judged.
#[test]
fn tim_07_no_sleep_ends_before_its_time() {
    let runtime = Builder::new_current_thread().build().expect("an event loop can be had");
    runtime.block_on(async {
        let naps = (0..10_000).map(|n| async move {
            let deadline = Instant::now() + Duration::from_nanos(scatter(n) % 50_000_000);
            sleep_until(deadline).await;
            Instant::now() >= deadline
        });
        let batches: Vec<_> = all(vec![all(naps.collect())]).await.pop().unwrap().1;
        assert!(batches.iter().all(|&(_, is_in_time)| is_in_time));
    });
}

#[test]
fn a_thousand_sleeps_in_one_task_are_registered_by_its_first_poll() {
    simulated().block_on(async {
        let start = Instant::now();
        let polls = Cell::new(0);
        let mut naps = pin!(all((0..1_000).map(|n| sleep(if n == 999 { MS } else { HOUR })).collect()));
        let first = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            assert!(naps.as_mut().poll(cx).is_pending());
            if start.elapsed() == MS { Poll::Ready(()) } else { Poll::Pending }
        });
        first.await;
        assert_eq!((polls.get(), start.elapsed()), (2, MS));
        assert_eq!(naps.await.len(), 1_000);
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn reset_moves_the_deadline_in_place_whether_or_not_the_sleep_is_over() {
    simulated().block_on(async {
        let start = Instant::now();
        let mut nap = pin!(sleep(HOUR));
        for (deadline, is_polled) in
            [(2 * MS, false), (4 * MS, true), (5 * HOUR, true), (6 * MS, false), (9 * MS, true)]
        {
            if is_polled {
                assert!(poll_once(nap.as_mut(), Waker::noop()).is_pending());
            }
            nap.as_mut().reset(start + deadline);
            assert_eq!(nap.deadline(), start + deadline);
        }
        nap.as_mut().await;
        assert_eq!(start.elapsed(), 9 * MS);
        nap.as_mut().reset(start + 12 * MS);
        assert!(!nap.is_elapsed());
        nap.as_mut().await;
        nap.as_mut().reset(start);
        nap.as_mut().await;
        assert_eq!(start.elapsed(), 12 * MS);
    });
}

#[test]
fn a_reset_without_another_poll_wakes_whoever_polled_last() {
    simulated().block_on(async {
        for (first, second) in [(HOUR, MS), (MS, HOUR), (Duration::MAX, MS)] {
            let mut nap = pin!(sleep(first));
            let ((early, early_waker), (late, late_waker)) = (then(|| ()), then(|| ()));
            assert!(poll_once(nap.as_mut(), &early_waker).is_pending());
            assert!(poll_once(nap.as_mut(), &late_waker).is_pending());
            nap.as_mut().reset(Instant::now() + second);
            sleep(second - NS).await;
            assert_eq!(late.count.load(Ordering::SeqCst), 0);
            sleep(NS).await;
            assert_eq!((early.count.load(Ordering::SeqCst), late.count.load(Ordering::SeqCst)), (0, 1));
        }
    });
}

#[test]
fn tim_05_a_timer_s_waker_may_set_drop_and_reset_timers() {
    simulated().block_on(async {
        let naps: Arc<Mutex<Vec<Pin<Box<Sleep>>>>> = Arc::default();
        let start = Instant::now();
        let shared = naps.clone();
        let (seen, waker) = then(move || {
            let mut naps = shared.lock().unwrap();
            let mut own = naps.remove(0);
            own.as_mut().reset(start + 2 * HOUR);
            drop(naps.pop());
            naps.push(own);
            let nap = Box::pin(sleep_until(start + 3 * HOUR));
            naps.push(nap);
            assert!(poll_once(naps[2].as_mut(), Waker::noop()).is_pending());
        });
        for after in [HOUR, HOUR + NS, HOUR + 2 * NS] {
            let mut nap = Box::pin(sleep(after));
            let woken = if after == HOUR { &waker } else { Waker::noop() };
            assert!(poll_once(nap.as_mut(), woken).is_pending());
            naps.lock().unwrap().push(nap);
        }
        sleep(4 * HOUR).await;
        assert_eq!(seen.count.load(Ordering::SeqCst), 1);
        let deadlines: Vec<_> = naps.lock().unwrap().iter().map(|nap| nap.deadline() - start).collect();
        assert_eq!(deadlines, [HOUR + NS, 2 * HOUR, 3 * HOUR]);
        naps.lock().unwrap().clear();
    });
}

#[test]
fn a_dropped_sleep_wakes_nobody() {
    simulated().block_on(async {
        let (seen, waker) = then(|| ());
        for _ in 0..1_000 {
            assert!(poll_once(pin!(sleep(MS)), &waker).is_pending());
        }
        assert_eq!(Arc::strong_count(&seen), 2, "nor does its timer keep the waker");
        sleep(HOUR).await;
        assert_eq!(seen.count.load(Ordering::SeqCst), 0);
    });
}
