#![allow(unsafe_code, reason = "system calls through libc")]
//! Moving bytes between descriptors inside the kernel: `splice`, and the size of the pipe that it needs.

use std::io::{self, PipeWriter};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Moves up to `count` bytes, one of the two being a pipe; `WouldBlock` if there are none, or there is no room. The pipe itself
/// need not be non-blocking, the other end must be.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: both descriptors are borrowed across the call, and null stands for their own positions.
    let moved = unsafe { libc::splice(from, ptr::null_mut(), to, ptr::null_mut(), count, libc::SPLICE_F_NONBLOCK) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Asks for a pipe of this size. Where the system grants no more (it counts what each user has), the pipe stays as it is.
pub(crate) fn widen(pipe: &PipeWriter, bytes: i32) {
    // SAFETY: takes a descriptor, which is borrowed, and a number.
    let _ = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
}
