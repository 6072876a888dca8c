//! An item that marks itself as done.

use super::Queue;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::thread;

/// An item of a queue, from [`Queue::get_item`]. It is marked as done when it is dropped, and after it was.
///
/// # Panics
/// When it goes and nothing is left to be marked, because [`Queue::task_done`] was called for it as well; the item is dropped with
/// it.
#[must_use = "an item that is dropped counts as done"]
pub struct Item<'a, T> {
    // The order of the fields matters: what is dropped is done with after that, though its destructor may panic.
    item: T,
    done: Done<'a, T>,
}

impl<'a, T> Item<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>, item: T) -> Self {
        Self { item, done: Done(queue) }
    }

    /// The item itself. From now on it counts as done.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(1);
    /// assert!(queue.try_put(String::from("text")).is_ok());
    /// let text: String = queue.try_get_item().unwrap().into_inner();
    /// assert_eq!((text.as_str(), queue.unfinished()), ("text", 0));
    /// ```
    pub fn into_inner(self) -> T {
        let Self { item, done } = self;
        drop(done);
        item
    }
}

impl<T> Deref for Item<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for Item<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("item", &self.item).field("queue", &self.done.0).finish()
    }
}

/// Marks one item as done when it is dropped.
struct Done<'a, T>(&'a Queue<T>);

impl<T> Drop for Done<'_, T> {
    fn drop(&mut self) {
        let is_owed = self.0.unfinished.end();
        assert!(is_owed || thread::panicking(), "`task_done` was called for an item that marks itself as done");
    }
}
