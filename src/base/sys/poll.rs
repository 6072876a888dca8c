//! Is a descriptor ready? Asked at this moment, of the descriptor itself: for those that must not be made non-blocking, since
//! other processes use them too.

#![allow(unsafe_code, reason = "poll(2) through libc")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Would a read return at once: with data, the end or an error?
pub(crate) fn can_read(fd: BorrowedFd<'_>) -> io::Result<bool> {
    poll(fd, libc::POLLIN, 0)
}

/// Is there room for [`PIECE`](super::PIECE) bytes, or an error?
pub(crate) fn can_write(fd: BorrowedFd<'_>) -> io::Result<bool> {
    poll(fd, libc::POLLOUT, 0)
}

/// Blocks until a read would return at once.
pub(crate) fn await_bytes(fd: BorrowedFd<'_>) -> io::Result<()> {
    poll(fd, libc::POLLIN, -1).map(drop)
}

/// Blocks until there is room, or an error.
pub(crate) fn await_room(fd: BorrowedFd<'_>) -> io::Result<()> {
    poll(fd, libc::POLLOUT, -1).map(drop)
}

fn poll(fd: BorrowedFd<'_>, events: libc::c_short, timeout_ms: libc::c_int) -> io::Result<bool> {
    let mut wanted = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, ours, that lives across the call; the descriptor is borrowed, so it is open.
    let found = unsafe { libc::poll(&raw mut wanted, 1, timeout_ms) };
    if found < 0 { Err(io::Error::last_os_error()) } else { Ok(found > 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    #[test]
    fn a_pipe_can_be_read_when_there_is_something_in_it_and_at_its_end() {
        let (reader, mut writer) = io::pipe().expect("descriptors are to be had");
        assert!(!can_read(reader.as_fd()).expect("it is open"));
        assert!(can_write(writer.as_fd()).expect("it is open"));
        await_room(writer.as_fd()).expect("there is room");
        writer.write_all(b"x").expect("there is room");
        assert!(can_read(reader.as_fd()).expect("it is open"));
        await_bytes(reader.as_fd()).expect("there are some");
        drop(writer);
        assert!(can_read(reader.as_fd()).expect("it is open"));
    }
}
