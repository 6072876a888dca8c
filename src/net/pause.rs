//! Timers inside operations: for what the kernel gives no event of.
//!
//! A full backlog of a Unix listener, a full queue of a datagram socket that is not connected, descriptors that have run
//! out: nobody tells when there is room again, so one has to look from time to time.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::driver::source::runtime_is_gone;
use crate::driver::{self, Driver, Timer};

/// A timer that wakes a task. Dropping it takes it back.
#[derive(Debug)]
pub(super) struct Pause {
    /// Always there until the drop.
    timer: Option<Timer>,
}

impl Pause {
    /// Sees to it that this task is woken then, whether or not the slot holds a timer already.
    pub(super) fn keep(
        slot: &mut Option<Self>,
        driver: &Arc<Driver>,
        until_ns: u64,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let set = slot.as_ref().and_then(|pause| pause.timer.as_ref());
        if !set.is_some_and(|timer| timer.driver.timer_update(timer.key, cx.waker())) {
            let timer = driver.timer_set(until_ns, &mut Some(cx.waker().clone())).ok_or_else(runtime_is_gone)?;
            *slot = Some(Self { timer: Some(timer) });
        }
        Ok(())
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

/// Time that has to pass, counted from the first poll.
#[derive(Debug, Default)]
pub(super) struct Delay {
    /// On whose clock, and when it will have passed; none before the first poll and after the end.
    running: Option<(Arc<Driver>, u64)>,
    /// The timer for it.
    pause: Option<Pause>,
}

impl Delay {
    /// Ready when so much time has passed, and begins anew with the next call. Which operation it is for is said in the
    /// panic if there is no runtime.
    pub(super) fn poll(
        &mut self,
        length_ns: u64,
        operation: &'static str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (driver, until_ns) = self.running.get_or_insert_with(|| {
            let driver = driver::current(operation);
            let until_ns = driver.now_ns().saturating_add(length_ns);
            (driver, until_ns)
        });
        if driver.now_ns() >= *until_ns {
            self.stop();
            return Poll::Ready(Ok(()));
        }
        Pause::keep(&mut self.pause, driver, *until_ns, cx)?;
        Poll::Pending
    }

    /// Forgets what has passed.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }
}
