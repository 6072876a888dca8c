//! Datagrams: what sockets that send and receive whole messages have in common.
//!
//! A message is sent whole or not at all, and received whole or cut to the buffer; an empty one is a message like any
//! other. So nothing here is done "at once because the buffer is empty", as with streams, and 0 bytes are no end.
//!
//! A socket whose own reading was shut down is the one that has an end: `recv` then gives 0 bytes from nobody, as a blocking one
//! does. On a non-blocking one the kernel says `WouldBlock` for ever, so it is the reactor's word that counts (see [`or_end`]).
//!
//! An error is news of one moment: that an earlier message found nobody. One call reports it, and the socket goes on;
//! see `Passing` in `driver::source`.

mod ops;

pub(super) use ops::{Datagrams, or_end};
pub use ops::{Recv, RecvFrom, Send};
