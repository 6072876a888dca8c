//! What Linux has: timer descriptors, `accept4`, sending without SIGPIPE, priority events.

#![allow(unsafe_code, reason = "system calls through libc")]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use mio::Interest;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

#[path = "linux/files.rs"]
mod files;
#[path = "linux/splice.rs"]
mod splice;
#[path = "linux/unix.rs"]
mod unix;

pub(crate) use files::*;
pub(crate) use splice::*;
pub(crate) use unix::*;

/// On Linux a stream read that returns less than was asked for has emptied the receive queue, unless urgent
/// data stood in between: hence the priority interest below, and the rule in `driver::source`.
pub(crate) const SHORT_READ_DRAINS: bool = true;

/// What a TCP stream is registered for.
pub(crate) fn stream_interest() -> Interest {
    Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY
}

/// A one-shot timer with nanosecond resolution that an epoll set can wait for.
#[derive(Debug)]
pub(crate) struct TimerFd {
    /// Closed when the timer is dropped.
    fd: OwnedFd,
}

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes two integers and touches no memory of ours.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd })
    }

    /// The descriptor to wait for, if the platform has such timers.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        Some(self.fd.as_raw_fd())
    }

    /// Makes the timer go off once, `in_ns` nanoseconds from now, and forgets what it was armed for before.
    /// Zero would disarm it, so it counts as one. It is registered for edges, and every expiry is an edge, so
    /// the expirations are never read: that saves a system call a tick.
    pub(crate) fn arm(&self, in_ns: u64) {
        let in_ns = in_ns.max(1);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(in_ns / 1_000_000_000).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::try_from(in_ns % 1_000_000_000).expect("a remainder below 10^9 fits a c_long"),
        };
        let timer = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: the descriptor is ours and open, `timer` lives across the call, and a null old value is allowed.
        let result = unsafe { libc::timerfd_settime(self.fd.as_raw_fd(), 0, &raw const timer, std::ptr::null_mut()) };
        assert!(result == 0, "timerfd_settime fails only for a bad descriptor or time: {}", io::Error::last_os_error());
    }
}

/// Makes an IPv4 or IPv6 stream socket, non-blocking and closed on exec from its first moment.
pub(crate) fn tcp_socket(address: &SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(*address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))
}

/// Accepts one connection. The descriptor is non-blocking and closed on exec from its first moment: std's
/// `accept` would need a second system call for the former.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, address) = SockRef::from(listener).accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?;
    let address = address.as_socket().ok_or_else(|| io::Error::other("the peer of a TCP socket has no IP address"))?;
    Ok((socket.into(), address))
}

/// Does this error of `accept` concern only the client that was about to be accepted? accept(2) hands over
/// the errors that are pending on the new socket, and says to treat them like EAGAIN and go on.
pub(crate) fn is_accept_noise(error: &io::Error) -> bool {
    let noise = [
        libc::ECONNABORTED,
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
    ];
    error.raw_os_error().is_some_and(|errno| noise.contains(&errno))
}

/// Is the process (EMFILE) or the machine (ENFILE) out of descriptors, or out of memory for them?
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let scarce = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|errno| scarce.contains(&errno))
}

/// Writes several buffers in one call. std's `write_vectored` is a `writev`, which raises SIGPIPE where that
/// signal is not ignored; std's plain `write` to a socket does not, and neither does this.
pub(crate) fn send_vectored<S: AsFd>(stream: &S, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    // The kernel refuses more than IOV_MAX buffers with EMSGSIZE; std's writes cut there instead.
    let most = usize::try_from(libc::UIO_MAXIOV).expect("UIO_MAXIOV is 1024");
    SockRef::from(stream).send_vectored_with_flags(&bufs[..bufs.len().min(most)], libc::MSG_NOSIGNAL)
}

/// A child by a descriptor that means this process for ever, whoever gets its number later, and that an epoll set can wait
/// for: it is readable from the child's exit on.
#[derive(Debug)]
pub(crate) struct PidFd {
    /// Closed on exec, as the kernel makes it.
    fd: OwnedFd,
}

impl PidFd {
    /// None if the kernel has no such descriptors (before 5.3, or under a filter of system calls), if there are none left, or
    /// if somebody else has reaped the child already.
    pub(crate) fn open(pid: libc::pid_t) -> Option<Self> {
        // SAFETY: the call takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).ok().filter(|&fd| fd >= 0)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Some(Self { fd })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What `waitid` is to wait for.
    pub(crate) fn to_wait_for(&self) -> (libc::idtype_t, libc::id_t) {
        (libc::P_PIDFD, self.fd.as_raw_fd().cast_unsigned())
    }

    /// Kills this process and no other; one that has exited is left alone.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: integers, and a null pointer, which is allowed and stands for what `kill` would tell.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), libc::SIGKILL, no_info, 0) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
