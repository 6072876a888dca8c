//! The poll budget: a task that always finds its operations ready must still let others run.
//!
//! Every leaf operation that is ready at once charges one unit. One that has to try before it knows charges first and gets
//! the unit back if it must wait: charged for waiting, the 129th of a thousand leaves in a `join_all` would find nothing
//! left at every poll, and the task would spin. When the budget of a poll is used up the
//! leaf wakes its task and returns `Pending`, which sends the task to the back of the queue. The idea is tokio's
//! (Carl Lerche, "Reducing tail latencies with automatic cooperative task yielding", 2020). Two bounds hold: a count,
//! and a time, since 128 operations of a megabyte each are not a short poll.

use super::late::Late;
use super::wait::Objects;
use crate::base::context::{self, Claim, Index, Slot};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Operations a poll may complete. 128 keeps a poll of cheap operations near 10 us.
pub(super) const OPERATIONS_PER_POLL: u32 = 128;
/// How often the time is looked at: the clock costs 23 ns, an operation about as much.
const OPERATIONS_PER_LOOK: u32 = 32;

/// What the current core tells this ring; filled by `sched`.
pub(crate) struct TimeSlice {
    /// Has its present turn lasted too long? `sched` has the clock.
    is_over: Box<dyn Fn() -> bool + Send>,
    /// Where numbers for objects come from.
    pub(super) objects: Objects,
    /// Who is woken when the present batch is over.
    pub(super) late: Arc<Late>,
    /// Which runtime's, as a number that no other living one has; neither 0 nor the greatest.
    pub(super) runtime: usize,
}

impl TimeSlice {
    pub(crate) fn new(
        is_over: impl Fn() -> bool + Send + 'static,
        objects: Objects,
        late: Arc<Late>,
        runtime: usize,
    ) -> Self {
        Self { is_over: Box::new(is_over), objects, late, runtime }
    }
}

/// The current core's time slice.
pub(crate) static TIME_SLICE: Slot<TimeSlice> = Slot::of::<2>();

impl Claim for Index<2> {
    type Lent = TimeSlice;
}

/// Bytes that a poll may copy on the thread of its worker; 256 KiB take some 25 us.
pub(crate) const BYTES_PER_POLL: usize = 256 * 1024;

/// Charges for so many bytes copied, beside the unit that the operation has cost: all of [`BYTES_PER_POLL`] use the budget up.
#[inline]
pub(crate) fn charge_bytes(count: usize) {
    let units = count.div_ceil(BYTES_PER_POLL / OPERATIONS_PER_POLL as usize);
    context::charge_more(u32::try_from(units).unwrap_or(u32::MAX));
}

/// The leaf that charged has to wait after all: it gets its unit back.
#[inline]
pub(crate) fn refund() {
    context::refund();
}

/// For a poll that is all there will be: a job that drives futures of its own would find the budget used up for good.
pub(crate) fn lift() {
    context::lift_budget();
}

/// Charges one unit. Pending, with the task woken already, when the budget is used up: return it at once.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    match context::charge() {
        Some(left) if left % OPERATIONS_PER_LOOK != 0 || left == u32::MAX => Poll::Ready(()),
        Some(_) => {
            if TIME_SLICE.with(|slice| slice.is_some_and(|slice| (slice.is_over)())) {
                context::exhaust_budget();
            }
            Poll::Ready(())
        }
        None => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}
