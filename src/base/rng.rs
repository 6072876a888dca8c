//! Seeded numbers: every choice the runtime makes by chance comes from one of these.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): one
//! addition and three multiplications, any seed is a good seed, and it needs eight bytes. A cryptographic
//! generator would be no better here: the numbers only have to be spread out, and the same for the same seed.

use std::cell::Cell;

/// One stream of numbers. Single-threaded by construction; every worker has its own.
#[derive(Debug)]
pub(crate) struct Rng {
    /// The counter that is hashed; the whole state.
    state: Cell<u64>,
}

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        mix(state)
    }

    /// A number in `0..n`; 0 when `n` is 0 or 1. Lemire's multiply-shift: its bias is below n / 2^64, which
    /// no schedule can show.
    pub(crate) fn below(&self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }
}

/// SplitMix64's finalizer: also used to fold an event into the rolling hash.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
        let (a, b, c) = (Rng::new(7), Rng::new(7), Rng::new(8));
        let take = |rng: &Rng| (0..64).map(|_| rng.next_u64()).collect::<Vec<_>>();
        assert_eq!(take(&a), take(&b));
        assert_ne!(take(&Rng::new(7)), take(&c));
    }

    #[test]
    fn below_reaches_every_value_and_never_the_bound() {
        let rng = Rng::new(1);
        let mut seen = [0_u32; 5];
        for _ in 0..5_000 {
            seen[rng.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| (700..1_300).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
