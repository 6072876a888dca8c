//! What the tests of time have in common: durations, a simulation, futures polled by hand, and panics looked at.

use mainspring::runtime::{Builder, Runtime};
use mainspring::time::Duration;
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};

pub(super) const NS: Duration = Duration::from_nanos(1);
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

pub(super) fn simulated() -> Runtime {
    Builder::new_simulated(7).build().expect("a simulation needs nothing from the system")
}

/// Polls all of them whenever one may be ready; gives (index, output) in the order in which they were.
pub(super) async fn all<F: Future>(futures: Vec<F>) -> Vec<(usize, F::Output)> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut outputs = Vec::new();
    poll_fn(|cx| {
        for (index, place) in waiting.iter_mut().enumerate() {
            if let Some(future) = place
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                outputs.push((index, output));
                *place = None;
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

pub(super) fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Numbers that look random, the same ones every time.
pub(super) fn scatter(n: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

/// Does something when it is woken, and counts.
pub(super) struct Then<F> {
    pub(super) count: AtomicUsize,
    act: F,
}

impl<F: Fn() + Send + Sync> Wake for Then<F> {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        (self.act)();
    }
}

pub(super) fn then<F: Fn() + Send + Sync + 'static>(act: F) -> (Arc<Then<F>>, Waker) {
    let then = Arc::new(Then { count: AtomicUsize::new(0), act });
    (then.clone(), Waker::from(then))
}

thread_local! {
    /// Where this thread panicked last.
    static PANICKED_AT: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Runs something that panics; gives what it said, and at which file and line.
pub(super) fn panic_of(body: impl FnOnce()) -> (String, (String, u32)) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| (at.file().to_owned(), at.line()));
            PANICKED_AT.set(place);
            previous(info);
        }));
    });
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("it should have panicked");
    let text = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().expect("a panic's payload is text")).to_owned(),
    };
    (text, PANICKED_AT.take().expect("the hook ran on this thread"))
}
