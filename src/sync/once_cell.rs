//! A value that is made once, by whoever asks first.
//!
//! - **O1** One at a time has the right to make the value; the others stand in line for it.
//! - **O2** Whoever has the right and goes away without a value (cancelled, failed, panicked) passes it to the first in line.
//! - **O3** When there is a value, everybody in line is told, and nobody stands in line after that.
//! - **O4** A right that is forgotten with its future is lost to those in line, and to all who come later, until the value is taken
//!   by somebody to whom the cell belongs alone.
//!
//! Cases of the catalogue: SYN-03.

use super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use crate::base::atomic::{OnceLock, const_outside_models};
use crate::task::wait::{self, WaitKind};
use std::error::Error;
use std::fmt;
use std::panic::Location;

/// A value that is made once, by async code.
///
/// # Examples
/// ```
/// use mainspring::sync::OnceCell;
///
/// static NUMBER: OnceCell<u32> = OnceCell::const_new();
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     assert_eq!(*NUMBER.get_or_init(|| async { 6 * 7 }).await, 42);
///     assert_eq!(*NUMBER.get_or_init(|| async { unreachable!("made already") }).await, 42);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct OnceCell<T> {
    /// Set by whoever has the right (O1), read by anybody: whoever gets the value sees what was done before it was set.
    value: OnceLock<T>,
    /// Whose turn it is to make it, and who waits for that.
    list: WaitList<State, Ticket>,
}

/// What the lock protects.
struct State {
    /// Somebody has the right to make the value (O1).
    making: bool,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticket {
    Waits,
    /// The right to make the value.
    Right,
    /// There is a value.
    Made,
}

impl<T> OnceCell<T> {
    const_outside_models! {
        /// Without a value, for a `static`.
        #[must_use]
        pub const fn const_new() -> Self {
            Self { value: OnceLock::new(), list: WaitList::new(State { making: false }) }
        }
    }

    /// Without a value.
    #[must_use]
    pub fn new() -> Self {
        Self::const_new()
    }

    /// With a value, if one is given.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// Is there a value?
    #[must_use]
    pub fn initialized(&self) -> bool {
        self.value.get().is_some()
    }

    /// The value, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, to be changed, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, if there is one. The cell is as new after that: a future that was forgotten ([`mem::forget`](std::mem::forget))
    /// while it made the value or waited for it holds up nobody any more.
    pub fn take(&mut self) -> Option<T> {
        // O4: the cell is ours alone, so whoever has the right or stands in line was forgotten.
        let mut locked = self.list.lock();
        locked.making = false;
        locked.grant_all(Ticket::Made);
        drop(locked);
        self.value.take()
    }

    /// Gives it a value.
    ///
    /// # Errors
    /// The value comes back if there is one already, or somebody is making one.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        let ticket = self.enter(&mut self.list.lock());
        match ticket {
            Entered::Granted(Ticket::Right) => {
                Right(self).fill(value);
                Ok(())
            }
            Entered::Granted(_) => Err(SetError::AlreadyInitializedError(value)),
            Entered::Waits(_) => Err(SetError::InitializingError(value)),
        }
    }

    /// The value; if there is none, it is made by this function. While somebody else makes it, waits for him.
    ///
    /// # Cancellation
    /// **Strict.** If this future is dropped while its function makes the value, whoever waits makes it with his own.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::OnceCell;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let cell = OnceCell::new();
    /// assert_eq!(*cell.get_or_init(|| async { 1 }).await, 1);
    /// assert_eq!(cell.get(), Some(&1));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn get_or_init<F, Fut>(&self, make: F) -> impl Future<Output = &T> + use<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let at = Location::caller();
        async move {
            match Wait::new(self, Making(()), at).await {
                Some(right) => right.fill(make().await),
                None => self.made(),
            }
        }
    }

    /// As [`get_or_init`](Self::get_or_init), with a function that may fail; then there is no value, and whoever waits has his try.
    ///
    /// # Cancellation
    /// **Strict.** As for [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    /// Those of the function.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::OnceCell;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { Err("not yet") }).await, Err("not yet"));
    /// assert_eq!(cell.get_or_try_init(|| async { Ok::<_, ()>(1) }).await, Ok(&1));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn get_or_try_init<E, F, Fut>(&self, make: F) -> impl Future<Output = Result<&T, E>> + use<'_, T, E, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let at = Location::caller();
        async move {
            match Wait::new(self, Making(()), at).await {
                Some(right) => make().await.map(|value| right.fill(value)),
                None => Ok(self.made()),
            }
        }
    }

    fn made(&self) -> &T {
        self.value.get().expect("O3: told so under the lock, or looked")
    }

    fn enter(&self, locked: &mut Locked<'_, State, Ticket>) -> Entered<Ticket> {
        if self.initialized() {
            return Entered::Granted(Ticket::Made);
        }
        if locked.making {
            return Entered::Waits(Ticket::Waits);
        }
        locked.making = true;
        Entered::Granted(Ticket::Right)
    }

    /// The right comes back: O2 or O3.
    fn settle(&self) {
        let mut locked = self.list.lock();
        if self.initialized() {
            locked.making = false;
            locked.grant_all(Ticket::Made);
        } else {
            locked.making = locked.grant_first(Ticket::Right);
        }
    }
}

/// The right to make the value; dropping it settles what becomes of the others.
struct Right<'a, T>(&'a OnceCell<T>);

impl<'a, T> Right<'a, T> {
    fn fill(self, value: T) -> &'a T {
        let cell = self.0;
        assert!(cell.value.set(value).is_ok(), "O1: nobody else has the right");
        cell.made()
    }
}

impl<T> Drop for Right<'_, T> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// Waiting for the value, or for the right to make it.
struct Making(());

impl<'a, T> Operation<&'a OnceCell<T>> for Making {
    type State = State;
    type Ticket = Ticket;
    type Output = Option<Right<'a, T>>;

    const NAME: &'static str = "OnceCell::get_or_init";

    fn list(cell: &OnceCell<T>) -> &WaitList<State, Ticket> {
        &cell.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Once, object, at });
    }

    fn try_now(&mut self, cell: &mut &'a OnceCell<T>) -> Option<Ticket> {
        cell.initialized().then_some(Ticket::Made)
    }

    fn enter(&mut self, cell: &&'a OnceCell<T>, locked: &mut Locked<'_, State, Ticket>) -> Entered<Ticket> {
        cell.enter(locked)
    }

    fn finish(&mut self, cell: &'a OnceCell<T>, ticket: Ticket, _: &'static Location<'static>) -> Self::Output {
        (ticket == Ticket::Right).then(|| Right(cell))
    }

    fn give_back(&mut self, cell: &&'a OnceCell<T>, ticket: Ticket) {
        if ticket == Ticket::Right {
            cell.settle();
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        let cell = Self::new();
        assert!(cell.value.set(value).is_ok(), "it is new");
        cell
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.list.lock();
        let (making, waiters) = (locked.making, locked.waiters());
        drop(locked);
        let mut shown = f.debug_struct("OnceCell");
        shown.field("value", &self.get()).field("making", &making).field("waiters", &waiters).finish()
    }
}

/// Why a value was not set. It comes back.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is one already.
    AlreadyInitializedError(T),
    /// Somebody is making one.
    InitializingError(T),
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "the cell has a value already",
            Self::InitializingError(_) => "somebody is making the value",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}

#[cfg(test)]
mod tests {
    use super::super::kit::{Owned, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;

    #[test]
    fn model_the_right_goes_from_one_that_fails_to_one_that_does_not() {
        model(|| {
            let cell = Arc::new(OnceCell::new());
            let other = cell.clone();
            let failing = model_thread::spawn(move || wait_for(other.get_or_try_init(|| async { Err(()) })).copied());
            let other = cell.clone();
            let asking = model_thread::spawn(move || *wait_for(other.get_or_init(|| async { 2 })));
            assert!(matches!(wait_for(cell.get_or_init(|| async { 1 })), 1 | 2));
            let value = cell.get().copied();
            let failed = failing.join().expect("no panic");
            assert!(failed.is_err() || failed.ok() == value, "O2, O3");
            assert_eq!(Some(asking.join().expect("no panic")), value);
            assert!(!cell.list.lock().making);
        });
    }

    #[test]
    fn model_whoever_gets_the_value_sees_what_its_maker_did() {
        model(|| {
            let cell = Arc::new(OnceCell::new());
            // loom watches that nobody reads it who does not come after the count.
            let make = || async {
                let owned = Owned::new();
                owned.count();
                owned
            };
            let other = cell.clone();
            let asking = model_thread::spawn(move || wait_for(other.get_or_init(make)).read());
            let other = cell.clone();
            let looking = model_thread::spawn(move || other.get().map(|owned| owned.read()));
            assert_eq!(wait_for(cell.get_or_init(make)).read(), 1);
            assert_eq!(asking.join().expect("no panic"), 1);
            assert!(matches!(looking.join().expect("no panic"), None | Some(1)));
        });
    }
}
