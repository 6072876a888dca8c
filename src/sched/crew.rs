//! The threads of a runtime's own, of whatever kind: how each begins and ends, and who waits for the last of them.
//!
//! Workers, the pool's threads and dedicated ones all begin here, so that they are inside the runtime, the user's hooks see
//! each come and go, and a shutdown that has reported its end leaves none of them behind in a hook.
//!
//! - **Y1** A thread counts from before it is made until after its last hook.

use super::shared::{RUNTIME, Shared};
use crate::base::atomic::{Condvar, Mutex};
use crate::base::context::{Claim, Index, Slot};
use crate::base::quiet::quietly;
use crate::base::sys;
use crate::driver::DRIVER;
use crate::driver::clock::real_now;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The runtime that this thread was made for, whatever it has entered since.
pub(crate) static CREW: Slot<Arc<Shared>> = Slot::of::<9>();

impl Claim for Index<9> {
    type Lent = Arc<Shared>;
}

/// How many threads there are (Y1).
pub(crate) struct Crew {
    count: Mutex<usize>,
    /// Whoever shuts down waits here for the last one.
    left: Condvar,
}

impl Crew {
    pub(crate) fn new() -> Self {
        Self { count: Mutex::new(0), left: Condvar::new() }
    }

    fn leave(&self) {
        *self.count.lock() -= 1;
        self.left.notify_all();
    }

    /// True if all threads are gone in time.
    pub(crate) fn wait_until_left(&self, timeout: Duration) -> bool {
        let started = real_now();
        let mut count = self.count.lock();
        while *count > 0 {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            (count, _) = self.left.wait_for(count, left);
        }
        true
    }
}

impl Shared {
    /// Makes a thread. `first` runs before the user's hook, `body` between the hooks.
    pub(crate) fn start_thread(
        self: &Arc<Self>,
        name: String,
        stack: Option<usize>,
        first: impl FnOnce() + Send + 'static,
        body: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.clone();
        *self.crew.count.lock() += 1;
        let made = sys::spawn_thread(name, stack, move || {
            first();
            shared.inside(|| {
                CREW.scope(&shared, || {
                    quietly(|| (shared.config.on_thread_start)());
                    body(&shared);
                    quietly(|| (shared.config.on_thread_stop)());
                });
            });
            shared.crew.leave();
        });
        if made.is_err() {
            self.crew.leave();
        }
        made.map(drop)
    }

    /// Makes this the thread's current runtime for the time of `body`. A timer or socket that is first touched by a thread
    /// without a core goes to the first worker's driver.
    pub(crate) fn inside<R>(self: &Arc<Self>, body: impl FnOnce() -> R) -> R {
        RUNTIME.scope(self, || DRIVER.scope(&self.workers[0].driver, body))
    }
}
