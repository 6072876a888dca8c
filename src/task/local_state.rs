//! State that tasks of one thread share, reached through a closure that cannot await.
//!
//! Where tasks switch only at an `.await`, a critical section needs no lock: it needs to contain no `.await`. A closure cannot
//! contain one, so the compiler sees to it. What is left to get wrong is to look in one closure, await, and act in another on what
//! was seen in the first: `examples/check_await_act.rs` shows it, and the seed that finds it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// A value shared by tasks of one thread. Clones are the same value.
///
/// For what several local tasks ([`spawn_local`](crate::spawn_local), or the parts of a [`join!`](crate::join!)) work on: a table,
/// a counter, a cache. It takes no lock, and so nobody waits for one and nobody forgets to. What tasks on several threads share
/// belongs into a lock or a channel.
///
/// # Examples
/// ```
/// use mainspring::task::Local;
///
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let words = Local::new(Vec::new());
/// runtime.block_on(async {
///     let shared = words.clone();
///     let task = mainspring::spawn_local(async move {
///         shared.with(|words| words.push("from a task"));
///     });
///     words.with(|words| words.push("from here"));
///     task.await.unwrap();
/// });
/// assert_eq!(words.with(|words| words.len()), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Local<T: ?Sized> {
    shared: Rc<Shared<T>>,
}

struct Shared<T: ?Sized> {
    /// Where the closure was given that runs right now.
    user: Cell<Option<&'static Location<'static>>>,
    value: RefCell<T>,
}

impl<T> Local<T> {
    /// Shares this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { shared: Rc::new(Shared { user: Cell::new(None), value: RefCell::new(value) }) }
    }

    /// The value back, if this is the last clone.
    ///
    /// # Errors
    /// This very clone, if there are others.
    pub fn into_inner(self) -> Result<T, Self> {
        match Rc::try_unwrap(self.shared) {
            Ok(shared) => Ok(shared.value.into_inner()),
            Err(shared) => Err(Self { shared }),
        }
    }
}

impl<T: ?Sized> Local<T> {
    /// Runs `body` with the value, and no other task of this thread meanwhile.
    ///
    /// The closure can neither await nor keep a reference to the value, so whatever it sees and does is one step to all others.
    /// If it panics, the value stays as it left it.
    ///
    /// # Panics
    /// If it is called inside the closure of another `with` on the same value: then two would have it. The message names the
    /// place of the outer one. What a value's own methods call may come back here, if they run the code of strangers, as the
    /// destructor of a task's future is: to be on the safe side, take things out in the closure and drop them outside.
    ///
    /// # Examples
    /// ```
    /// use mainspring::task::Local;
    /// let free = Local::new(1);
    /// let take = || free.with(|n| if *n > 0 { *n -= 1; true } else { false });
    /// assert!(take() && !take());
    /// ```
    #[track_caller]
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        let Ok(mut value) = self.shared.value.try_borrow_mut() else { self.panic_within() };
        let _leaves = Leaves(&self.shared.user);
        self.shared.user.set(Some(Location::caller()));
        body(&mut value)
    }

    /// Are these two the same value?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    #[cold]
    #[track_caller]
    fn panic_within(&self) -> ! {
        let outer = self.shared.user.get().expect("whoever has the value has said where");
        panic!(
            "`Local::with` inside the closure of another `with` on the same value, at {outer}: use the reference there"
        )
    }
}

/// The closure has ended, one way or the other.
struct Leaves<'a>(&'a Cell<Option<&'static Location<'static>>>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl<T: ?Sized> Clone for Local<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Default> Default for Local<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shared.value.try_borrow(), self.shared.user.get()) {
            (Ok(value), _) => f.debug_tuple("Local").field(&&*value).finish(),
            (Err(_), Some(at)) => write!(f, "Local(in use at {at})"),
            (Err(_), None) => f.write_str("Local(in use)"),
        }
    }
}
