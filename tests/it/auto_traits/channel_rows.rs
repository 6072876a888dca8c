//! The rows of channels.

use super::*;
use mainspring::sync::oneshot;

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        oneshot::Sender<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        oneshot::Sender<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        oneshot::Receiver<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        oneshot::Receiver<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        oneshot::Closed<'static, SendOnly>: "Send Sync Unpin RefUnwindSafe";
        oneshot::error::RecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        oneshot::error::TryRecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
