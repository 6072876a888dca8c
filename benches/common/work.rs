//! Work that costs a known time of a cpu.
//!
//! It counts steps and never looks at a clock while it works. A loop that spins until a moment has come would
//! be done "in time" even while its thread waits for a cpu, and two of them on one cpu would look parallel.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How fast this machine is at [`Pace::work`].
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Steps that take a microsecond when nobody disturbs.
    steps_per_us: f64,
}

impl Pace {
    /// Times a known number of steps. The fastest of 50 tries is the one least disturbed.
    pub(crate) fn measure() -> Self {
        const STEPS: u64 = 50_000;
        let tries = (0..50).map(|_| {
            let start = Instant::now();
            burn(STEPS);
            start.elapsed()
        });
        let best = tries.min().unwrap_or(Duration::from_micros(1));
        Self { steps_per_us: STEPS as f64 / (best.as_nanos() as f64 / 1e3) }
    }

    /// Keeps a cpu busy for as long as `us` microseconds take on it.
    pub(crate) fn work(self, us: u32) -> u64 {
        burn((self.steps_per_us * f64::from(us)) as u64)
    }
}

/// A chain of multiplications, each waiting for the one before, so that no compiler shortens it.
fn burn(steps: u64) -> u64 {
    let mut state = black_box(1_u64);
    for step in 0..steps {
        state = (state ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    black_box(state)
}
