//! Stepping aside for one round.

use super::wait::{self, Wait, WaitKind};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets other tasks that are ready run first.
///
/// The task goes to the back of its queue: what stands in that queue already has its turn before the call returns. The main
/// future of `block_on` and local tasks have a queue of their own, which takes turns with that of the other tasks by batches.
///
/// # Cancellation
/// **Strict.** Dropping this future has no effect.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Builder::new_current_thread().build()?;
/// let order = runtime.block_on(async {
///     let (log, seen) = std::sync::mpsc::channel();
///     let other = log.clone();
///     let task = mainspring::spawn(async move { other.send("other") });
///     mainspring::task::yield_now().await;
///     log.send("me").unwrap();
///     task.await.unwrap().unwrap();
///     seen.try_iter().collect::<Vec<_>>()
/// });
/// assert_eq!(order, ["other", "me"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false, at: Location::caller() }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct YieldNow {
    /// The first poll steps aside, the second one is done.
    yielded: bool,
    at: &'static Location<'static>,
}

impl Future for YieldNow {
    type Output = ();

    /// Compiled where it is awaited: then the note finds the task it belongs to at once, and not by a call (8 of 187
    /// instructions a poll).
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        wait::note(Wait { kind: WaitKind::Yield, object: 0, at: self.at });
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
