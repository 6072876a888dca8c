//! Why a task has no output.

use super::Id;
use crate::base::atomic::Mutex;
use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::{error, fmt, io, panic};

/// A task ended without an output: it panicked, or it was cancelled.
pub struct JoinError {
    /// Boxed so that a `Result<T, JoinError>` is hardly larger than a `T`.
    inner: Box<Inner>,
}

struct Inner {
    id: Id,
    kind: Kind,
}

enum Kind {
    /// In a mutex only so that the error is `Sync`, as every error should be; a payload is `Send` alone.
    Panicked(Mutex<Box<dyn Any + Send>>),
    Cancelled {
        cause: CancelCause,
        started: bool,
    },
}

/// Who cancelled a task or a scope, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelCause {
    /// [`JoinHandle::abort`](super::JoinHandle::abort) or [`AbortHandle::abort`](super::AbortHandle::abort) was called;
    /// `by` is the task that called it, if it was one.
    Aborted {
        /// The aborting task; `None` if it was not a task, or if the aborted one was about to run anyway.
        by: Option<Id>,
    },
    /// The runtime was shut down.
    Shutdown,
    /// It was a blocking job, the system gave no thread to run it, and there was none before.
    NoThread,
    /// Somebody asked the scope, or the token above it, to end.
    Asked {
        /// The task that asked, if it was one.
        by: Option<Id>,
        /// What was said, if anything was.
        message: Option<Arc<str>>,
    },
    /// Another child of the scope, or its body, has failed.
    Failed {
        /// The task that failed; the scope's own if it was the body.
        by: Option<Id>,
    },
    /// The time was up.
    Deadline,
    /// Its scope has ended, or was dropped before it had.
    ScopeEnded,
    /// It was in a [`race`](crate::group::race), or a copy in a [`hedge`](crate::group::hedge), and another was first.
    LostRace {
        /// The place of the winner among the futures, from 0.
        to: usize,
        /// Where the race was called.
        at: &'static Location<'static>,
    },
    /// It ran beside others in a [`gather`](crate::group::gather) or another combinator, and one of them has failed or panicked.
    OtherFailed {
        /// The place among the futures of the one that failed, from 0.
        number: usize,
        /// Where the combinator was called.
        at: &'static Location<'static>,
    },
}

impl JoinError {
    pub(crate) fn panicked(id: Id, payload: Box<dyn Any + Send>) -> Self {
        Self { inner: Box::new(Inner { id, kind: Kind::Panicked(Mutex::new(payload)) }) }
    }

    pub(crate) fn cancelled(id: Id, cause: CancelCause, started: bool) -> Self {
        Self { inner: Box::new(Inner { id, kind: Kind::Cancelled { cause, started } }) }
    }

    /// The task that ended.
    #[must_use]
    pub fn id(&self) -> Id {
        self.inner.id
    }

    /// Did it panic?
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.kind, Kind::Panicked(_))
    }

    /// Was it cancelled?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.kind, Kind::Cancelled { .. })
    }

    /// Who cancelled it; `None` if it panicked.
    #[must_use]
    pub fn cancel_cause(&self) -> Option<CancelCause> {
        match &self.inner.kind {
            Kind::Cancelled { cause, .. } => Some(cause.clone()),
            Kind::Panicked(_) => None,
        }
    }

    /// Had it been polled at least once? A panicked task always had; a cancelled one perhaps not, and then nothing of it
    /// has happened.
    #[must_use]
    pub fn had_started(&self) -> bool {
        !matches!(self.inner.kind, Kind::Cancelled { started: false, .. })
    }

    /// The panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// If the task was cancelled; [`try_into_panic`](Self::try_into_panic) gives the error back instead.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        self.try_into_panic().expect("`into_panic` needs a task that panicked: ask `is_panic` first")
    }

    /// The panic's payload.
    ///
    /// # Errors
    /// Gives the error back if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.inner.kind {
            Kind::Panicked(payload) => Ok(payload.into_inner()),
            Kind::Cancelled { .. } => Err(self),
        }
    }

    /// Goes on panicking with the task's payload.
    pub(crate) fn resume(self) -> ! {
        panic::resume_unwind(self.into_panic())
    }
}

/// What a panic said, if it said it in words.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a payload that is not text")
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.inner.id;
        match &self.inner.kind {
            Kind::Panicked(payload) => write!(f, "task {id} panicked: {}", panic_message(&**payload.lock())),
            Kind::Cancelled { cause: CancelCause::NoThread, .. } => {
                write!(f, "task {id} was cancelled, since the system gives no thread to run it: raise its limit")
            }
            Kind::Cancelled { cause, started } => {
                let when = if *started { "" } else { " before its first poll" };
                write!(f, "task {id} was {cause}{when}")
            }
        }
    }
}

/// As the end of a sentence: "the task was ...".
impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted { by } => by_whom(f, "aborted", *by),
            Self::Shutdown => f.write_str("cancelled by the runtime's shutdown"),
            Self::NoThread => f.write_str("cancelled, since the system gives no thread to run it"),
            Self::Asked { by, message } => {
                by_whom(f, "cancelled", *by)?;
                message.iter().try_for_each(|message| write!(f, ": {message}"))
            }
            Self::Failed { by: Some(by) } => write!(f, "cancelled because task {by} failed"),
            Self::Failed { by: None } => f.write_str("cancelled because another failed"),
            Self::Deadline => f.write_str("cancelled by its deadline"),
            Self::ScopeEnded => f.write_str("cancelled because its scope has ended"),
            Self::LostRace { to, at } => write!(f, "cancelled, having lost the race at {at} to number {to}"),
            Self::OtherFailed { number, at } => write!(f, "cancelled because number {number} of those at {at} failed"),
        }
    }
}

fn by_whom(f: &mut fmt::Formatter<'_>, what: &str, by: Option<Id>) -> fmt::Result {
    f.write_str(what)?;
    by.iter().try_for_each(|by| write!(f, " by task {by}"))
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(error.to_string())
    }
}
