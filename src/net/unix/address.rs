//! Names of Unix sockets.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use socket2::SockAddr;

use crate::base::sys;

/// A path as the kernel wants it; with a zero byte in front, a name outside the file system.
pub(super) fn of_path(path: &Path) -> io::Result<SockAddr> {
    let (first, rest) = path.as_os_str().as_bytes().split_first().ok_or_else(|| refused("a path is not empty"))?;
    if *first == 0 {
        return if sys::HAS_ABSTRACT_NAMES { SockAddr::unix(path) } else { Err(no_abstract_names()) };
    }
    if rest.contains(&0) {
        return Err(refused("a path contains no zero byte"));
    }
    SockAddr::unix(path) // says so if it is too long: some 100 bytes are the limit
}

/// An address that the kernel has told.
pub(super) fn of_address(address: &SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return of_path(path);
    }
    match sys::abstract_name(address) {
        Some(name) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat())),
        None => Err(refused("the socket has no name")),
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("cannot use the address of a Unix socket: {why}"))
}

fn no_abstract_names() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "names outside the file system are known to Linux alone")
}
