//! What a new task is told about itself.

use super::extra::Extra;
use super::header::CURRENT;
use super::local;
use std::panic::Location;

/// What a new task is told about itself.
pub(crate) struct Birth {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) born_ms: u32,
    pub(crate) daemon: bool,
    pub(crate) is_job: bool,
}

impl Birth {
    /// Of a task that the current one, if any, spawns at this place: without a name, and neither a daemon nor a job. Its number
    /// and date are the scheduler's to fill in.
    #[inline(always)]
    pub(crate) fn at(spawned_at: &'static Location<'static>) -> Self {
        let (parent, extra) = CURRENT.with(|parent| (parent.map_or(0, |parent| parent.id), local::for_child(parent)));
        Self { id: 0, parent, spawned_at, extra, born_ms: 0, daemon: false, is_job: false }
    }

    /// With this name, if there is one.
    #[inline(always)]
    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        if let Some(name) = name {
            set_name(&mut self.extra, name);
        }
        self
    }

    /// Of the main future of a `block_on`, which sees the task-locals of its caller. `run` waits for main by itself, so main is
    /// not counted.
    pub(crate) fn of_main(spawned_at: &'static Location<'static>) -> Self {
        let mut birth = Self { parent: 0, daemon: true, ..Self::at(spawned_at) };
        local::show_scopes(&mut birth.extra);
        birth
    }

    /// It has a thread to itself, and inherits what threads do.
    pub(crate) fn becomes_job(&mut self) {
        self.is_job = true;
        if let Some(extra) = &mut self.extra {
            extra.keep_for_thread();
        }
    }

    /// See [`Header::name`].
    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name()
    }
}

#[cold]
fn set_name(extra: &mut Option<Box<Extra>>, name: String) {
    extra.get_or_insert_default().set_name(name);
}
