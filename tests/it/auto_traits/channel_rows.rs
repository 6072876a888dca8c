//! The rows of channels.

use super::*;
use mainspring::sync::{broadcast, oneshot, watch};

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

        watch::Sender<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        watch::Sender<SendOnly>: "Unpin UnwindSafe RefUnwindSafe";
        watch::Receiver<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        watch::Receiver<SendOnly>: "Unpin UnwindSafe RefUnwindSafe";
        watch::Receiver<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        watch::Ref<'static, u8>: "Sync Unpin UnwindSafe RefUnwindSafe";
        watch::Ref<'static, SendOnly>: "Unpin";
        watch::Changed<'static, u8>: "Send Sync RefUnwindSafe";
        watch::Changed<'static, SendOnly>: "RefUnwindSafe";
        watch::Closed<'static, u8>: "Send Sync UnwindSafe RefUnwindSafe";
        watch::error::SendError<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        watch::error::SendError<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        watch::error::RecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";

        broadcast::Sender<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        broadcast::Sender<SendOnly>: "Unpin UnwindSafe RefUnwindSafe";
        broadcast::WeakSender<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        broadcast::Receiver<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        broadcast::Receiver<SendOnly>: "Unpin UnwindSafe RefUnwindSafe";
        broadcast::Recv<'static, u8>: "Send Sync RefUnwindSafe";
        broadcast::Recv<'static, SendOnly>: "";
        broadcast::Closed<'static, u8>: "Send Sync UnwindSafe RefUnwindSafe";
        broadcast::error::SendError<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        broadcast::error::RecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        broadcast::error::TryRecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
