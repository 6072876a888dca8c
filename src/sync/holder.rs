//! Who waits where, or holds what.

use std::fmt;
use std::panic::Location;

/// A task and a line of the user's code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The task's number; 0 for a plain thread or a stranger's executor.
    pub(crate) task: u64,
    pub(crate) at: &'static Location<'static>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            0 => write!(f, "no task of ours, at {}", self.at),
            task => write!(f, "task {task}, at {}", self.at),
        }
    }
}
