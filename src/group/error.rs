//! What a scope says when something in it did not go well.

use crate::task::{CancelCause, JoinError};
use std::{error, fmt, io, vec};

/// Why a scope has no value: all that went wrong in it, in the order in which it did.
///
/// # Examples
/// ```
/// use mainspring::{group::scope, runtime::Runtime};
/// let error = Runtime::new()?.block_on(scope(async |group| {
///     drop(group.spawn(async { Err::<(), _>("the disk is full") }));
///     std::future::pending().await
/// }));
/// let error = error.map(|(): ()| ()).unwrap_err();
/// assert_eq!(error.first().error(), Some(&"the disk is full"));
/// assert!(error.others().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct GroupError<E> {
    first: Failure<E>,
    others: Vec<Failure<E>>,
}

/// One thing that went wrong in a scope.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// A child, or the body, returned this error.
    Error(E),
    /// A child, or the body, panicked; the payload is inside.
    Panicked(JoinError),
    /// The scope was cancelled: by its deadline, from around it, or by a call. Or its runtime shut down, or had no thread for a
    /// [blocking job](super::TaskGroup::spawn_blocking): the cause says which.
    Cancelled(CancelCause),
}

impl<E> GroupError<E> {
    /// `None` if nothing has gone wrong.
    pub(super) fn of(failures: Vec<Failure<E>>) -> Option<Self> {
        let mut failures = failures.into_iter();
        failures.next().map(|first| Self { first, others: failures.collect() })
    }

    /// What went wrong first, and by that cancelled the rest.
    #[must_use]
    pub fn first(&self) -> &Failure<E> {
        &self.first
    }

    /// What else went wrong until everything had ended.
    #[must_use]
    pub fn others(&self) -> &[Failure<E>] {
        &self.others
    }

    /// All of it, the first one in front.
    pub fn iter(&self) -> impl Iterator<Item = &Failure<E>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What went wrong first, without the others.
    #[must_use]
    pub fn into_first(self) -> Failure<E> {
        self.first
    }

    /// Was the scope cancelled, with nothing gone wrong before?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.first, Failure::Cancelled(_))
    }

    /// Did the first failure panic?
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.first, Failure::Panicked(_))
    }
}

impl<E> Failure<E> {
    /// The error, if it is one that was returned.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Error(error) => Some(error),
            Self::Panicked(_) | Self::Cancelled(_) => None,
        }
    }

    /// The error, if it is one that was returned.
    #[must_use]
    pub fn into_error(self) -> Option<E> {
        match self {
            Self::Error(error) => Some(error),
            Self::Panicked(_) | Self::Cancelled(_) => None,
        }
    }

    /// The panic, if it is one; its payload is for [`std::panic::resume_unwind`].
    #[must_use]
    pub fn into_panic(self) -> Option<JoinError> {
        match self {
            Self::Panicked(error) => Some(error),
            Self::Error(_) | Self::Cancelled(_) => None,
        }
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = Failure<E>;
    type IntoIter = std::iter::Chain<std::iter::Once<Failure<E>>, vec::IntoIter<Failure<E>>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.others)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(error) => error.fmt(f),
            Self::Cancelled(cause) => write!(f, "the scope was {cause}"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.others.iter().try_for_each(|other| write!(f, "; then {other}"))
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupError").field("first", &self.first).field("others", &self.others).finish()
    }
}

impl<E: fmt::Debug + fmt::Display> error::Error for GroupError<E> {}

impl<E: fmt::Display> From<GroupError<E>> for io::Error {
    fn from(error: GroupError<E>) -> Self {
        io::Error::other(error.to_string())
    }
}

/// Why a child has no value. What went wrong in detail is the scope's to say: its [`GroupError`] has the error or the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildError {
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It was cancelled.
    Cancelled(CancelCause),
}

impl From<JoinError> for ChildError {
    fn from(error: JoinError) -> Self {
        error.cancel_cause().map_or(Self::Panicked, Self::Cancelled)
    }
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("the child returned an error, which its scope has"),
            Self::Panicked => f.write_str("the child panicked; its scope has the payload"),
            Self::Cancelled(cause) => write!(f, "the child was {cause}"),
        }
    }
}

impl error::Error for ChildError {}

impl From<ChildError> for io::Error {
    fn from(error: ChildError) -> Self {
        io::Error::other(error)
    }
}
