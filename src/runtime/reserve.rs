//! A place in the queue of blocking jobs, waited for.

use super::spawn::{Builder, current};
use crate::sched::blocking::Place;
use crate::sched::shared::Shared;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{JoinHandle, budget};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Waits until fewer jobs wait than [`max_blocking_queue`](crate::runtime::Builder::max_blocking_queue) allows, and keeps a
/// place for one: the back-pressure that [`spawn_blocking`](crate::task::spawn_blocking), which never waits, does not give.
///
/// Those who wait are served in the order of their first poll, and while anybody waits
/// [`try_spawn_blocking`](crate::task::try_spawn_blocking) says that the queue is full. When the runtime ends, all of them get
/// their permit at once; what is spawned with it is cancelled, as every job is then.
///
/// Leaked (`mem::forget`) it keeps its place in line, and a leaked permit its place in the queue, until the runtime ends: whoever stands behind
/// waits until then.
///
/// # Cancellation
/// **Strict.** Dropping it gives up the place in line, and passes on a place that it was given.
///
/// # Panics
/// Outside a runtime; and where the queue may hold nothing, for then there is never a place.
///
/// # Examples
/// ```
/// use mainspring::task::reserve_blocking;
/// let builder = mainspring::runtime::Builder::new_current_thread();
/// let runtime = builder.max_blocking_threads(1).max_blocking_queue(8).build()?;
/// let sum = runtime.block_on(async {
///     let mut jobs = Vec::new();
///     for n in 0..100_u64 {
///         jobs.push(reserve_blocking().await.spawn_blocking(move || n)); // 8 wait at the most
///     }
///     let mut sum = 0;
///     for job in jobs {
///         sum += job.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 4_950);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn reserve_blocking() -> ReserveBlocking {
    let shared = current("reserve_blocking");
    assert!(
        shared.config.limits.queue_max > 0,
        "`reserve_blocking` would wait for ever: `max_blocking_queue` is 0, so that no job may wait"
    );
    ReserveBlocking { shared, number: None, at: Location::caller() }
}

/// Future of [`reserve_blocking`].
///
/// # Cancellation
/// **Strict.** Dropping it gives up the place in line, and passes on a place that it was given.
#[must_use = "futures do nothing unless awaited"]
pub struct ReserveBlocking {
    shared: Arc<Shared>,
    /// In line, if it had to wait.
    number: Option<u64>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl Future for ReserveBlocking {
    type Output = BlockingPermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BlockingPermit> {
        ready!(budget::poll_proceed(cx));
        let this = &mut *self;
        if this.shared.poll_place_for_job(&mut this.number, cx.waker()).is_ready() {
            return Poll::Ready(BlockingPermit { shared: this.shared.clone(), is_used: false });
        }
        budget::refund();
        wait::note(Wait { kind: WaitKind::Place, object: 0, at: this.at });
        Poll::Pending
    }
}

impl Drop for ReserveBlocking {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            self.shared.leave_line_for_job(number);
        }
    }
}

impl fmt::Debug for ReserveBlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveBlocking").field("waits", &self.number.is_some()).field("at", &self.at).finish()
    }
}

/// A place for one blocking job, from [`reserve_blocking`]. Dropping it gives the place back.
#[must_use = "dropped, it gives the place back"]
pub struct BlockingPermit {
    shared: Arc<Shared>,
    /// Its job is in the queue.
    is_used: bool,
}

impl BlockingPermit {
    /// Spawns the job in its place; see [`spawn_blocking`](crate::task::spawn_blocking). It runs on the runtime that the permit
    /// is of.
    #[track_caller]
    pub fn spawn_blocking<F, R>(mut self, job: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.is_used = true;
        self.shared.spawn_blocking(job, Builder::new().birth(Location::caller()), Place::Reserved)
    }
}

impl Drop for BlockingPermit {
    fn drop(&mut self) {
        if !self.is_used {
            self.shared.release_place_for_job();
        }
    }
}

impl fmt::Debug for BlockingPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingPermit")
    }
}
