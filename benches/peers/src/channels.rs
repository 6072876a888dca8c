//! Channels for those who bring none: async-channel's, which is what smol hands on as its own. glommio has one for a single
//! thread.

#![allow(unsafe_code, reason = "glommio's channel is not `Send`")]

use crate::benches::common::channels::Channels;
use async_channel::{Receiver, Sender};

/// The same for each.
macro_rules! with_async_channel {
    ($($(#[$if:meta])* $leaves:ty,)*) => {$(
        $(#[$if])*
        impl Channels for $leaves {
            type Sender = Sender<u64>;
            type Receiver = Receiver<u64>;

            fn channel(capacity: usize) -> (Sender<u64>, Receiver<u64>) {
                async_channel::bounded(capacity)
            }

            fn another(sender: &Sender<u64>) -> Sender<u64> {
                sender.clone()
            }

            async fn send(sender: &mut Sender<u64>, value: u64) {
                sender.send(value).await.expect("it is there");
            }

            async fn recv(receiver: &mut Receiver<u64>) -> Option<u64> {
                receiver.recv().await.ok()
            }
        }
    )*};
}

with_async_channel! {
    #[cfg(feature = "smol")]
    crate::on_smol::Smol,
    #[cfg(feature = "nio")]
    crate::on_nio::Nio,
    #[cfg(feature = "monoio")]
    crate::on_monoio::Monoio,
    #[cfg(feature = "compio")]
    crate::on_compio::Compio,
}

#[cfg(feature = "glommio")]
mod of_glommio {
    use super::Channels;
    use crate::kit::Here;
    use crate::on_glommio::Glommio;
    use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded};
    use std::future::Future;
    use std::rc::Rc;

    impl Channels for Glommio {
        type Sender = Here<Rc<LocalSender<u64>>>;
        type Receiver = Here<LocalReceiver<u64>>;

        fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
            let (sender, receiver) = new_bounded(capacity);
            // SAFETY: this runtime has one thread, and a workload uses its channels in tasks only.
            (unsafe { Here::new(Rc::new(sender)) }, unsafe { Here::new(receiver) })
        }

        fn another(sender: &Self::Sender) -> Self::Sender {
            // SAFETY: as above.
            unsafe { Here::new(sender.see().clone()) }
        }

        fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = ()> + Send {
            let send = async move { sender.get().send(value).await.expect("it is there") };
            // SAFETY: as above.
            unsafe { Here::new(send) }
        }

        fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send {
            let recv = async { receiver.get().recv().await };
            // SAFETY: as above.
            unsafe { Here::new(recv) }
        }
    }
}
