//! The channels that a runtime's users have: its own, or where it has none those of async-channel, which are tied to nobody.

use std::future::Future;

/// What the flavours of one crate share, beside their leaves and locks.
pub(crate) trait Channels: 'static {
    /// Sends numbers.
    type Sender: Send + 'static;
    /// The one that receives them.
    type Receiver: Send + 'static;

    /// With room for so many.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// One more of the same channel.
    fn another(sender: &Self::Sender) -> Self::Sender;

    /// Waits for room. The receiver is there as long as there are senders.
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = ()> + Send;

    /// The next; none once all senders are gone.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}
