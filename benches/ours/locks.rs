//! The locks of both.

use super::on_mainspring::Mainspring;
use super::on_tokio::Tokio;
use crate::benches::common::locks::Locks;
use std::future::Future;

impl Locks for Mainspring {
    type Mutex = mainspring::sync::Mutex<u64>;
    type Guard<'a> = mainspring::sync::MutexGuard<'a, u64>;
    type Semaphore = mainspring::sync::Semaphore;
    type Permit<'a> = mainspring::sync::SemaphorePermit<'a>;

    fn mutex() -> Self::Mutex {
        mainspring::sync::Mutex::new(0)
    }

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        mutex.lock()
    }

    fn semaphore(permits: usize) -> Self::Semaphore {
        mainspring::sync::Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> Self::Permit<'_> {
        semaphore.acquire().await.expect("nobody closes it")
    }
}

impl Locks for Tokio {
    type Mutex = tokio::sync::Mutex<u64>;
    type Guard<'a> = tokio::sync::MutexGuard<'a, u64>;
    type Semaphore = tokio::sync::Semaphore;
    type Permit<'a> = tokio::sync::SemaphorePermit<'a>;

    fn mutex() -> Self::Mutex {
        tokio::sync::Mutex::new(0)
    }

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        mutex.lock()
    }

    fn semaphore(permits: usize) -> Self::Semaphore {
        tokio::sync::Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> Self::Permit<'_> {
        semaphore.acquire().await.expect("nobody closes it")
    }
}
