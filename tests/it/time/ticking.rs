//! Intervals: in step, whatever was missed, and from wherever they are reset to.
//!
//! Cases of the catalogue: TIM-09.

use super::kit::{HOUR, MS, panic_of, scatter, simulated};
use mainspring::time::{Duration, Instant, Interval, MissedTickBehavior, interval, interval_at, sleep, timeout};

/// What tokio documents, in whole nanoseconds: when the tick after one due at `due` and taken at `now` is due.
fn model_of_next(behavior: MissedTickBehavior, due: u128, now: u128, period: u128) -> u128 {
    match behavior {
        _ if now <= due + 5_000_000 => due + period,
        MissedTickBehavior::Burst => due + period,
        MissedTickBehavior::Delay => now + period,
        MissedTickBehavior::Skip => due + ((now - due) / period + 1) * period,
    }
}

#[test]
fn tim_09_missed_ticks_follow_the_model_of_each_policy() {
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
        simulated().block_on(async {
            let start = Instant::now();
            let period = 10 * MS;
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(behavior);
            assert_eq!((ticks.period(), ticks.missed_tick_behavior()), (period, behavior));
            let mut due = 0;
            for n in 0..3_000 {
                // Mostly in time, at times a little late, now and then ten periods late.
                let work = match scatter(n) % 20 {
                    0 => 10 * period + Duration::from_nanos(scatter(n) / 20 % 10_000_000),
                    1..4 => Duration::from_nanos(scatter(n) / 20 % 17_000_000),
                    _ => Duration::from_nanos(scatter(n) / 20 % 9_000_000),
                };
                sleep(work).await;
                let before = start.elapsed().as_nanos();
                let tick = ticks.tick().await;
                let now = start.elapsed().as_nanos();
                assert_eq!(((tick - start).as_nanos(), now), (due, due.max(before)), "{behavior:?}, tick {n}");
                due = model_of_next(behavior, due, now, period.as_nanos());
            }
        });
    }
}

#[test]
fn tim_09_after_ten_missed_periods_each_policy_does_what_its_picture_shows() {
    let taken = |behavior| {
        simulated().block_on(async move {
            let start = Instant::now();
            let mut ticks = interval(10 * MS);
            ticks.set_missed_tick_behavior(behavior);
            ticks.tick().await;
            sleep(103 * MS).await;
            let mut taken = Vec::new();
            for _ in 0..13 {
                ticks.tick().await;
                taken.push(start.elapsed().as_millis());
            }
            taken
        })
    };
    let burst = [103, 103, 103, 103, 103, 103, 103, 103, 103, 103, 110, 120, 130];
    assert_eq!(taken(MissedTickBehavior::Burst), burst);
    assert_eq!(taken(MissedTickBehavior::Delay)[..4], [103, 113, 123, 133]);
    assert_eq!(taken(MissedTickBehavior::Skip)[..4], [103, 110, 120, 130]);
}

#[test]
fn an_interval_is_reset_to_a_period_from_now_to_now_or_to_any_instant() {
    simulated().block_on(async {
        let start = Instant::now();
        let mut ticks: Interval = interval_at(start + HOUR, 100 * MS);
        let expect = async |ticks: &mut Interval, at: u32| {
            assert_eq!(ticks.tick().await - start, at * MS);
            assert_eq!(start.elapsed(), at * MS);
        };
        ticks.reset();
        expect(&mut ticks, 100).await;
        sleep(50 * MS).await;
        ticks.reset_immediately();
        expect(&mut ticks, 150).await;
        ticks.reset_after(20 * MS);
        expect(&mut ticks, 170).await;
        ticks.reset_at(start + 1_000 * MS);
        assert!(timeout(10 * MS, ticks.tick()).await.is_err(), "giving up on a tick takes none");
        expect(&mut ticks, 1_000).await;
        expect(&mut ticks, 1_100).await;
    });
}

#[test]
fn an_interval_without_a_period_panics_on_the_caller_s_line() {
    simulated().block_on(async {
        let (text, at) = panic_of(|| drop(interval(Duration::ZERO)));
        assert!(text.contains("`period` must not be zero"), "{text}");
        assert_eq!(at.1, line!() - 2);
    });
}
