//! Waiting on a plain thread.

use crate::base::quiet::drop_quietly;
use crate::task::{POOL, may_block};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Parks this thread until the future is ready. `call` names the function for the panic's text.
///
/// # Panics
/// If the thread is a worker's, in the middle of a poll: it would stop everything that the worker has to run, and often for
/// good. In a simulation blocking jobs run among the tasks, so that there a job may wait no more than a task may.
#[track_caller]
pub(super) fn wait<F: Future>(call: &str, future: F) -> F::Output {
    assert!(
        may_block(),
        "`{call}` inside an async task would stop its worker: await the async function of that name, or use `spawn_blocking`"
    );
    let mut future = pin!(future);
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(false) });
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            drop_quietly(waker);
            return output;
        }
        assert!(
            POOL.as_ptr().is_null(),
            "`{call}` in a blocking job of a simulation would wait for ever: jobs run among the tasks there"
        );
        bell.wait();
    }
}

/// Wakes a parked thread.
struct Bell {
    thread: Thread,
    /// The thread may be woken by others and for other reasons.
    rung: AtomicBool,
}

impl Bell {
    fn wait(&self) {
        // ORDER: Acquire, pairs with the Release in `wake_by_ref`: what was done before the wake is seen by the next poll.
        while !self.rung.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDER: Release, pairs with the swap in `wait`.
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
