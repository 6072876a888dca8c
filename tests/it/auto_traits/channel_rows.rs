//! The rows of channels.

use super::*;
use mainspring::sync::queue::{self, Queue};
use mainspring::sync::{broadcast, mpsc, oneshot, watch};

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
        broadcast::Recv<'static, SendOnly>: "RefUnwindSafe";
        broadcast::Closed<'static, u8>: "Send Sync UnwindSafe RefUnwindSafe";
        broadcast::error::SendError<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        broadcast::error::RecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        broadcast::error::TryRecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}

#[rustfmt::skip]
pub(super) fn rows_of_mpsc() -> Vec<Row> {
    table! {
        mpsc::Sender<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::Sender<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::UnboundedSender<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::UnboundedSender<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::WeakSender<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::WeakSender<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::WeakUnboundedSender<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::Receiver<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::Receiver<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::Receiver<PhantomPinned>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::UnboundedReceiver<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::UnboundedReceiver<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::SendValue<'static, u8>: "Send Sync UnwindSafe RefUnwindSafe";
        mpsc::SendValue<'static, SendOnly>: "Send UnwindSafe";
        mpsc::SendValue<'static, Neither>: "UnwindSafe RefUnwindSafe";
        mpsc::Reserve<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        mpsc::ReserveMany<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        mpsc::ReserveOwned<SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        mpsc::ReserveOwned<Neither>: "UnwindSafe RefUnwindSafe";
        mpsc::Permit<'static, SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::Permit<'static, Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::PermitIterator<'static, SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::OwnedPermit<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::OwnedPermit<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        mpsc::Recv<'static, SendOnly>: "Send Sync Unpin RefUnwindSafe";
        mpsc::Recv<'static, Neither>: "Unpin RefUnwindSafe";
        mpsc::RecvMany<'static, u8>: "Send Sync Unpin RefUnwindSafe";
        mpsc::RecvMany<'static, SendOnly>: "Send Unpin";
        mpsc::RecvMany<'static, Neither>: "Unpin RefUnwindSafe";
        mpsc::Closed<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        mpsc::Bounded: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::Unbounded: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        mpsc::error::SendError<SendOnly>: "Send Unpin UnwindSafe";
        mpsc::error::TrySendError<SendOnly>: "Send Unpin UnwindSafe";
        mpsc::error::TryRecvError: "Send Sync Unpin UnwindSafe RefUnwindSafe";

        Queue<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Queue<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        queue::Item<'static, SendOnly>: "Send Unpin UnwindSafe";
        queue::Item<'static, Neither>: "Unpin UnwindSafe RefUnwindSafe";
        queue::Put<'static, SendOnly>: "Send UnwindSafe";
        queue::Put<'static, Neither>: "UnwindSafe RefUnwindSafe";
        queue::Get<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        queue::Get<'static, Neither>: "UnwindSafe RefUnwindSafe";
        queue::GetItem<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        queue::Join<'static, SendOnly>: "Send Sync UnwindSafe RefUnwindSafe";
        queue::error::PutError<SendOnly>: "Send Unpin UnwindSafe";
        queue::error::TryPutError<SendOnly>: "Send Unpin UnwindSafe";
        queue::error::GetError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        queue::error::TryGetError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
