//! A tick borrows the interval it comes from.
use mainspring::time::Interval;

pub async fn two_ticks_at_once(ticks: &mut Interval) {
    let first = ticks.tick();
    let second = ticks.tick(); //~ E0499: cannot borrow `*ticks` as mutable more than once
    first.await;
    second.await;
}
