//! A task's number.

use super::header::current_id;
use std::fmt;
use std::num::NonZeroU64;

/// Names one task of a runtime. Numbers grow from 1 and are never used twice within a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

impl Id {
    /// From a header's field; `None` for 0, which stands for "no task".
    pub(crate) fn from_u64(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    /// As it stands in the header.
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of the task that is running.
///
/// # Panics
/// Outside a task; [`try_id`] asks instead.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { mainspring::task::id() });
/// let id = task.id();
/// assert_eq!(runtime.block_on(task).unwrap(), id);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id().expect("`task::id` needs a task: call it inside `spawn` or `block_on`, or use `task::try_id`")
}

/// The id of the task that is running, or `None` outside a task.
///
/// # Examples
/// ```
/// assert_eq!(mainspring::task::try_id(), None);
/// ```
pub fn try_id() -> Option<Id> {
    Id::from_u64(current_id())
}
