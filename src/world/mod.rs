//! The simulated world, pure: a clock that leaps, a seed, and the rolling hash of everything that happened.
//!
//! It knows neither tasks nor wakers. The simulated driver asks it for the time and for choices and tells it what
//! happens; the same questions and tales in the same order give the same answers and the same hash, which is all that
//! replaying is. Simulated network and disk will live here, beside the clock.
//!
//! - **W1** The clock never goes back.
//! - **W2** Nothing in here depends on addresses, on hash maps, or on anything outside its own fields.

use crate::base::rng::{Rng, mix};

/// What happens to tasks; the one stream of events that the hash folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// A task was born.
    Spawn = 1,
    /// Its poll begins.
    Poll,
    /// That poll said Pending; the number says what for (`task::wait`).
    Wait,
    /// It was put back into a queue.
    Wake,
    /// It is over.
    Finish,
    /// The driver handed out so many wake-ups.
    Deliver,
    /// The clock went to this moment.
    Leap,
    /// One of several was drawn.
    Choice,
}

/// One world, made from one seed.
#[derive(Debug)]
pub(crate) struct World {
    /// Nanoseconds since the world began.
    now_ns: u64,
    /// Every choice draws from it.
    rng: Rng,
    /// Folds each event into what came before.
    hash: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self { now_ns: 0, rng: Rng::new(seed), hash: mix(seed) }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Nothing is left to do before this moment, so it is now (W1: unless it is past).
    pub(crate) fn leap_to(&mut self, ns: u64) {
        self.now_ns = self.now_ns.max(ns);
        self.record(Event::Leap, self.now_ns);
    }

    /// One of `0..n`, drawn from the seed. `key` says what is being chosen, so that a choice keeps its meaning in the
    /// hash when another kind of choice is added before it.
    pub(crate) fn choose(&mut self, key: &'static str, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        let chosen = self.rng.below(n);
        let key = key.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        self.record(Event::Choice, key ^ chosen as u64);
        chosen
    }

    pub(crate) fn record(&mut self, event: Event, number: u64) {
        self.hash = mix(self.hash.rotate_left(7) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ event as u64);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(seed: u64) -> (Vec<usize>, u64) {
        let mut world = World::new(seed);
        let chosen = (0..50).map(|_| world.choose("test", 10)).collect();
        world.leap_to(5);
        world.leap_to(3);
        assert_eq!(world.now_ns(), 5, "W1");
        (chosen, world.hash())
    }

    #[test]
    fn the_same_seed_lives_the_same_life() {
        assert_eq!(live(1), live(1));
        assert_ne!(live(1), live(2));
    }

    #[test]
    fn the_hash_tells_events_and_their_order_apart() {
        let hash = |events: &[(Event, u64)]| {
            let mut world = World::new(0);
            events.iter().for_each(|&(event, number)| world.record(event, number));
            world.hash()
        };
        assert_ne!(hash(&[(Event::Spawn, 1), (Event::Poll, 1)]), hash(&[(Event::Poll, 1), (Event::Spawn, 1)]));
        assert_ne!(hash(&[(Event::Spawn, 1)]), hash(&[(Event::Spawn, 2)]));
    }
}
