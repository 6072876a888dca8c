//! The rows of locks and their like.

use super::*;
use mainspring::sync::{
    self, Acquire, AcquireError, AcquireOwned, Barrier, BarrierWait, BarrierWaitResult, Condvar, Lock, LockOwned,
    MappedMutexGuard, MutexGuard, Notified, Notify, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedNotified,
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, ReadOwned, RwLockMappedReadGuard,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit, SetError, TryAcquireError,
    TryLockError, WriteOwned,
};

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        sync::Mutex<u8>: "Send Sync Unpin UnwindSafe";
        sync::Mutex<SendOnly>: "Send Sync Unpin UnwindSafe";
        sync::Mutex<Neither>: "Unpin UnwindSafe";
        sync::RwLock<u8>: "Send Sync Unpin UnwindSafe";
        sync::RwLock<SendOnly>: "Send Unpin UnwindSafe";
        sync::RwLock<Neither>: "Unpin UnwindSafe";
        sync::OnceCell<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        sync::OnceCell<SendOnly>: "Send Unpin UnwindSafe";
        Semaphore: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Notify: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Barrier: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Condvar: "Send Sync Unpin UnwindSafe RefUnwindSafe";

        MutexGuard<'static, u8>: "Send Sync Unpin";
        MutexGuard<'static, SendOnly>: "Send Unpin";
        MutexGuard<'static, Neither>: "Unpin";
        MappedMutexGuard<'static, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OwnedMutexGuard<u8>: "Send Sync Unpin";
        OwnedMappedMutexGuard<SendOnly, u8>: "Send Sync Unpin";
        RwLockReadGuard<'static, u8>: "Send Sync Unpin";
        RwLockReadGuard<'static, SendOnly>: "Unpin";
        RwLockMappedReadGuard<'static, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        RwLockWriteGuard<'static, u8>: "Send Sync Unpin";
        RwLockMappedWriteGuard<'static, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OwnedRwLockReadGuard<u8>: "Send Sync Unpin";
        OwnedRwLockWriteGuard<u8>: "Send Sync Unpin";
        SemaphorePermit<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OwnedSemaphorePermit: "Send Sync Unpin UnwindSafe RefUnwindSafe";

        Lock<'static, u8>: "Send Sync";
        Lock<'static, SendOnly>: "Send Sync";
        Lock<'static, Neither>: "";
        LockOwned<u8>: "Send Sync";
        sync::Read<'static, u8>: "Send Sync";
        sync::Read<'static, SendOnly>: "";
        ReadOwned<u8>: "Send Sync";
        sync::Write<'static, u8>: "Send Sync";
        WriteOwned<u8>: "Send Sync";
        Acquire<'static>: "Send Sync UnwindSafe RefUnwindSafe";
        AcquireOwned: "Send Sync UnwindSafe RefUnwindSafe";
        Notified<'static>: "Send Sync UnwindSafe RefUnwindSafe";
        OwnedNotified: "Send Sync UnwindSafe RefUnwindSafe";
        BarrierWait<'static>: "Send Sync UnwindSafe RefUnwindSafe";

        BarrierWaitResult: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        AcquireError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TryAcquireError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TryLockError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SetError<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SetError<Neither>: "Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
