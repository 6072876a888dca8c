//! A socket may be simulated and have no descriptor, so only `AsyncFd` lends one unasked.

pub fn lent(socket: &mainspring::net::UdpSocket) -> i32 {
    use std::os::fd::{AsFd, AsRawFd};
    socket.as_fd().as_raw_fd() //~ E0599: the method `as_fd` exists
}
