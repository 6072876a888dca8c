//! What a group's handles, its children and its scope have in common.

use super::book::{Book, Entry, Room};
use super::cancel::{CancellationToken, HARD, SOFT};
use super::child::Child;
use super::error::{ChildError, Failure, GroupError};
use super::job::Job;
use super::member::Member;
use crate::base::atomic::Mutex;
use crate::base::quiet::bury;
use crate::runtime::Handle;
use crate::task::{AbortHandle, CancelCause, Id, JoinError, JoinHandle, try_id};
use crate::time::Instant;
use std::any::Any;
use std::mem;
use std::panic::Location;
use std::sync::Arc;

/// The shared part of a group.
pub(super) struct Shared<E> {
    /// Who is inside.
    pub(super) book: Book<AbortHandle>,
    /// Heard by every child and by the body.
    pub(super) token: CancellationToken,
    /// The nearest of all deadlines around and of its own.
    pub(super) deadline: Option<Instant>,
    /// Where the children run.
    pub(super) runtime: Handle,
    /// Whether a child waits for room before it runs.
    pub(super) has_limit: bool,
    outcome: Mutex<Outcome<E>>,
}

/// How a child is called in reports.
#[derive(Clone)]
pub(super) struct Label {
    pub(super) name: Option<String>,
    /// Where it was spawned.
    pub(super) at: &'static Location<'static>,
}

impl Label {
    /// Of one without a name.
    pub(super) fn at(at: &'static Location<'static>) -> Self {
        Self { name: None, at }
    }
}

/// How it went so far.
struct Outcome<E> {
    /// In the order in which they happened.
    failures: Vec<Failure<E>>,
    /// The first cancel came from one of the failures.
    is_own_failure: bool,
    /// The scope's future is gone, so that nobody will read any of this.
    is_orphaned: bool,
}

impl<E> Shared<E> {
    pub(super) fn new(
        token: CancellationToken,
        deadline: Option<Instant>,
        runtime: Handle,
        running_max: usize,
    ) -> Arc<Self> {
        let outcome = Outcome { failures: Vec::new(), is_own_failure: false, is_orphaned: false };
        Arc::new(Self {
            book: Book::new(running_max),
            token,
            deadline,
            runtime,
            has_limit: running_max < usize::MAX,
            outcome: Mutex::new(outcome),
        })
    }

    /// Makes a task of a child that has passed the door: M1 holds for it from here on. `None` if the group is closing; the
    /// future is dropped then.
    pub(super) fn spawn_member<T, F>(
        self: &Arc<Self>,
        future: F,
        mut room: Room,
        label: Label,
    ) -> Option<JoinHandle<Result<T, ChildError>>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let Some(entry) = self.enter(&mut room) else {
            self.book.give_room_back(room);
            return None;
        };
        let (place, number, Label { name, at }) = (entry.place, entry.number, label);
        let member = Member::new(future, self.clone(), entry, room, at);
        let task = self.runtime.spawn_named(member, name, at);
        self.attach(place, number, &task);
        Some(task)
    }

    /// A place in the book; and for one that has not asked for room yet, room or a place in line for it.
    pub(super) fn enter(&self, room: &mut Room) -> Option<Entry> {
        if self.token.is_cancelled() { None } else { self.book.enter(room) }
    }

    fn attach<T>(&self, place: usize, number: u64, task: &JoinHandle<T>) {
        if let Some(handle) = self.book.attach(place, number, task.abort_handle()) {
            handle.wake();
        }
    }

    /// As above, for a handle.
    pub(super) fn spawn<T, F>(self: &Arc<Self>, future: F, room: Room, label: Label) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        match self.spawn_member(future, room, label) {
            Some(task) => Child::of(task),
            None => Child::refused(self.cause()),
        }
    }

    /// Makes a child of what blocks.
    pub(super) fn spawn_job<T, J>(self: &Arc<Self>, job: J, label: Label) -> Child<T>
    where
        J: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let mut room = Room::New;
        let Some(entry) = self.enter(&mut room) else { return Child::refused(self.cause()) };
        let (place, number) = (entry.place, entry.number);
        let Label { name, at } = label.clone();
        let task = self.runtime.spawn_named(Job::new(job, self.clone(), (entry, room), label), name, at);
        self.attach(place, number, &task);
        Child::of(task)
    }

    /// Something went wrong. The first time the others are asked to end because of it.
    pub(super) fn fail(&self, failure: Failure<E>, by: Option<Id>) {
        let cause = match &failure {
            Failure::Cancelled(cause) => cause.clone(),
            Failure::Error(_) | Failure::Panicked(_) => CancelCause::Failed { by },
        };
        let mut outcome = self.outcome.lock();
        let is_cancel = matches!(failure, Failure::Cancelled(_));
        let is_news = !outcome.is_orphaned && (!is_cancel || outcome.failures.is_empty());
        let unwanted = if is_news { outcome.failures.push(failure); None } else { Some(failure) };
        drop(outcome);
        unwanted.into_iter().for_each(tell_of_lost);
        let is_first = self.token.raise(SOFT, cause);
        self.outcome.lock().is_own_failure |= is_first;
    }

    /// A panic went wrong, in the task that runs. Where none does (another executor polls, or drops) it gets a number that is no task's.
    pub(super) fn fail_by_panic(&self, payload: Box<dyn Any + Send>) {
        let by = try_id();
        let id = by.unwrap_or_else(|| self.runtime.unused_id());
        self.fail(Failure::Panicked(JoinError::panicked(id, payload)), by);
    }

    /// Somebody with a handle asks all to end.
    pub(super) fn ask(&self, message: Option<Arc<str>>) {
        self.token.raise(SOFT, CancelCause::Asked { by: try_id(), message });
    }

    /// The grace is over: nobody enters, and everybody inside is dropped as soon as what is open in it has ended.
    pub(super) fn end_grace(&self, cause: CancelCause) {
        self.token.abort(cause);
        self.book.close();
        self.book.rouse().iter().for_each(AbortHandle::wake);
    }

    /// The scope's future goes before its children have ended.
    pub(super) fn orphan(&self) -> Vec<Failure<E>> {
        let mut outcome = self.outcome.lock();
        outcome.is_orphaned = true;
        mem::take(&mut outcome.failures)
    }

    pub(super) fn is_orphaned(&self) -> bool {
        self.outcome.lock().is_orphaned
    }

    /// Why it was cancelled; for one that is closed without a cancel, that it is over.
    pub(super) fn cause(&self) -> CancelCause {
        self.token.cause().unwrap_or(CancelCause::ScopeEnded)
    }

    /// All have ended: the value, or what went wrong.
    pub(super) fn result<R>(&self, value: Option<R>) -> Result<R, GroupError<E>> {
        let mut outcome = self.outcome.lock();
        let mut failures = mem::take(&mut outcome.failures);
        let is_own_failure = outcome.is_own_failure;
        drop(outcome);
        let is_own_wish = self.token.was_asked_alone();
        let is_cancelled = self.token.level() >= SOFT && !is_own_failure && !(is_own_wish && value.is_some());
        if is_cancelled && !failures.iter().any(|failure| matches!(failure, Failure::Cancelled(_))) {
            failures.insert(0, Failure::Cancelled(self.cause()));
        }
        match (GroupError::of(failures), value) {
            (None, Some(value)) => Ok(value),
            (Some(error), _) => Err(error),
            (None, None) => unreachable!("a body without a value has failed or was cancelled"),
        }
    }

    pub(super) fn is_hard(&self) -> bool {
        self.token.level() == HARD
    }
}

/// A failure that nobody will read. A panic does not die silently.
pub(super) fn tell_of_lost<E>(failure: Failure<E>) {
    if let Failure::Panicked(error) = failure {
        eprintln!("mainspring: {error}; its scope was dropped before it could say so");
        error.try_into_panic().into_iter().for_each(bury);
    }
}
