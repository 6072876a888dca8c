//! Locks for those who bring none: async-lock's, which is what smol hands on as its own.

use crate::benches::common::locks::Locks;
use async_lock::{Mutex, MutexGuard, Semaphore, SemaphoreGuard};
use std::future::Future;

/// The same for each.
macro_rules! with_async_lock {
    ($($(#[$if:meta])* $leaves:ty,)*) => {$(
        $(#[$if])*
        impl Locks for $leaves {
            type Mutex = Mutex<u64>;
            type Guard<'a> = MutexGuard<'a, u64>;
            type Semaphore = Semaphore;
            type Permit<'a> = SemaphoreGuard<'a>;

            fn mutex() -> Mutex<u64> {
                Mutex::new(0)
            }

            fn lock(mutex: &Mutex<u64>) -> impl Future<Output = MutexGuard<'_, u64>> + Send {
                mutex.lock()
            }

            fn semaphore(permits: usize) -> Semaphore {
                Semaphore::new(permits)
            }

            fn acquire(semaphore: &Semaphore) -> impl Future<Output = SemaphoreGuard<'_>> + Send {
                semaphore.acquire()
            }
        }
    )*};
}

with_async_lock! {
    #[cfg(feature = "smol")]
    crate::on_smol::Smol,
    #[cfg(feature = "nio")]
    crate::on_nio::Nio,
    #[cfg(feature = "monoio")]
    crate::on_monoio::Monoio,
    #[cfg(feature = "compio")]
    crate::on_compio::Compio,
    #[cfg(feature = "glommio")]
    crate::on_glommio::Glommio,
}
