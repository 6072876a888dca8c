//! Check, await, act: the race that is left when nobody is interrupted.
//!
//! Tasks of one thread switch at an `.await` and nowhere else, so there is no lock in this program and none is missing: each
//! [`Local::with`] is one step. And still two customers draw more from an account than is on it. Each looks (there is enough),
//! awaits (the clerk writes it down), and acts on what it has seen *before*. It goes wrong only if the other one acts in between,
//! which a test on a real clock may see once in a year.
//!
//! In a simulation who goes first is drawn from the seed, so it is a matter of trying seeds; and the seed that finds it finds
//! it again, as often as one likes, until it is mended.
//!
//! Run it: `cargo run --example check_await_act`, or with a seed: `-- 3`

use mainspring::runtime::Builder;
use mainspring::task::Local;
use mainspring::time::{Duration, sleep};

/// Somebody writes something down, which takes a while that differs from task to task.
async fn clerk(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
    mainspring::task::yield_now().await;
}

/// The bug: what was true before the `.await` need not be true after it.
async fn draw_wrongly(account: Local<i64>, amount: i64) -> bool {
    let is_enough = account.with(|balance| *balance >= amount); // check
    if is_enough {
        clerk(1).await; // await
        account.with(|balance| *balance -= amount); // act
    }
    is_enough
}

/// The cure: check and act in one step, and await before or after it.
async fn draw(account: Local<i64>, amount: i64) -> bool {
    let is_drawn = account.with(|balance| {
        let is_enough = *balance >= amount;
        if is_enough {
            *balance -= amount;
        }
        is_enough
    });
    clerk(1).await;
    is_drawn
}

/// Two customers at an account of 100, under this seed: what is left on it.
fn simulate<F>(seed: u64, draw: impl Fn(Local<i64>, i64) -> F) -> std::io::Result<i64>
where
    F: Future<Output = bool> + 'static,
{
    let runtime = Builder::new_simulated(seed).build()?;
    let account = Local::new(100);
    runtime.block_on(async {
        let first = mainspring::spawn_local(draw(account.clone(), 70));
        let second_draws = draw(account.clone(), 60);
        let second = mainspring::spawn_local(async move {
            // Comes a little later, as the second customer does; mostly the first one is done by then.
            clerk(1).await;
            second_draws.await
        });
        let _ = (first.await, second.await);
    });
    Ok(account.with(|balance| *balance))
}

fn main() -> std::io::Result<()> {
    if let Some(seed) = std::env::args().nth(1) {
        let seed = seed.parse().map_err(std::io::Error::other)?;
        println!("seed {seed}: {} are left", simulate(seed, draw_wrongly)?);
        return Ok(());
    }
    let mut found = None;
    let mut harmless = 0;
    for seed in 0..1_000 {
        if simulate(seed, draw_wrongly)? < 0 {
            found = found.or(Some(seed));
        } else {
            harmless += 1;
        }
    }
    let seed = found.expect("one of a thousand seeds finds it");
    let left = simulate(seed, draw_wrongly)?;
    println!("seed {seed} overdraws the account: {left} are left. {harmless} of 1,000 seeds do not notice.");
    println!("see it again: cargo run --example check_await_act -- {seed}");
    assert!((0..10).all(|_| simulate(seed, draw_wrongly).is_ok_and(|again| again == left)), "one seed, one run");
    assert!(harmless > 0, "what always fails needs no simulation");

    for seed in 0..1_000 {
        assert!(simulate(seed, draw)? >= 0, "mended, whatever the seed");
    }
    println!("check and act in one step: 1,000 seeds, never overdrawn");
    Ok(())
}
