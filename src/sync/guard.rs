#![allow(unsafe_code, reason = "lends the value of a lock to whoever holds it")]
//! Guards: a held lock, and the value that it protects or a part of that.
//!
//! ```text
//!     Exclusive ─ key: Held<&Mutex<T>> ──── dropped: the lock is released
//!              └─ value: *mut T ─────────── into the lock's own value, or, after `map`, into a part of it
//! ```
//!
//! - **G1** For as long as a key exists, the lock is held in the key's way and the lock's value stays in its place: a key is a
//!   reference to the lock, or shares it.
//! - **G2** The pointer of a guard leads to the value of its key's lock, or to something that was reached through it.
//! - **G3** Of the keys to one lock there is one that is exclusive, or any number that are not (`mutex`, `rwlock`).

use super::wait_list::Handle;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Arc;

/// What can be held in the way `M`, and released.
pub trait Release<M> {
    /// It is held no longer.
    fn release(&self);
}

/// The way of a mutex.
pub struct Alone(());
/// The way of a reader.
pub struct Reading(());
/// The way of a writer.
pub struct Writing(());

/// A lock that is held in the way `M`; dropping it releases the lock.
pub struct Held<P: Handle<Target: Release<M>>, M> {
    lock: P,
    way: PhantomData<fn() -> M>,
}

impl<P: Handle<Target: Release<M>>, M> Held<P, M> {
    /// The caller has just got the lock.
    #[inline]
    pub(super) fn new(lock: P) -> Self {
        Self { lock, way: PhantomData }
    }

    pub(super) fn lock(&self) -> &P {
        &self.lock
    }
}

impl<'a, X: Release<M> + ?Sized, M> Held<&'a X, M> {
    /// The reference; the lock stays held.
    pub(super) fn keep(self) -> &'a X {
        ManuallyDrop::new(self).lock
    }
}

impl<X: Release<M> + ?Sized, M> Held<Arc<X>, M> {
    /// The same for a lock that is shared.
    pub(super) fn keep_shared(self) -> Arc<X> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the key is not dropped, so this is the only time that the `Arc` is moved out of it.
        unsafe { ptr::read(&this.lock) }
    }
}

impl<P: Handle<Target: Release<M>>, M> Drop for Held<P, M> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release();
    }
}

/// A value that belongs to the guard's owner alone until the guard is dropped.
#[must_use = "a guard that is dropped releases its lock at once"]
pub struct Exclusive<K, T: ?Sized> {
    /// G2. A `*mut`, so that the guard is invariant in `T` as a `&mut T` is.
    value: *mut T,
    key: K,
}

/// A value that nobody changes until the guard is dropped.
#[must_use = "a guard that is dropped releases its lock at once"]
pub struct Shared<K, T: ?Sized> {
    /// G2.
    value: *const T,
    key: K,
}

// SAFETY: an exclusive guard is a `&mut T` and a key: each may go where it may go.
unsafe impl<K: Send, T: ?Sized + Send> Send for Exclusive<K, T> {}
// SAFETY: a shared reference to it gives a `&T` and a look at the key.
unsafe impl<K: Sync, T: ?Sized + Sync> Sync for Exclusive<K, T> {}
// SAFETY: a shared guard is a `&T` and a key.
unsafe impl<K: Send, T: ?Sized + Sync> Send for Shared<K, T> {}
// SAFETY: as above.
unsafe impl<K: Sync, T: ?Sized + Sync> Sync for Shared<K, T> {}

impl<K, T: ?Sized> Exclusive<K, T> {
    /// # Safety
    /// The key is exclusive (G3), and `value` leads to its lock's value (G2).
    #[inline]
    pub(super) unsafe fn new(key: K, value: *mut T) -> Self {
        Self { value, key }
    }

    pub(super) fn key(&self) -> &K {
        &self.key
    }

    /// The same right to a part of the value, with another key to the same lock.
    pub(super) fn map_with<U: ?Sized, L>(
        mut self,
        part: impl FnOnce(&mut T) -> &mut U,
        key: impl FnOnce(K) -> L,
    ) -> Exclusive<L, U> {
        let value: *mut U = part(&mut self);
        Exclusive { value, key: key(self.key) }
    }

    /// The same, if there is such a part; otherwise the guard comes back.
    pub(super) fn try_map_with<U: ?Sized, L>(
        mut self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
        key: impl FnOnce(K) -> L,
    ) -> Result<Exclusive<L, U>, Self> {
        match part(&mut self).map(|part| part as *mut U) {
            Some(value) => Ok(Exclusive { value, key: key(self.key) }),
            None => Err(self),
        }
    }

    /// The same value with a key of the other kind, which the caller's closure makes of this one. The lock is held all the time.
    pub(super) fn downgrade_with<L>(self, key: impl FnOnce(K) -> L) -> Shared<L, T> {
        Shared { value: self.value, key: key(self.key) }
    }
}

impl<K, T: ?Sized> Shared<K, T> {
    /// # Safety
    /// While the key exists nobody has an exclusive one (G3), and `value` leads to its lock's value (G2).
    #[inline]
    pub(super) unsafe fn new(key: K, value: *const T) -> Self {
        Self { value, key }
    }

    pub(super) fn key(&self) -> &K {
        &self.key
    }

    /// As [`Exclusive::map_with`].
    pub(super) fn map_with<U: ?Sized, L>(self, part: impl FnOnce(&T) -> &U, key: impl FnOnce(K) -> L) -> Shared<L, U> {
        let value: *const U = part(&self);
        Shared { value, key: key(self.key) }
    }

    /// As [`Exclusive::try_map_with`].
    pub(super) fn try_map_with<U: ?Sized, L>(
        self,
        part: impl FnOnce(&T) -> Option<&U>,
        key: impl FnOnce(K) -> L,
    ) -> Result<Shared<L, U>, Self> {
        match part(&self).map(|part| part as *const U) {
            Some(value) => Ok(Shared { value, key: key(self.key) }),
            None => Err(self),
        }
    }
}

impl<K, T: ?Sized> Deref for Exclusive<K, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: G1 to G3: the value lives, and it is ours.
        unsafe { &*self.value }
    }
}

impl<K, T: ?Sized> DerefMut for Exclusive<K, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.value }
    }
}

impl<K, T: ?Sized> Deref for Shared<K, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: G1 to G3: the value lives, and nobody changes it.
        unsafe { &*self.value }
    }
}

impl<K, T: ?Sized + fmt::Debug> fmt::Debug for Exclusive<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K, T: ?Sized + fmt::Display> fmt::Display for Exclusive<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K, T: ?Sized + fmt::Debug> fmt::Debug for Shared<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K, T: ?Sized + fmt::Display> fmt::Display for Shared<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
