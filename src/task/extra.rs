//! What hardly any task has: a name, and values that it has inherited.
//!
//! It stands in an allocation of its own, so that those which have neither pay a null pointer for both.

use super::header::Header;
use std::any::Any;
use std::sync::Arc;

/// Fixed at birth; read by anybody who holds the task.
#[derive(Default)]
pub(crate) struct Extra {
    /// Given by the builder.
    name: Option<Box<str>>,
    /// Of task-local keys, from whoever spawned it. What only threads inherit is among it, for at birth nobody knows yet whether
    /// this becomes a job: see [`Header::inherited`].
    inherited: Option<Inherited>,
    /// The main future of a `block_on`: it inherits whatever its caller sees.
    pub(super) is_main: bool,
    /// Such a one, and its caller was in a scope: what is in force there is so for it, too.
    pub(super) sees_its_thread: bool,
}

/// A value that is shared with the children.
pub(super) type Carried = Arc<dyn Any + Send + Sync>;

/// One inherited value.
#[derive(Clone)]
pub(super) struct Entry {
    /// The address of its key.
    pub(super) key: usize,
    /// To whom it passes on.
    pub(super) heirs: Heirs,
    pub(super) value: Carried,
}

/// Who inherits the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heirs {
    /// Tasks that are spawned while it is in scope.
    pub(super) tasks: bool,
    /// Blocking jobs, and threads of the runtime's making.
    pub(super) threads: bool,
}

impl Heirs {
    pub(super) const NOBODY: Self = Self { tasks: false, threads: false };
}

/// What a task has inherited: never empty, and never changed. Children that add nothing share it.
#[derive(Clone)]
pub(super) struct Inherited(Arc<[Entry]>);

impl Inherited {
    /// `None` of nothing.
    pub(super) fn of(entries: Vec<Entry>) -> Option<Self> {
        (!entries.is_empty()).then(|| Self(entries.into()))
    }

    /// What of this passes on to a thread.
    fn of_thread(self) -> Option<Self> {
        if self.0.iter().all(|entry| entry.heirs.threads) {
            return Some(self);
        }
        Self::of(self.0.iter().filter(|entry| entry.heirs.threads).cloned().collect())
    }
}

impl Extra {
    pub(super) fn of(inherited: Inherited) -> Box<Self> {
        Box::new(Self { name: None, inherited: Some(inherited), is_main: false, sees_its_thread: false })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn set_name(&mut self, name: String) {
        self.name = Some(name.into_boxed_str());
    }

    /// Its task becomes a job: what tasks alone inherit goes.
    pub(super) fn keep_for_thread(&mut self) {
        self.inherited = self.inherited.take().and_then(Inherited::of_thread);
    }
}

impl Header {
    /// The name that the builder gave.
    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name()
    }

    /// What this task has inherited and may see, and pass on.
    pub(super) fn inherited(&self) -> impl Iterator<Item = &Entry> {
        let extra = self.extra.as_ref();
        let sees_all = self.flags.get().is_job || extra.is_some_and(|extra| extra.is_main);
        let inherited = extra.and_then(|extra| extra.inherited.as_ref());
        let entries = inherited.map_or(&[][..], |inherited| &inherited.0);
        entries.iter().filter(move |entry| sees_all || entry.heirs.tasks)
    }

    /// The same, if it is all that there is: then a child that adds nothing can share it.
    pub(super) fn inherited_whole(&self) -> Option<&Inherited> {
        let whole = self.extra.as_ref()?.inherited.as_ref()?;
        (self.inherited().count() == whole.0.len()).then_some(whole)
    }
}
