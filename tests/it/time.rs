//! The door `time`, by its behaviour: nearly all of it in virtual time, where a wait is exact and costs nothing.

use mainspring::runtime::{Builder, Runtime};
use mainspring::time::{
    Duration, Elapsed, Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};
use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll, Wake, Waker};

const NS: Duration = Duration::from_nanos(1);
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn simulated() -> Runtime {
    Builder::new_simulated(7).build().expect("a simulation needs nothing from the system")
}

/// Polls all of them whenever one may be ready; gives (index, output) in the order in which they were.
async fn all<F: Future>(futures: Vec<F>) -> Vec<(usize, F::Output)> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut outputs = Vec::new();
    poll_fn(|cx| {
        for (index, place) in waiting.iter_mut().enumerate() {
            if let Some(future) = place
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                outputs.push((index, output));
                *place = None;
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Numbers that look random, the same ones every time.
fn scatter(n: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

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

/// Does something when it is woken, and counts.
struct Then<F> {
    count: AtomicUsize,
    act: F,
}

impl<F: Fn() + Send + Sync> Wake for Then<F> {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        (self.act)();
    }
}

fn then<F: Fn() + Send + Sync + 'static>(act: F) -> (Arc<Then<F>>, Waker) {
    let then = Arc::new(Then { count: AtomicUsize::new(0), act });
    (then.clone(), Waker::from(then))
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

#[test]
fn timeout_lets_the_value_win_a_tie_and_otherwise_ends_on_the_deadline() {
    simulated().block_on(async {
        let start = Instant::now();
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(timeout(MS, sleep(MS)).await, Ok(()));
        let elapsed: Elapsed = timeout(MS, sleep(MS + NS)).await.unwrap_err();
        assert_eq!((elapsed.to_string().as_str(), start.elapsed()), ("deadline has elapsed", 2 * MS));
        assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
        let nested = timeout(HOUR, timeout(2 * MS, timeout(SECOND, pending::<()>()))).await;
        assert!(matches!(nested, Ok(Err(_))));
        assert_eq!(start.elapsed(), 4 * MS);
    });
}

#[test]
fn timeout_gives_its_future_back_and_drops_it_with_itself() {
    simulated().block_on(async {
        let token = Arc::new(());
        let held = token.clone();
        let mut limited: Timeout<_> = timeout(
            MS,
            Box::pin(async move {
                sleep(HOUR).await;
                drop(held);
            }),
        );
        assert!((&mut limited).await.is_err());
        assert!(poll_once(limited.get_mut().as_mut(), Waker::noop()).is_pending());
        let _: &Pin<Box<_>> = limited.get_ref();
        assert_eq!(Arc::strong_count(&token), 2);
        let inner = limited.into_inner();
        assert!(timeout(HOUR, inner).await.is_ok());
        assert_eq!(Arc::strong_count(&token), 1);

        let held = token.clone();
        drop(timeout(MS, async move { drop(held) }));
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

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

/// A sleep of a second that nobody has polled yet.
fn made_in(runtime: &Runtime) -> Sleep {
    runtime.block_on(poll_fn(|_| Poll::Ready(sleep(SECOND))))
}

#[test]
fn tim_12_a_sleep_follows_the_runtime_it_is_polled_in_even_if_the_first_one_stands_still() {
    let (first, second) = (simulated(), simulated());
    let made = made_in(&first);
    second.block_on(made);

    let mut polled = Box::pin(made_in(&first));
    first.block_on(async { assert!(poll_once(polled.as_mut(), Waker::noop()).is_pending()) });
    second.block_on(timeout_at_most(HOUR, polled.as_mut()));

    first.block_on(async { polled.as_mut().reset(Instant::now() + SECOND) });
    first.block_on(async { assert!(poll_once(polled.as_mut(), Waker::noop()).is_pending()) });
    second.block_on(async {
        polled.as_mut().reset(Instant::now() + SECOND);
        assert_eq!(timeout(HOUR, polled.as_mut()).await, Ok(()));
        polled.as_mut().reset(Instant::now() + SECOND);
        assert!(poll_once(polled.as_mut(), Waker::noop()).is_pending());
    });
    drop(second);
    first.block_on(timeout_at_most(HOUR, polled.as_mut()));
}

/// `timeout` for use outside of a runtime: made where it is polled.
async fn timeout_at_most(limit: Duration, future: impl Future<Output = ()>) {
    assert_eq!(timeout(limit, future).await, Ok(()), "it hangs");
}

#[test]
fn tim_12_a_sleep_whose_runtime_is_gone_says_so_instead_of_hanging() {
    let runtime = simulated();
    let mut nap = Box::pin(made_in(&runtime));
    runtime.block_on(async { assert!(poll_once(nap.as_mut(), Waker::noop()).is_pending()) });
    assert!(poll_once(nap.as_mut(), Waker::noop()).is_pending(), "while it lives, it may be polled from anywhere");
    drop(runtime);
    let text = panic_of(|| _ = poll_once(nap.as_mut(), Waker::noop())).0;
    assert!(text.starts_with("the `sleep` made at") && text.contains("tests/it/time.rs"), "{text}");
    assert!(text.contains("needs a runtime: await it inside"), "{text}");
}

thread_local! {
    /// Where this thread panicked last.
    static PANICKED_AT: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Runs something that panics; gives what it said, and at which file and line.
fn panic_of(body: impl FnOnce()) -> (String, (String, u32)) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| (at.file().to_owned(), at.line()));
            PANICKED_AT.set(place);
            previous(info);
        }));
    });
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("it should have panicked");
    let text = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().expect("a panic's payload is text")).to_owned(),
    };
    (text, PANICKED_AT.take().expect("the hook ran on this thread"))
}

#[test]
fn mis_01_outside_of_a_runtime_every_call_panics_on_the_caller_s_line_and_names_the_cure() {
    let here = Location::caller().file();
    let now = Instant::now();
    type Case = (&'static str, fn(Instant), u32);
    let calls: [Case; 6] = [
        ("sleep", |_| drop(sleep(MS)), line!()),
        ("sleep_until", |now| drop(sleep_until(now)), line!()),
        ("timeout", |_| drop(timeout(MS, ready(()))), line!()),
        ("timeout_at", |now| drop(timeout_at(now, ready(()))), line!()),
        ("interval", |_| drop(interval(MS)), line!()),
        ("interval_at", |now| drop(interval_at(now, MS)), line!()),
    ];
    for (name, call, line) in calls {
        let (text, at) = panic_of(|| call(now));
        assert!(text.starts_with(&format!("`{name}` needs a runtime: call it inside")), "{text}");
        assert_eq!(at, (here.to_owned(), line), "{name}");
    }
}

#[test]
fn an_interval_without_a_period_panics_on_the_caller_s_line() {
    simulated().block_on(async {
        let (text, at) = panic_of(|| drop(interval(Duration::ZERO)));
        assert!(text.contains("`period` must not be zero"), "{text}");
        assert_eq!(at.1, line!() - 2);
    });
}

#[test]
fn an_instant_is_real_outside_of_a_runtime_and_virtual_inside_of_a_simulation() {
    let before = Instant::now();
    assert!(Instant::now() >= before && before.elapsed() < HOUR);
    let start = simulated().block_on(async {
        let start = Instant::now();
        assert_eq!((Instant::now(), start.elapsed()), (start, Duration::ZERO));
        sleep(100 * HOUR).await;
        assert_eq!(start.elapsed(), 100 * HOUR);
        start
    });
    assert!(start.duration_since(before) < HOUR, "virtual time starts when the simulation was built");
    assert_eq!(before - start, Duration::ZERO);
    assert_eq!((start + MS).checked_duration_since(start), Some(MS));
    assert_eq!(start.checked_duration_since(start + MS), None);
    assert_eq!(start.checked_add(Duration::MAX), None);
    let mut moved = start;
    moved += MS;
    moved -= 2 * MS;
    assert_eq!(moved, start - MS);
    assert_eq!(Instant::from_std(std::time::Instant::from(start)), start);
}

#[test]
fn what_waits_for_time_may_go_to_any_thread_and_shows_its_state() {
    fn goes_anywhere<T: Send + Sync + Unpin>(_: &T) {}
    simulated().block_on(async {
        let nap = sleep(HOUR);
        goes_anywhere(&nap);
        goes_anywhere(&timeout(HOUR, Box::pin(async {})));
        goes_anywhere(&interval(HOUR));
        let shown = format!("{nap:?}");
        assert!(shown.contains("is_elapsed: false, is_set: false") && shown.contains("time.rs"), "{shown}");
    });
}

/// TIM-10. On the real loop, because virtual time stands still while a task is busy.
#[test]
fn tim_10_a_timeout_ends_a_loop_over_operations_that_are_always_ready() {
    let runtime = Builder::new_current_thread().build().expect("an event loop can be had");
    let busy = async {
        loop {
            sleep(Duration::ZERO).await;
        }
    };
    let ended: Result<(), Elapsed> = runtime.block_on(async { timeout(MS, busy).await });
    assert!(ended.is_err());
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
