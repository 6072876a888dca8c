#![allow(unsafe_code, reason = "lets a model touch what the lock under test protects")]
//! What the models of locks are made of: a bell to sleep on, and something that only one may touch.

use crate::base::atomic::{Condvar, Mutex, UnsafeCell};
use crate::task::budget::{TIME_SLICE, TimeSlice};
use crate::task::late::Late;
use crate::task::wait::Objects;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A waker that a thread can sleep on, and that counts.
pub(super) struct Bell {
    rung: Mutex<bool>,
    sleeper: Condvar,
    rings: Count,
}

impl Bell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { rung: Mutex::new(false), sleeper: Condvar::new(), rings: Count::new(0) })
    }

    /// How often it was rung.
    pub(super) fn rings(&self) -> u32 {
        self.rings.load(Ordering::Relaxed)
    }

    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !mem::take(&mut *rung) {
            rung = self.sleeper.wait_for(rung, Duration::from_secs(60)).0;
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Ordering::Relaxed);
        *self.rung.lock() = true;
        self.sleeper.notify_one();
    }
}

pub(super) fn poll<F: Future>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Polls until it is ready, asleep in between.
pub(super) fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let bell = Bell::new();
    let waker = Waker::from(bell.clone());
    loop {
        match poll(&mut future, &waker) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.wait(),
        }
    }
}

/// Runs this as the polls of a worker; it says where a batch ends.
pub(super) fn in_batches(late: &Arc<Late>, body: impl FnOnce()) {
    let slice = TimeSlice::new(|| false, Objects::of_core(0, 1), late.clone(), 1);
    TIME_SLICE.scope(&slice, body);
}

/// A number for whoever has a lock; loom watches that nobody else touches it.
pub(super) struct Owned(UnsafeCell<u32>);

impl Owned {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    /// For whoever may write.
    pub(super) fn count(&self) -> u32 {
        self.0.with_mut(|count| {
            // SAFETY: whoever has the lock has the cell. That is what the models prove.
            let count = unsafe { &mut *count };
            *count += 1;
            *count
        })
    }

    /// For whoever may read.
    pub(super) fn read(&self) -> u32 {
        // SAFETY: as in `count`.
        self.0.with(|count| unsafe { *count })
    }
}

// SAFETY: as in `count`.
unsafe impl Sync for Owned {}
