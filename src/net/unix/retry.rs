//! Trying again after a moment, where the kernel tells nobody when there is room.

use std::io;
use std::task::{Context, Poll};

use crate::net::pause::Delay;

/// The first moment: long enough to let the peer run, short enough not to be noticed.
const FIRST_NS: u64 = 1_000_000;

/// Each is twice as long as the one before, up to this: thirty tries a second cost next to nothing.
const LONGEST_NS: u64 = 32_000_000;

/// The moments between tries.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// How often it was tried in vain.
    tries: u32,
    /// The moment that is passing now.
    delay: Delay,
    /// Is one passing?
    is_waiting: bool,
}

impl Retry {
    /// Ready when it is worth a try.
    pub(super) fn poll(&mut self, operation: &'static str, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_waiting {
            return Poll::Ready(Ok(()));
        }
        let length_ns = (FIRST_NS << self.tries.min(8)).min(LONGEST_NS);
        let passed = self.delay.poll(length_ns, operation, cx);
        if passed.is_ready() {
            self.tries += 1;
            self.is_waiting = false;
        }
        passed
    }

    /// The try was in vain.
    pub(super) fn begin(&mut self) {
        self.is_waiting = true;
    }
}
