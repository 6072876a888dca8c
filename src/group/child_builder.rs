//! Children with names.

use super::child::Child;
use super::shared::Label;
use super::task_group::{SpawnWait, TaskGroup};
use std::convert::Infallible;
use std::fmt;
use std::panic::Location;

/// Gives a child what [`TaskGroup::spawn`] does not: a name. As [`task::Builder`](crate::task::Builder) does for tasks.
///
/// # Examples
/// ```
/// use mainspring::group::{TaskGroup, scope};
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let name = runtime.block_on(scope(async |group: TaskGroup| {
///     let child = group.build_task().name("listener").spawn(async { Ok(()) });
///     let name = child.name().map(str::to_owned);
///     child.await.expect("nothing fails here");
///     Ok(name)
/// }));
/// assert_eq!(name.unwrap().as_deref(), Some("listener"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until it spawns"]
pub struct ChildBuilder<'a, E = Infallible> {
    group: &'a TaskGroup<E>,
    name: Option<String>,
}

impl<'a, E> ChildBuilder<'a, E> {
    pub(super) fn new(group: &'a TaskGroup<E>) -> Self {
        Self { group, name: None }
    }

    /// The name that reports, panics and [`Child::name`] show.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn label(self, at: &'static Location<'static>) -> (&'a TaskGroup<E>, Label) {
        (self.group, Label { name: self.name, at })
    }

    /// As [`TaskGroup::spawn`].
    #[track_caller]
    pub fn spawn<T, F>(self, future: F) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (group, label) = self.label(Location::caller());
        group.spawn_as(future, label)
    }

    /// As [`TaskGroup::spawn_wait`].
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future drops the child's, which was not spawned.
    #[track_caller]
    pub fn spawn_wait<T, F>(self, future: F) -> SpawnWait<'a, F, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (group, label) = self.label(Location::caller());
        group.spawn_wait_as(future, label)
    }

    /// As [`TaskGroup::spawn_blocking`].
    ///
    /// # Cancellation
    /// **Detached.** A job that has begun cannot be stopped; the scope waits for it.
    #[track_caller]
    pub fn spawn_blocking<T, J>(self, job: J) -> Child<T>
    where
        J: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (group, label) = self.label(Location::caller());
        group.shared.spawn_job(job, label)
    }
}

impl<E> fmt::Debug for ChildBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildBuilder").field("name", &self.name).field("group", self.group).finish()
    }
}
