//! Time: a rhythm with `interval`, a limit with `timeout`, and what happens to what misses its time.
//!
//! Run it: `cargo run --example timers`

use mainspring::runtime::Builder;
use mainspring::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};
use std::future::pending;

/// Five ticks, 20 ms apart; the first comes at once.
async fn keep_time() {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    for tick in 0..5 {
        ticks.tick().await;
        println!("tick {tick} after {:>3} ms", start.elapsed().as_millis());
    }
    // The due times were fixed at the start, so the rhythm does not drift however late one tick may come.
    assert!(start.elapsed() >= Duration::from_millis(80));
}

/// After a pause the missed ticks come in a burst, unless the interval is told otherwise.
async fn miss_some_ticks() {
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    sleep(Duration::from_millis(35)).await;
    let late = Instant::now();
    ticks.tick().await; // due long ago, so it comes at once
    ticks.tick().await; // the next due time in the old rhythm; those in between are skipped
    println!("after a pause the rhythm was found again within {} ms", late.elapsed().as_millis());
}

/// A timeout drops the future it limits; what the future was doing is over at that point.
async fn give_up() {
    let quick = timeout(Duration::from_secs(5), async { "in time" }).await;
    println!("a quick answer comes {}", quick.expect("it was ready at once"));

    let never = timeout(Duration::from_millis(30), pending::<()>()).await;
    println!("waiting for nothing: {}", never.expect_err("nobody can answer `pending`"));
}

fn main() -> std::io::Result<()> {
    // One thread is enough for any number of timers.
    let runtime = Builder::new_current_thread().build()?;
    runtime.block_on(async {
        keep_time().await;
        miss_some_ticks().await;
        give_up().await;
    });
    Ok(())
}
