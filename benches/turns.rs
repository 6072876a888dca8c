//! What a turn through the run queue costs, with a queue that is never empty. The floor is a loop over the same futures.

use super::common::case::{Case, Class, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::runtime::{Leaves as _, Runtime};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<YieldMany>()
}

/// So many tasks are in the queue.
const TASKS: usize = 1_000;

/// A thousand tasks, a thousand yields each.
struct YieldMany;

impl Workload for YieldMany {
    const NAME: &'static str = "yield_many";
    const YIELDS: bool = true;
    const FLOOR: Option<fn(Size) -> Figures> = Some(polled_in_turn);

    fn run<R: Runtime>(size: Size) -> Figures {
        let yields = size.of(1_000);
        per_operation::<R>(TASKS * yields, |runtime| {
            let begun = Arc::new(AtomicUsize::new(0));
            let in_turn = runtime.run(async move {
                let spawn = |_| R::spawn(yield_often::<R>(yields, Arc::clone(&begun)));
                let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
                let mut in_turn = 0;
                for task in tasks {
                    in_turn += usize::from(task.await.expect("yielding does not panic"));
                }
                in_turn
            });
            // With two workers, one may be done with its share before the other has begun.
            let all = if R::CLASS == Class::OneThread { TASKS } else { 0 };
            assert!(in_turn >= all, "whoever yields lets the others pass");
        })
    }
}

/// True if every other task had begun when this one was done.
async fn yield_often<R: Runtime>(yields: usize, begun: Arc<AtomicUsize>) -> bool {
    begun.fetch_add(1, Ordering::AcqRel);
    for _ in 0..yields {
        <R::Leaves>::yield_now().await;
    }
    begun.load(Ordering::Acquire) == TASKS
}

/// Futures in a queue, polled in turn by a loop that asks nobody who is ready: they all are.
fn polled_in_turn(size: Size) -> Figures {
    let yields = size.of(1_000);
    of_second_pass(TASKS * yields, || {
        let mut queue: VecDeque<Pin<Box<dyn Future<Output = usize>>>> = VecDeque::new();
        (0..TASKS).for_each(|_| queue.push_back(Box::pin(pend_often(yields))));
        let mut cx = Context::from_waker(Waker::noop());
        let mut yielded = 0;
        while let Some(mut task) = queue.pop_front() {
            match task.as_mut().poll(&mut cx) {
                Poll::Ready(count) => yielded += count,
                Poll::Pending => queue.push_back(task),
            }
        }
        assert_eq!(yielded, TASKS * yields, "every future was polled as often as it wanted");
    })
}

async fn pend_often(times: usize) -> usize {
    for _ in 0..times {
        let mut polled = false;
        poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
    times
}
