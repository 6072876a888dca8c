//! What the tests of locks share.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (bell.clone(), Waker::from(bell))
    }

    /// How often it was rung.
    pub(crate) fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that does not care where it is.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Polls once.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Polls once, for an answer that is there already.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match poll(&mut Box::pin(future), Waker::noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not to be had at once"),
    }
}

/// So many for each of the six, which takes some ten seconds; `PROPTEST_CASES=100000` is for longer nights.
const SEQUENCES: u32 = 4_000;

/// Runs random sequences of such steps.
pub(crate) fn check<S: Strategy>(step: S, run: impl Fn(Vec<S::Value>)) {
    let default = Config::default();
    let config = Config { cases: SEQUENCES.max(default.cases), failure_persistence: None, ..default };
    let sequences = prop::collection::vec(step, 1..24);
    TestRunner::new(config)
        .run(&sequences, |steps| {
            run(steps);
            Ok(())
        })
        .unwrap();
}
