//! The rows of task-locals, and of work that runs ahead.

use super::*;

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        LocalKey<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TaskLocalFuture<u8, Ready<u8>>: "Send Sync Unpin";
        TaskLocalFuture<PhantomPinned, Ready<u8>>: "Send Sync Unpin";
        TaskLocalFuture<u8, Neither>: "Unpin";
        MapOn<SendOnly>: "Send Unpin";
        MapOn<Neither>: "Unpin";
        Filled<u8>: "Send Sync Unpin";
        Filled<SendOnly>: "Send Unpin";
    }
    .to_vec()
}
