//! The guards by the names that users know, and what can be done with each.

use super::super::guard::{Exclusive, Held, Reading, Shared, Writing};
use super::{RawRwLock, RwLock};
use std::sync::Arc;

/// A lock held to read, and its value.
pub type RwLockReadGuard<'a, T> = Shared<Held<&'a RwLock<T>, Reading>, T>;
/// A lock held to read, and a part of its value.
pub type RwLockMappedReadGuard<'a, T> = Shared<Held<&'a RawRwLock, Reading>, T>;
/// A lock held to write, and its value.
pub type RwLockWriteGuard<'a, T> = Exclusive<Held<&'a RwLock<T>, Writing>, T>;
/// A lock held to write, and a part of its value.
pub type RwLockMappedWriteGuard<'a, T> = Exclusive<Held<&'a RawRwLock, Writing>, T>;
/// A shared lock held to read, and its value or (as `U`) a part of it.
pub type OwnedRwLockReadGuard<T, U = T> = Shared<Held<Arc<RwLock<T>>, Reading>, U>;
/// A shared lock held to write, and its value or (as `U`) a part of it.
pub type OwnedRwLockWriteGuard<T, U = T> = Exclusive<Held<Arc<RwLock<T>>, Writing>, U>;

/// The key without the value's type.
fn raw_reading<T: ?Sized>(key: Held<&RwLock<T>, Reading>) -> Held<&RawRwLock, Reading> {
    Held::new(&key.keep().raw)
}

/// As above.
fn raw_writing<T: ?Sized>(key: Held<&RwLock<T>, Writing>) -> Held<&RawRwLock, Writing> {
    Held::new(&key.keep().raw)
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// A guard of a part of the value.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&T) -> &U) -> RwLockMappedReadGuard<'a, U> {
        this.map_with(part, raw_reading)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockMappedReadGuard<'a, U>, Self> {
        this.try_map_with(part, raw_reading)
    }
}

impl<'a, T: ?Sized> RwLockMappedReadGuard<'a, T> {
    /// A guard of a part of the part.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&T) -> &U) -> RwLockMappedReadGuard<'a, U> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockMappedReadGuard<'a, U>, Self> {
        this.try_map_with(part, |key| key)
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// A guard of a part of the value.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&mut T) -> &mut U) -> RwLockMappedWriteGuard<'a, U> {
        this.map_with(part, raw_writing)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        this.try_map_with(part, raw_writing)
    }

    /// From now on a reader, with no writer in between. Readers that stand first in line get in beside it.
    ///
    /// # Examples
    /// ```
    /// let lock = mainspring::sync::RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer = 2;
    /// let reader = writer.downgrade();
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        self.downgrade_with(|key| {
            let lock = key.keep();
            lock.raw.downgrade();
            Held::new(lock)
        })
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// A guard of a part of the part.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&mut T) -> &mut U) -> RwLockMappedWriteGuard<'a, U> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        this.try_map_with(part, |key| key)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// The lock that is held.
    #[must_use]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.key().lock()
    }

    /// A guard of a part of the value.
    pub fn map<V: ?Sized>(this: Self, part: impl FnOnce(&U) -> &V) -> OwnedRwLockReadGuard<T, V> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<V: ?Sized>(
        this: Self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<OwnedRwLockReadGuard<T, V>, Self> {
        this.try_map_with(part, |key| key)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockWriteGuard<T, U> {
    /// The lock that is held.
    #[must_use]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.key().lock()
    }

    /// A guard of a part of the value.
    pub fn map<V: ?Sized>(this: Self, part: impl FnOnce(&mut U) -> &mut V) -> OwnedRwLockWriteGuard<T, V> {
        this.map_with(part, |key| key)
    }

    /// As [`map`](Self::map), if there is such a part.
    ///
    /// # Errors
    /// The guard comes back if there is none.
    pub fn try_map<V: ?Sized>(
        this: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedRwLockWriteGuard<T, V>, Self> {
        this.try_map_with(part, |key| key)
    }

    /// As [`RwLockWriteGuard::downgrade`].
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T, U> {
        self.downgrade_with(|key| {
            let lock = key.keep_shared();
            lock.raw.downgrade();
            Held::new(lock)
        })
    }
}
