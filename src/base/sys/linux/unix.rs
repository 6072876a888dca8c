//! What Linux has for Unix sockets: who the peer is, names outside the file system, and descriptors in messages.

#![allow(unsafe_code, reason = "system calls through libc")]

use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use socket2::{Domain, MsgHdr, SockAddr, SockRef, Socket, Type};

/// Are there names that begin with a zero byte, and stand in no file system?
pub(crate) const HAS_ABSTRACT_NAMES: bool = true;

/// Such a name, without its zero byte.
pub(crate) fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

/// Makes a Unix socket, non-blocking and closed on exec from its first moment.
pub(crate) fn unix_socket(kind: Type) -> io::Result<Socket> {
    Socket::new(Domain::UNIX, kind.nonblocking().cloexec(), None)
}

/// Accepts one connection, non-blocking and closed on exec from its first moment.
pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<(UnixStream, SocketAddr)> {
    let (socket, address) = SockRef::from(listener).accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?;
    Ok((socket.into(), unix_address(&address)?))
}

fn unix_address(address: &SockAddr) -> io::Result<SocketAddr> {
    // Of a socket without a name the kernel tells the family alone, for which std's word is the empty path.
    address.as_unix().map_or_else(|| SocketAddr::from_pathname(""), Ok)
}

/// Writes to a socket without raising SIGPIPE.
pub(crate) fn send<S: AsFd>(socket: &S, buf: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(buf, libc::MSG_NOSIGNAL)
}

/// The process, user and group that a stream was connected or made by.
pub(crate) fn peer_cred(stream: &UnixStream) -> io::Result<(Option<i32>, u32, u32)> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("it takes 12 bytes");
    let fd = stream.as_raw_fd();
    let into = (&raw mut cred).cast();
    // SAFETY: the descriptor is open, and the kernel writes at most `size` bytes into `cred`, which are as many as it has.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, into, &raw mut size) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // In another namespace of processes it has no number here.
    Ok(((cred.pid != 0).then_some(cred.pid), cred.uid, cred.gid))
}

/// One control message begins with its length, the level and the type, in the kernel's own words, however a C library
/// declares them.
const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// As many descriptors as the kernel lets a message carry (`SCM_MAX_FD`).
const FDS_MAX: usize = 253;

/// Room for the control messages of one message.
#[repr(align(8))]
struct Control([u8; HEADER + FDS_MAX * size_of::<RawFd>() + 4 * HEADER]);

/// Sends bytes, and with the first of them descriptors.
pub(crate) fn send_fds<S: AsFd>(socket: &S, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let bufs = [IoSlice::new(buf)];
    let control = rights_of(fds);
    let message = MsgHdr::new().with_buffers(&bufs);
    let message = if fds.is_empty() { message } else { message.with_control(&control) };
    SockRef::from(socket).sendmsg(&message, libc::MSG_NOSIGNAL)
}

/// The control message that carries them.
fn rights_of(fds: &[BorrowedFd<'_>]) -> Vec<u8> {
    let len = HEADER + size_of_val(fds);
    let mut control = Vec::with_capacity(len.next_multiple_of(size_of::<usize>()));
    control.extend(len.to_ne_bytes());
    control.extend(libc::SOL_SOCKET.to_ne_bytes());
    control.extend(libc::SCM_RIGHTS.to_ne_bytes());
    control.extend(fds.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes()));
    control.resize(len.next_multiple_of(size_of::<usize>()), 0);
    control
}

/// Receives bytes, and the descriptors that came with them, which are closed on exec from their first moment. If some had no
/// place in this process (EMFILE), that is the error, and those that had are closed again.
pub(crate) fn recv_fds<S: AsFd>(socket: &S, buf: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut control = Control([0; _]);
    let mut data = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: it consists of integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the message names `buf` and `control` with their lengths, and both live across the call.
    let count = unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
    let received = rights_in(&control.0[..message.msg_controllen as usize]);
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    fds.extend(received);
    Ok(count)
}

/// A descriptor of the sender's process, which comes along if the user has set SO_PASSPIDFD: it is ours to close.
const SCM_PIDFD: i32 = 4;

/// Takes the descriptors out of control messages that the kernel has just written.
fn rights_in(mut control: &[u8]) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    while control.len() >= HEADER {
        let (header, _) = control.split_at(HEADER);
        let (len, kind) = header.split_at(size_of::<usize>());
        let len = usize::from_ne_bytes(len.try_into().expect("it was cut to size"));
        if !(HEADER..=control.len()).contains(&len) {
            break;
        }
        let is = |what: i32| kind == [libc::SOL_SOCKET.to_ne_bytes(), what.to_ne_bytes()].concat();
        if is(libc::SCM_RIGHTS) || is(SCM_PIDFD) {
            for number in control[HEADER..len].chunks_exact(size_of::<RawFd>()) {
                let number = RawFd::from_ne_bytes(number.try_into().expect("it was cut to size"));
                // SAFETY: the kernel has just made this descriptor for us, and names it to nobody else.
                let fd = unsafe { OwnedFd::from_raw_fd(number) };
                if is(libc::SCM_RIGHTS) {
                    fds.push(fd);
                }
            }
        }
        control = &control[len.next_multiple_of(size_of::<usize>()).min(control.len())..];
    }
    fds
}

/// The flag with which opening a pipe does not wait for the other end.
pub(crate) const OPEN_NONBLOCKING: i32 = libc::O_NONBLOCK;
