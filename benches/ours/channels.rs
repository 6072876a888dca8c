//! The channels of both.

use super::on_mainspring::Mainspring;
use super::on_tokio::Tokio;
use crate::benches::common::channels::Channels;

/// The same names in both crates.
macro_rules! with_mpsc_of {
    ($krate:ident: $leaves:ty) => {
        impl Channels for $leaves {
            type Sender = $krate::sync::mpsc::Sender<u64>;
            type Receiver = $krate::sync::mpsc::Receiver<u64>;

            fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
                $krate::sync::mpsc::channel(capacity)
            }

            fn another(sender: &Self::Sender) -> Self::Sender {
                sender.clone()
            }

            async fn send(sender: &mut Self::Sender, value: u64) {
                sender.send(value).await.expect("it is there");
            }

            async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
                receiver.recv().await
            }
        }
    };
}

with_mpsc_of!(mainspring: Mainspring);
with_mpsc_of!(tokio: Tokio);
