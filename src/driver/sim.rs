//! The simulated driver: no kernel, no waiting. When everything is idle the clock leaps to the next timer.

use crate::base::atomic::Mutex;
use crate::world::{Event, World};

/// One simulated world behind a lock, since handles may ask for the time from any thread.
#[derive(Debug)]
pub(crate) struct Sim {
    world: Mutex<World>,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Self { world: Mutex::new(World::new(seed)) }
    }

    #[cold]
    pub(crate) fn now_ns(&self) -> u64 {
        self.world.lock().now_ns()
    }

    /// Everything is idle: leaps to the deadline. False if there is none, and then nothing can ever happen again.
    pub(crate) fn leap(&self, deadline_ns: Option<u64>) -> bool {
        if let Some(deadline) = deadline_ns {
            self.world.lock().leap_to(deadline);
        }
        deadline_ns.is_some()
    }

    pub(crate) fn choose(&self, key: &'static str, n: usize) -> usize {
        self.world.lock().choose(key, n)
    }

    pub(crate) fn record(&self, event: Event, number: u64) {
        self.world.lock().record(event, number);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.world.lock().hash()
    }
}
