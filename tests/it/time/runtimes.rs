//! What waits, and the runtime it waits in: another one, one that is gone, or none at all.
//!
//! Cases of the catalogue: MIS-01, TIM-12.

use super::kit::{HOUR, MS, SECOND, panic_of, poll_once, simulated};
use mainspring::runtime::Runtime;
use mainspring::time::{Duration, Instant, Sleep, interval, interval_at, sleep, sleep_until, timeout, timeout_at};
use std::future::{poll_fn, ready};
use std::panic::Location;
use std::task::{Poll, Waker};

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
    assert!(text.starts_with("the `sleep` made at") && text.contains(file!()), "{text}");
    assert!(text.contains("needs a runtime: await it inside"), "{text}");
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
        assert!(shown.contains("is_elapsed: false, is_set: false") && shown.contains(file!()), "{shown}");
    });
}
