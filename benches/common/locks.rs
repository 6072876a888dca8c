//! The locks that a runtime's users have: its own, or where it has none those of async-lock, which are tied to nobody.

use std::future::Future;
use std::ops::DerefMut;

/// What the flavours of one crate share, beside their leaves.
pub(crate) trait Locks: 'static {
    /// A mutex around a number.
    type Mutex: Send + Sync + 'static;
    /// It is held.
    type Guard<'a>: DerefMut<Target = u64> + Send + 'a;
    type Semaphore: Send + Sync + 'static;
    /// One permit.
    type Permit<'a>: Send + 'a;

    /// Around 0.
    fn mutex() -> Self::Mutex;

    /// Waits for it.
    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send;

    /// With so many permits.
    fn semaphore(permits: usize) -> Self::Semaphore;

    /// Waits for a permit.
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> + Send;
}
