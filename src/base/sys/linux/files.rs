#![allow(unsafe_code, reason = "system calls through libc")]
//! What Linux does with files without waiting: `openat2(RESOLVE_CACHED)`, `preadv2(RWF_NOWAIT)`, and a `statx` that asks
//! nobody. None of these sleeps for a disk or a server; each says with an error that it would have to.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;

/// What a look at an open file says, from memory.
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
    /// It would have had to wait, or it failed as any other call would: another file, or another time, may go.
    Once,
    /// This file system never does it.
    System,
    /// Nobody here ever does it: the kernel does not know the call, or a filter forbids it.
    Process,
}

/// A place in the file system, found without waiting and without touching what is there: no pipe is opened, no server
/// asked, no device woken. It is good for [`glance`] alone.
pub(crate) fn find_cached(path: &CStr) -> io::Result<OwnedFd> {
    openat2(path, libc::O_PATH | libc::O_CLOEXEC)
}

/// Opens for reading without waiting. The descriptor is non-blocking, so that a lease on the file is an error and no
/// wait; [`make_blocking`] takes that off again.
pub(crate) fn open_cached(path: &CStr) -> io::Result<File> {
    openat2(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC).map(File::from)
}

fn openat2(path: &CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: all three fields are integers, for which zeroes are values; more may come, and zero asks nothing of them.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::try_from(flags).expect("flags are not negative");
    how.resolve = libc::RESOLVE_CACHED;
    let (how, size) = (&raw const how, size_of::<libc::open_how>());
    // SAFETY: the path ends with a zero byte and `how` lives across the call, which reads both and writes neither.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how, size) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).expect("descriptors are small");
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is known of an open file on this machine. A server is not asked for news.
pub(crate) fn glance(fd: BorrowedFd<'_>) -> io::Result<Glance> {
    // SAFETY: it is made of integers, for which zeroes are values.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let mask = libc::STATX_TYPE | libc::STATX_SIZE;
    // SAFETY: the empty path is a C string, the descriptor is borrowed, and `found` is ours for the call to write.
    let result = unsafe { libc::statx(fd.as_raw_fd(), c"".as_ptr(), flags, mask, &raw mut found) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let kind = libc::mode_t::from(found.stx_mode) & libc::S_IFMT;
    Ok(Glance {
        is_file: kind == libc::S_IFREG,
        is_pipe: kind == libc::S_IFIFO,
        system: u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor),
        len: found.stx_size,
    })
}

/// Takes `O_NONBLOCK` off a descriptor that [`open_cached`] made; it has no other flag that this call could change.
pub(crate) fn make_blocking(file: &File) -> io::Result<()> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads what is in memory, from a place or, without one, from the descriptor's own position, which moves on.
pub(crate) fn read_cached(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>], at: Option<u64>) -> io::Result<usize> {
    let most = usize::try_from(libc::UIO_MAXIOV).expect("UIO_MAXIOV is 1024");
    let count = libc::c_int::try_from(bufs.len().min(most)).expect("at most 1024");
    let (fd, at, bufs) = (fd.as_raw_fd(), position(at)?, bufs.as_mut_ptr().cast::<libc::iovec>());
    // SAFETY: std promises that an `IoSliceMut` is an iovec; each is ours to write for as long as `bufs` is borrowed.
    let count = unsafe { libc::preadv2(fd, bufs, count, at, libc::RWF_NOWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// As [`read_cached`], behind what is in the vector: into its spare capacity, `most` bytes of it at the most. So a vector
/// need not be filled with zeroes first.
pub(crate) fn append_cached(fd: BorrowedFd<'_>, to: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let room = to.spare_capacity_mut();
    let piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len().min(most) };
    // SAFETY: the piece lies within the vector's spare capacity, which nobody else has while the vector is borrowed.
    let count = unsafe { libc::preadv2(fd.as_raw_fd(), &raw const piece, 1, -1, libc::RWF_NOWAIT) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let len = to.len() + count;
    // SAFETY: the kernel has written the `count` bytes behind the old length, and they are within the capacity.
    unsafe { to.set_len(len) };
    Ok(count)
}

/// Writes without waiting, though the descriptor may be a blocking one: what there is room for, or `WouldBlock`. Sockets can do
/// it, and anonymous pipes since 6.4. [`read_cached`] is its counterpart.
pub(crate) fn write_now(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let most = usize::try_from(libc::UIO_MAXIOV).expect("UIO_MAXIOV is 1024");
    let count = libc::c_int::try_from(bufs.len().min(most)).expect("at most 1024");
    let (fd, bufs) = (fd.as_raw_fd(), bufs.as_ptr().cast::<libc::iovec>());
    // SAFETY: std promises that an `IoSlice` is an iovec; the call reads what each names, which is borrowed with `bufs`.
    let count = unsafe { libc::pwritev2(fd, bufs, count, -1, libc::RWF_NOWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// The device of the terminal's number 5:2, which is another terminal each time it is opened.
const PTMX: u64 = 5 << 8 | 2;

/// The same terminal, opened once more, non-blocking: a file of our own, so nobody else is non-blocking by it. `device` is its
/// number.
pub(crate) fn reopen_terminal(terminal: &File, device: u64) -> io::Result<File> {
    if device == PTMX {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: the call takes two integers and touches no memory of ours.
    let flags = unsafe { libc::fcntl(terminal.as_raw_fd(), libc::F_GETFL) };
    let mode = flags & libc::O_ACCMODE;
    std::fs::OpenOptions::new()
        .read(mode != libc::O_WRONLY)
        .write(mode != libc::O_RDONLY)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", terminal.as_raw_fd()))
}

/// Number 451, which libc does not name everywhere. Where an architecture counts from another number, it does so for 437 as well.
const SYS_CACHESTAT: libc::c_long = libc::SYS_openat2 + (451 - 437);

/// Are all pages of this part of a file in memory, or on their way? Since 6.5, and since 6.14 only for whoever might write to the file.
pub(crate) fn is_in_memory(fd: BorrowedFd<'_>, at: u64, count: u64) -> io::Result<bool> {
    /// `cachestat_range` and `cachestat` of linux/mman.h.
    #[repr(C)]
    struct Part {
        at: u64,
        count: u64,
    }
    #[repr(C)]
    #[derive(Default)]
    struct Pages {
        in_memory: u64,
        dirty_written_evicted_and_lately: [u64; 4],
    }
    // SAFETY: takes a number and gives one.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4_096);
    let (part, mut pages) = (Part { at, count }, Pages::default());
    let (from, to) = (&raw const part, &raw mut pages);
    // SAFETY: both structures are ours, as the kernel lays them out, and live across the call.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), from, to, 0) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.in_memory >= (at + count).div_ceil(page) - at / page)
}

/// Sends a part of a file to a socket, from page to packet; waits for pages that are not in memory.
pub(crate) fn send_file(to: BorrowedFd<'_>, from: BorrowedFd<'_>, at: u64, count: usize) -> io::Result<usize> {
    let mut at = position(Some(at))?;
    // SAFETY: both descriptors are borrowed, and the position is ours for the call to write.
    let count = unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), &raw mut at, count) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Does this error of [`send_file`] say that these two have no such way between them?
pub(crate) fn is_no_way_to_send(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM))
}

/// The kernel's spelling: -1 is the descriptor's own position.
fn position(at: Option<u64>) -> io::Result<libc::off_t> {
    let Some(at) = at else { return Ok(-1) };
    libc::off_t::try_from(at).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// What the error of a cached call says about the next one.
pub(crate) fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => Refusal::System,
        Some(libc::ENOSYS | libc::EPERM) => Refusal::Process,
        _ => Refusal::Once,
    }
}

/// Would the call have had to wait? That is the answer of a file system that answers.
pub(crate) fn would_wait(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// So many bytes a pipe takes without waiting when poll(2) says that it can be written.
pub(crate) const PIECE: usize = libc::PIPE_BUF;
