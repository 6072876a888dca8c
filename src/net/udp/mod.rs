//! UDP.
//!
//! A socket that belongs to nobody in particular (`send_to`, `recv_from`), or that `connect` has given a peer (`send`,
//! `recv`). `socket` has what users call, `ops` the futures that only UDP has.
//!
//! Cases of the catalogue: NET-11.

mod ops;
mod options;
mod socket;

pub use super::datagram::{Recv, RecvFrom, Send};
pub use ops::{Peek, PeekFrom, SendTo};
pub use socket::UdpSocket;
