#![allow(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
//! The clock: nanoseconds since the runtime began, true or coarse.
//!
//! `Instant::now` costs 23 ns here, as much as a whole run of an empty task. So a worker reads it when it turns its
//! driver and every batch of polls, and what is not urgent (spawn times, time slices) uses that reading and says that it
//! is coarse. What promises not to be early (timers) reads the true clock.

use std::time::{Duration, Instant};

/// The real clock, for what runs outside every runtime.
pub(crate) fn real_now() -> Instant {
    Instant::now()
}

/// A runtime's zero point.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { epoch: real_now() }
    }

    /// The true clock.
    pub(crate) fn now_ns(&self) -> u64 {
        self.ns_of(real_now())
    }

    /// Nanoseconds since the epoch: 0 before it, and `u64::MAX` (584 years) for what lies beyond.
    pub(crate) fn ns_of(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant that many nanoseconds after the epoch.
    pub(crate) fn instant_of(&self, ns: u64) -> Instant {
        self.epoch.checked_add(Duration::from_nanos(ns)).unwrap_or(self.epoch)
    }
}
