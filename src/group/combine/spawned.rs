//! `spawned`: a part of a combinator that runs as a task of its own, in parallel.

use super::super::error::Failure;
use super::super::scope::Builder;
use super::super::task_group::TaskGroup;
use crate::task::CancelCause;
use crate::time::Duration;
use std::convert::Infallible;
use std::future::pending;
use std::panic::Location;

/// Runs a future as a task of its own for as long as this future is awaited: as a [`scope`](super::super::scope()) with one child.
///
/// For the parts of a [`race`](super::super::race()), a [`gather`](super::super::gather()), a `join!` that shall run in parallel, on any
/// worker, instead of in turn. Unlike the handle of a [`spawn`](crate::spawn()) it does not let the task run on when it is not wanted any more:
/// a cancel waits until the task has ended, and a drop ends it. The task begins with the first poll.
///
/// # Cancellation
/// **Detached**, for a moment, as a [`scope`](super::super::scope()): dropping this future cancels the task, but cannot wait for its end. A
/// cancel of what is around waits, and so do the combinators.
///
/// # Panics
/// With the future's panic, if it panics. If the runtime shuts down while somebody outside of it waits. Polled outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::group::{gather, spawned};
/// let runtime = mainspring::runtime::Builder::new_multi_thread().workers(2).build()?;
/// let sums = runtime.block_on(gather((1..=4u64).map(|n| {
///     spawned(async move { Ok::<_, std::io::Error>((1..=n * 1_000).sum::<u64>()) })
/// })));
/// assert_eq!(sums?, [500_500, 2_001_000, 4_501_500, 8_002_000]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawned<F>(future: F) -> impl Future<Output = F::Output> + Send
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let at = Location::caller();
    async move {
        let mut output = None;
        // Its grace is that of what is around, which has the last word.
        let scope = Builder::new().grace(Duration::MAX).scope_at(
            async |group: TaskGroup<Infallible>| {
                output = group.spawn_at(async { Ok(future.await) }, at).await.ok();
                Ok(())
            },
            at,
        );
        let ended = scope.await;
        match output {
            Some(output) => output,
            None => no_output(ended.err().into_iter().flatten()).await,
        }
    }
}

/// Why there is none: it panicked, it was cancelled with all that is around, or its runtime has ended.
async fn no_output<T>(failures: impl Iterator<Item = Failure<Infallible>>) -> T {
    for failure in failures {
        match failure {
            Failure::Panicked(error) => error.resume(),
            Failure::Cancelled(CancelCause::Shutdown) => {
                panic!("a `spawned` future was dropped before its end: its runtime has shut down")
            }
            Failure::Cancelled(_) | Failure::Error(_) => {}
        }
    }
    // What is around is about to be dropped.
    pending().await
}
