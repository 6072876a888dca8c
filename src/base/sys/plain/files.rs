//! No way to ask for a file without waiting is known here: each call says so, and everything goes to the pool.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a look at an open file would say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    /// A regular file: neither a directory, nor a pipe, nor a device.
    pub(crate) is_file: bool,
    pub(crate) is_pipe: bool,
    /// The number of its file system.
    pub(crate) system: u64,
    /// How many bytes a regular file has.
    pub(crate) len: u64,
}

/// What an error says about the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another file, or another time, may go.
    Once,
    /// This file system never does it.
    #[expect(dead_code, reason = "here nothing ever goes; the interface is Linux's")]
    System,
    /// Nobody here ever does it.
    Process,
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn find_cached(_: &CStr) -> io::Result<OwnedFd> {
    unsupported()
}

pub(crate) fn open_cached(_: &CStr) -> io::Result<File> {
    unsupported()
}

pub(crate) fn glance(_: BorrowedFd<'_>) -> io::Result<Glance> {
    unsupported()
}

pub(crate) fn make_blocking(_: &File) -> io::Result<()> {
    unsupported()
}

pub(crate) fn read_cached(_: BorrowedFd<'_>, _: &mut [IoSliceMut<'_>], _: Option<u64>) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn append_cached(_: BorrowedFd<'_>, _: &mut Vec<u8>, _: usize) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn write_now(_: BorrowedFd<'_>, _: &[IoSlice<'_>]) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn reopen_terminal(_: &File, _: u64) -> io::Result<File> {
    unsupported()
}

pub(crate) fn is_in_memory(_: BorrowedFd<'_>, _: u64, _: u64) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn send_file(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _: u64, _: usize) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn is_no_way_to_send(_: &io::Error) -> bool {
    true
}

pub(crate) fn refusal(_: &io::Error) -> Refusal {
    Refusal::Process
}

pub(crate) fn would_wait(_: &io::Error) -> bool {
    false
}

/// So many bytes every Unix takes without waiting when poll(2) says that a pipe can be written.
pub(crate) const PIECE: usize = 512;
