//! What sending and receiving may fail with.

use std::error::Error;
use std::fmt;

/// There is no receiver. The message comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody receives: the message was not sent")
    }
}

impl<T> Error for SendError<T> {}

/// Why [`recv`](super::Receiver::recv) has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// Every sender is gone, and this receiver has had all messages.
    Closed,
    /// It came too late for so many messages. The next one is the oldest that is kept.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("every sender is gone, and there are no messages left"),
            Self::Lagged(count) => write!(f, "the receiver came too late for {count} messages"),
        }
    }
}

impl Error for RecvError {}

/// Why [`try_recv`](super::Receiver::try_recv) has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// This receiver has had all messages so far.
    Empty,
    /// Every sender is gone, and this receiver has had all messages.
    Closed,
    /// It came too late for so many messages. The next one is the oldest that is kept.
    Lagged(u64),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there are no messages so far"),
            Self::Closed => f.write_str("every sender is gone, and there are no messages left"),
            Self::Lagged(count) => write!(f, "the receiver came too late for {count} messages"),
        }
    }
}

impl Error for TryRecvError {}
