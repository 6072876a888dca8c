#![allow(unsafe_code, reason = "follows pointers to scopes that are being polled, and pins a field of a pinned struct")]
//! Task-locals: values that are there for whatever a future calls, however deep, without being passed on.
//!
//! ```text
//!    FRAMES ──> frame ──> frame ──> ...        the scopes that this thread is polling, the innermost first: on its stack
//!                                              (a frame of another task is not seen: see `look_up`)
//!    CURRENT ─> header ──> extra ──> inherited what the task was given at its birth
//! ```
//!
//! A scope is a future that owns its value and, for as long as it polls or drops the future inside, has a frame on the stack
//! that points at it. So nothing is moved at a poll, a value may be looked at from within a look, and a task that never heard of
//! any key pays nothing when it is polled and two tests for null when it spawns.
//!
//! - **L1** A frame is alive for as long as it can be reached: it is lent to `FRAMES` by an enclosing `scope` call (C1), and the
//!   frames below it by calls that enclose that one.
//! - **L2** What a frame points at is owned by whoever made the frame, and is neither moved nor changed until the frame is gone.
//! - **L3** Inherited values are reached through the header of the task being polled, which is alive (C1), and never change.
//!
//! INSTEAD OF one std thread-local a key, whose value is swapped at every poll, as tokio has it: that copies the value twice a
//! poll, forbids to enter a scope while the value is looked at, and has a destructor that a dying thread has already run.

use super::extra::{Carried, Entry, Extra, Heirs, Inherited};
use super::header::{CURRENT, Header};
use crate::base::context::{Claim, Index, Slot};
use std::any::Any;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{error, fmt};

/// Declares task-local keys: statics of the type [`LocalKey`](crate::task::LocalKey).
///
/// As tokio's, with one more thing to say: who inherits the value. Without a word it belongs to the future that is given to
/// [`scope`](crate::task::LocalKey::scope) and to nothing that this spawns. `=> tasks` passes it on to the tasks that are
/// spawned in the scope, and to theirs; `=> threads` to blocking jobs and dedicated threads; `=> tasks, threads` to all. A value
/// that is inherited is shared, so its type must be `Send` and `Sync`.
///
/// # Examples
/// ```
/// use mainspring::task::spawn_blocking;
///
/// mainspring::task_local! {
///     /// Only here.
///     static DEPTH: u32;
///     /// For all that is done on behalf of this request.
///     pub static REQUEST: String => tasks, threads;
/// }
///
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let seen = runtime.block_on(REQUEST.scope("r-17".to_owned(), DEPTH.scope(1, async {
///     assert_eq!(DEPTH.get(), 1);
///     let child = mainspring::spawn(async {
///         assert!(DEPTH.try_get().is_err(), "nobody inherits this one");
///         spawn_blocking(|| REQUEST.get()).await.unwrap()
///     });
///     child.await.unwrap()
/// })));
/// assert_eq!(seen, "r-17");
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty $(=> $($heir:ident),+)?; $($more:tt)*) => {
        $crate::__task_local!(@one $(#[$attribute])* $visible $name ($type) $($($heir)+)?);
        $crate::task_local!($($more)*);
    };
    ($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty $(=> $($heir:ident),+)?) => {
        $crate::__task_local!(@one $(#[$attribute])* $visible $name ($type) $($($heir)+)?);
    };
}

/// One key.
#[doc(hidden)]
#[macro_export]
macro_rules! __task_local {
    (@one $(#[$attribute:meta])* $visible:vis $name:ident ($type:ty)) => {
        $(#[$attribute])*
        $visible static $name: $crate::task::LocalKey<$type> =
            $crate::task::LocalKey::__private(::core::stringify!($name));
    };
    (@one $(#[$attribute:meta])* $visible:vis $name:ident ($type:ty) $($heir:ident)+) => {
        $(#[$attribute])*
        $visible static $name: $crate::task::LocalKey<$type> =
            $crate::task::LocalKey::__inherited(::core::stringify!($name), &[$($crate::__task_local!(@heir $heir)),+]);
    };
    (@heir tasks) => { false };
    (@heir threads) => { true };
    (@heir $other:ident) => {
        ::core::compile_error!(::core::concat!(
            "a task-local is inherited by `tasks`, by `threads`, or by both, and not by `", ::core::stringify!($other), "`"
        ))
    };
}

/// A key of [`task_local!`](crate::task_local!): gives a value to a future, and to whatever that calls.
pub struct LocalKey<T: 'static> {
    /// For the text of the panic.
    name: &'static str,
    heirs: Heirs,
    /// How a value is shared with heirs; without any it is not shared.
    sharing: Option<Sharing<T>>,
}

/// What is only possible if `T` is Send and Sync, which is known where the key is declared and nowhere else.
struct Sharing<T> {
    share: fn(T) -> Carried,
    take_back: fn(Carried) -> Option<T>,
}

/// A scope's value.
enum Held<T> {
    Own(T),
    Carried(Carried),
    /// The value was taken.
    Nothing,
}

/// A scope that this thread is in.
pub(crate) struct Frame {
    /// The address of the key.
    key: usize,
    heirs: Heirs,
    /// Null if it was taken out of the scope.
    value: Option<NonNull<dyn Any>>,
    /// The same, if there are heirs.
    carried: Option<NonNull<Carried>>,
    /// Who entered it; null outside of tasks.
    task: *const Header,
    /// The next one further out.
    below: *const Frame,
    /// Whether who entered it sees that one, too: then whoever sees this one does.
    sees_below: bool,
}

/// The innermost scope that this thread is in.
static FRAMES: Slot<Frame> = Slot::of::<12>();

impl Claim for Index<12> {
    type Lent = Frame;
}

impl<T: 'static> LocalKey<T> {
    /// Nobody inherits it. For the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn __private(name: &'static str) -> Self {
        Self { name, heirs: Heirs::NOBODY, sharing: None }
    }

    /// Inherited by threads for each `true`, and by tasks for each `false`. For the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn __inherited(name: &'static str, by: &[bool]) -> Self
    where
        T: Send + Sync,
    {
        let (mut heirs, mut index) = (Heirs::NOBODY, 0);
        while index < by.len() {
            if by[index] {
                heirs.threads = true;
            } else {
                heirs.tasks = true;
            }
            index += 1;
        }
        let take_back = |carried: Carried| Arc::into_inner(carried.downcast().ok()?);
        Self { name, heirs, sharing: Some(Sharing { share: |value| Arc::new(value), take_back }) }
    }

    /// Gives `value` to `future`, each time it is polled, and when it is dropped.
    ///
    /// For what belongs to a request or a session and is wanted in many places: an id for the log, a deadline, who is asking.
    ///
    /// # Cancellation
    /// That of `future`.
    ///
    /// # Panics
    /// Where `future` does, and if it is polled again after it was ready.
    ///
    /// # Examples
    /// ```
    /// mainspring::task_local! { static USER: &'static str; }
    ///
    /// async fn greet() -> String {
    ///     USER.with(|user| format!("hello {user}"))
    /// }
    ///
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// assert_eq!(runtime.block_on(USER.scope("ann", greet())), "hello ann");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture { key: self, held: self.hold(value), future: Some(future) }
    }

    /// Gives `value` to what `body` calls, and drops it after.
    ///
    /// # Examples
    /// ```
    /// mainspring::task_local! { static USER: &'static str; }
    /// assert_eq!(USER.sync_scope("ann", || USER.get()), "ann");
    /// ```
    pub fn sync_scope<R>(&'static self, value: T, body: impl FnOnce() -> R) -> R {
        let held = self.hold(value);
        self.enter(&held, body)
    }

    /// Shows the value.
    ///
    /// # Panics
    /// Outside of every scope of this key, and in what does not inherit it; [`try_with`](Self::try_with) asks instead.
    #[track_caller]
    pub fn with<R>(&'static self, body: impl FnOnce(&T) -> R) -> R {
        let Ok(result) = self.try_with(body) else {
            panic!(
                "the task-local `{0}` has no value here: it has one inside `{0}.scope(..)`, and in what inherits it",
                self.name
            )
        };
        result
    }

    /// Shows the value, if there is one.
    ///
    /// # Errors
    /// [`AccessError`] outside of every scope of this key, and in what does not inherit it.
    ///
    /// # Examples
    /// ```
    /// mainspring::task_local! { static USER: &'static str; }
    /// assert!(USER.try_with(|_| ()).is_err());
    /// ```
    pub fn try_with<R>(&'static self, body: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let look = |value: Option<&dyn Any>| match value.and_then(|value| value.downcast_ref()) {
            Some(value) => Ok(body(value)),
            None => Err(AccessError),
        };
        look_up(self.address(), look)
    }

    /// A clone of the value.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// A clone of the value, if there is one.
    ///
    /// # Errors
    /// As [`try_with`](Self::try_with).
    pub fn try_get(&'static self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        self.try_with(T::clone)
    }

    fn address(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn hold(&self, value: T) -> Held<T> {
        match &self.sharing {
            None => Held::Own(value),
            Some(sharing) => Held::Carried((sharing.share)(value)),
        }
    }

    /// Runs `body` in the scope of this value.
    fn enter<R>(&'static self, held: &Held<T>, body: impl FnOnce() -> R) -> R {
        let (value, carried): (Option<&dyn Any>, _) = match held {
            Held::Own(value) => (Some(value), None),
            Held::Carried(value) => (Some(&**value), Some(NonNull::from(value))),
            Held::Nothing => (None, None),
        };
        let frame = Frame {
            key: self.address(),
            heirs: self.heirs,
            value: value.map(NonNull::from),
            carried,
            task: CURRENT.as_ptr(),
            below: FRAMES.as_ptr(),
            sees_below: sees_top(),
        };
        FRAMES.scope(&frame, body)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({})", self.name)
    }
}

/// Calls `body` with each scope that is in force here, from the innermost outwards, until it gives something.
///
/// A scope is in force for the task that entered it. Others that this thread polls meanwhile (inside a `block_on` in a scope, for
/// one) do not see it, except for that `block_on`'s main future, which sees what its caller does.
fn find_frame<R>(mut body: impl FnMut(&Frame) -> Option<R>) -> Option<R> {
    let mut at = if sees_top() { FRAMES.as_ptr() } else { ptr::null() };
    // SAFETY: L1: null, or an enclosing `scope` call's.
    while let Some(frame) = unsafe { at.as_ref() } {
        if let Some(found) = body(frame) {
            return Some(found);
        }
        at = if frame.sees_below { frame.below } else { ptr::null() };
    }
    None
}

/// Is the innermost scope of this thread in force for the task that it polls?
fn sees_top() -> bool {
    FRAMES.with(|top| top.is_some_and(|top| top.task == CURRENT.as_ptr() || CURRENT.with(sees_its_thread)))
}

fn sees_its_thread(task: Option<&Header>) -> bool {
    task.and_then(|header| header.extra.as_ref()).is_some_and(|extra| extra.sees_its_thread)
}

/// Shows the value of the key with this address.
fn look_up<R>(key: usize, body: impl FnOnce(Option<&dyn Any>) -> R) -> R {
    if let Some(found) = find_frame(|frame| (frame.key == key).then_some(frame.value)) {
        // SAFETY: L2: the scope is still entered, for it encloses this call, and so its value is where it was.
        return body(found.map(|value| unsafe { &*value.as_ptr() }));
    }
    CURRENT.with(|header| {
        let entry = header.and_then(|header| header.inherited().find(|entry| entry.key == key));
        body(entry.map(|entry| &*entry.value as &dyn Any))
    })
}

/// What a task that is spawned here is given: nothing, as a rule.
#[inline]
pub(super) fn for_child(parent: Option<&Header>) -> Option<Box<Extra>> {
    if FRAMES.as_ptr().is_null() && parent.is_none_or(|parent| parent.extra.is_none()) { None } else { pass_on(parent) }
}

#[cold]
#[inline(never)]
fn pass_on(parent: Option<&Header>) -> Option<Box<Extra>> {
    let mut entries: Vec<Entry> = Vec::new();
    // A frame without heirs hides what is further out, as it does for its own task: so it is noted, and left out at the end.
    let mut hidden = Vec::new();
    find_frame(|frame| {
        // SAFETY: L2, as in `look_up`.
        let carried = frame.carried.map(|carried| unsafe { carried.as_ref() });
        let is_known = hidden.contains(&frame.key) || entries.iter().any(|entry| entry.key == frame.key);
        match carried {
            _ if is_known => {}
            Some(value) => entries.push(Entry { key: frame.key, heirs: frame.heirs, value: value.clone() }),
            None => hidden.push(frame.key),
        }
        None::<()>
    });
    if entries.is_empty()
        && hidden.is_empty()
        && let Some(inherited) = parent.and_then(Header::inherited_whole)
    {
        return Some(Extra::of(inherited.clone()));
    }
    for entry in parent.into_iter().flat_map(Header::inherited) {
        if !hidden.contains(&entry.key) && !entries.iter().any(|nearer| nearer.key == entry.key) {
            entries.push(entry.clone());
        }
    }
    Inherited::of(entries).map(Extra::of)
}

/// The main future of a `block_on` that is called here sees the scopes that its caller does, and all that it has inherited.
pub(super) fn show_scopes(extra: &mut Option<Box<Extra>>) {
    let sees_its_thread = sees_top();
    if extra.is_some() || sees_its_thread {
        let extra = extra.get_or_insert_default();
        (extra.is_main, extra.sees_its_thread) = (true, sees_its_thread);
    }
}

/// The future of [`LocalKey::scope`].
///
/// # Cancellation
/// That of the future inside, which finds the value still there while it is dropped.
///
/// # Panics
/// Where the future inside does, and if it is polled again after it was ready.
#[must_use = "a future does nothing until it is awaited"]
pub struct TaskLocalFuture<T: 'static, F> {
    key: &'static LocalKey<T>,
    /// Never pinned: only references to it are given out.
    held: Held<T>,
    /// Pinned whenever the whole is: only `parts` gives it out. `None` once it is over.
    future: Option<F>,
}

// The value is never pinned.
impl<T, F: Unpin> Unpin for TaskLocalFuture<T, F> {}

impl<T, F> TaskLocalFuture<T, F> {
    /// Takes the value out; the future finds none from then on. `None` if it was taken, or is shared with heirs that live.
    ///
    /// For the value back after the end: `task_local!` values are often counters or collections.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    /// use std::pin::pin;
    /// mainspring::task_local! { static COUNT: Cell<u32>; }
    ///
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let count = runtime.block_on(async {
    ///     let mut counted = pin!(COUNT.scope(Cell::new(0), async { COUNT.with(|count| count.set(7)) }));
    ///     counted.as_mut().await;
    ///     counted.take_value()
    /// });
    /// assert_eq!(count, Some(Cell::new(7)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        let (key, held, _) = self.parts();
        match (std::mem::replace(held, Held::Nothing), &key.sharing) {
            (Held::Own(value), _) => Some(value),
            (Held::Carried(value), Some(sharing)) => (sharing.take_back)(value),
            _ => None,
        }
    }

    fn parts(self: Pin<&mut Self>) -> (&'static LocalKey<T>, &mut Held<T>, Pin<&mut Option<F>>) {
        // SAFETY: nothing is moved out of `this`: `held` is never pinned, and `future` is pinned again in the next line.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `future` cannot move while the whole is pinned: `drop` pins it as this does, and `Unpin` asks for `F: Unpin`.
        (this.key, &mut this.held, unsafe { Pin::new_unchecked(&mut this.future) })
    }
}

impl<T, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (key, held, mut future) = self.parts();
        key.enter(held, || {
            let running = future.as_mut().as_pin_mut();
            let polled = running.expect("this task-local scope was ready already: poll it no more").poll(cx);
            if polled.is_ready() {
                future.set(None); // in the scope, as when it is cancelled
            }
            polled
        })
    }
}

impl<T: 'static, F> Drop for TaskLocalFuture<T, F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            // SAFETY: it is being dropped, so nobody moves it any more.
            let (key, held, mut future) = unsafe { Pin::new_unchecked(self) }.parts();
            key.enter(held, || future.set(None));
        }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TaskLocalFuture");
        shown.field("key", &self.key.name);
        match &self.held {
            Held::Own(value) => shown.field("value", value),
            Held::Carried(value) => shown.field("value", &value.downcast_ref::<T>()),
            Held::Nothing => shown.field("value", &format_args!("taken")),
        };
        shown.field("is_over", &self.future.is_none()).finish()
    }
}

/// A task-local key has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl error::Error for AccessError {}
