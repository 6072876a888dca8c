//! Signals: the one handler of this crate, and the bells that it rings.
//!
//! ```text
//!   kernel ──> on_signal ──> bell of that signal: count + 1, one byte into a socket pair that is never closed
//!                  │                                                     │ each listener: a descriptor of its own for the
//!                  └──> the handler that was there before                v far end, in the epoll set of its own worker
//!                                                             an edge for every listener, in every runtime
//! ```
//!
//! Nobody reads the bytes: a listener compares the count with what it has heard, and every byte is an edge for every epoll
//! set that watches the far end. A reader would take the edge away from the others, since epoll asks the descriptor again
//! before it reports it. Only the handler reads, when the socket is full, and then it writes once more.
//!
//! - **H1** The handler touches memory that is never freed, two descriptors that are never closed, and errno, which it puts back: so it may
//!   run on any thread at any moment, after the last runtime too.
//! - **H2** After every byte that is taken out another is put in, so no listener sleeps over an edge (SIG-02). The count goes
//!   up before the byte is written.
//! - **H3** The handler, once installed, stays: the default action of that signal is off for the life of the process.
//! - **H4** The handler that was there before is called after the bell has rung (SIG-04).
//! - **H5** Where children vanished by themselves, SIGCHLD being ignored, they still do (SA_NOCLDWAIT): whoever set it up so waits
//!   for none of his children, and with a plain handler each would stay a zombie.
//! - **H6** A forked process has the handler and its own count, but not the bell: the socket pair is its parent's, and stays silent
//!   for what comes here. The first listener in it makes another.
//!
//! INSTEAD OF: an eventfd, which needs no emptying, but exists on Linux alone; a socket pair is the same everywhere. A pipe
//! is not: some kernels report no edge for a write to one that is not empty.
//!
//! Cases of the catalogue: SIG-01, SIG-02, SIG-04, SIG-06.

#![allow(unsafe_code, reason = "installs a signal handler, which calls what POSIX allows it to")]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::fork::inherited;
use super::{Origin, PerProcess};
use crate::base::atomic::{AtomicU32, AtomicU64, Mutex, Ordering};

/// One more than the highest signal there is, on every platform we know of.
const SIGNALS: usize = 65;

/// One bell a signal.
static BELLS: [Bell; SIGNALS] =
    [const { Bell { rung: AtomicU64::new(0), is_installed: AtomicU32::new(0), ends: PerProcess::new() } }; SIGNALS];

/// Held by who installs a handler.
static INSTALLING: PerProcess<Mutex<()>> = PerProcess::new();

/// What rings when a signal comes.
struct Bell {
    /// How often the signal came. Written by the handler alone.
    rung: AtomicU64,
    /// 1 once the handler is installed. A forked process has it from its parent, and so it has this.
    is_installed: AtomicU32,
    /// There from before the handler is installed.
    ends: PerProcess<Ends>,
}

/// What the handler uses, never closed (H1).
struct Ends {
    /// The handler writes here.
    near: UnixStream,
    /// Listeners watch duplicates of this.
    far: UnixStream,
    /// Who was there before (H4).
    previous: Previous,
}

/// A handler that somebody else had installed.
#[derive(Clone, Copy)]
struct Previous {
    /// Its address, or one of the two values that mean that there is none.
    address: libc::sighandler_t,
    /// It takes three arguments.
    takes_info: bool,
    /// What of its flags stays in force (H5).
    keeps: libc::c_int,
}

/// A place from which one signal is heard.
#[derive(Debug)]
pub(crate) struct Ear {
    /// An edge for every signal. Its own descriptor, so that an epoll set may have several ears for one signal.
    far: UnixStream,
    /// Which bell.
    signal: usize,
    /// In whose process it rings (H6).
    origin: Origin,
}

impl Ear {
    /// Sees to it that the handler is installed, and listens. What came before is not heard.
    pub(crate) fn new(signal: libc::c_int) -> io::Result<Self> {
        let index = usize::try_from(signal).ok().filter(|&index| (1..SIGNALS).contains(&index)).ok_or_else(no_signal)?;
        let bell = &BELLS[index];
        let installing = INSTALLING.get_or_make(|| Mutex::new(())).lock();
        let ends = match bell.ends.here() {
            Some(ends) => ends,
            None => bell.ends.put(Ends::new(signal, bell.ends.latest().map(|inherited| inherited.previous))?),
        };
        // ORDER: Relaxed, written under the lock, or by the process that this one was forked from.
        if bell.is_installed.load(Ordering::Relaxed) == 0 {
            install(signal, ends.previous.keeps)?;
            // ORDER: Relaxed, as above.
            bell.is_installed.store(1, Ordering::Relaxed);
        }
        drop(installing);
        Ok(Self { far: ends.far.try_clone()?, signal: index, origin: Origin::here() })
    }

    /// An error in a process that was forked off since: what rings there is another bell (H6).
    pub(crate) fn require_ours(&self) -> io::Result<()> {
        if self.origin.is_here() { Ok(()) } else { Err(inherited()) }
    }

    /// How often the signal came so far.
    pub(crate) fn rung(&self) -> u64 {
        // ORDER: Acquire, pairs with the Release in `on_signal`: who hears a signal sees what was done before it.
        BELLS[self.signal].rung.load(Ordering::Acquire)
    }
}

impl AsRawFd for Ear {
    fn as_raw_fd(&self) -> RawFd {
        self.far.as_raw_fd()
    }
}

/// For who needs the edges alone.
impl From<Ear> for OwnedFd {
    fn from(ear: Ear) -> Self {
        ear.far.into()
    }
}

fn no_signal() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "there is no signal with this number")
}

impl Ends {
    /// A handler that is ours already says nothing about who was before it: that the first bell knows.
    fn new(signal: libc::c_int, known: Option<Previous>) -> io::Result<Self> {
        let previous = known.map_or_else(|| Previous::of(signal), Ok)?;
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self { near, far, previous })
    }

    /// One byte in. In a full socket there is room again after a read (H2); two handlers at once may each find it full.
    fn ring(&self) {
        while put(self.near.as_raw_fd()) < 0 && is_full() {
            take_some(self.far.as_raw_fd());
        }
    }
}

/// Writes a byte, as a handler may.
fn put(fd: RawFd) -> isize {
    let byte = 1_u8;
    // SAFETY: the descriptor is open for ever (H1), and one byte is read from a local variable.
    unsafe { libc::write(fd, (&raw const byte).cast(), 1) }
}

/// Reads some bytes and forgets them, as a handler may.
fn take_some(fd: RawFd) {
    let mut bytes = [0_u8; 1_024];
    // SAFETY: the descriptor is open for ever (H1), and no more bytes are written than the local array has.
    unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
}

/// Did the write fail for want of room? Interrupted counts too: it is tried again.
fn is_full() -> bool {
    matches!(read_errno(), libc::EAGAIN | libc::EINTR | libc::ENOBUFS)
}

impl Previous {
    fn of(signal: libc::c_int) -> io::Result<Self> {
        let mut old = no_action();
        // SAFETY: a null new action changes nothing; `old` is ours and lives across the call, which fills it.
        if unsafe { libc::sigaction(signal, ptr::null(), &raw mut old) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let reaps = signal == libc::SIGCHLD
            && (old.sa_sigaction == libc::SIG_IGN || old.sa_flags & libc::SA_NOCLDWAIT != 0);
        let keeps = if reaps { libc::SA_NOCLDWAIT } else { 0 };
        Ok(Self { address: old.sa_sigaction, takes_info: old.sa_flags & libc::SA_SIGINFO != 0, keeps })
    }

    fn call(&self, signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        if matches!(self.address, libc::SIG_DFL | libc::SIG_IGN) {
            return;
        }
        if self.takes_info {
            // SAFETY: `sigaction` gave this address as a handler's, and with SA_SIGINFO it has this type.
            let handler: Informed = unsafe { mem::transmute(self.address) };
            handler(signal, info, context);
        } else {
            // SAFETY: as above; without SA_SIGINFO it has this type.
            let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(self.address) };
            handler(signal);
        }
    }
}

/// A handler that is told more than the signal's number.
type Informed = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// System calls go on after the handler (SA_RESTART), and it runs on a thread's alternate stack if there is one
/// (SA_ONSTACK): threads of other languages may have too little room on their own.
fn install(signal: libc::c_int, keeps: libc::c_int) -> io::Result<()> {
    let handler: Informed = on_signal;
    let mut action = no_action();
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO | keeps;
    // SAFETY: `action` lives across the call; the handler does what POSIX allows in one (H1).
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn no_action() -> libc::sigaction {
    // SAFETY: all zeros is a valid value of this structure: the default action, no flags, no signal blocked.
    unsafe { mem::zeroed() }
}

/// What the kernel calls, on whatever thread it likes.
extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = read_errno();
    let bell = usize::try_from(signal).ok().and_then(|index| BELLS.get(index));
    if let Some(bell) = bell {
        // ORDER: Release, pairs with the Acquire in `Ear::rung`; before the byte, so that the edge finds the new count (H2).
        bell.rung.fetch_add(1, Ordering::Release);
        if let Some(ends) = bell.ends.here() {
            ends.ring(); // H6
        }
        if let Some(ends) = bell.ends.latest() {
            ends.previous.call(signal, info, context);
        }
    }
    write_errno(errno);
}

// SAFETY: each platform's C library has this function, under one name or the other; it takes nothing and cannot fail.
unsafe extern "C" {
    #[cfg_attr(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"), link_name = "__error")]
    #[cfg_attr(any(target_os = "openbsd", target_os = "netbsd", target_os = "android"), link_name = "__errno")]
    #[cfg_attr(any(target_os = "solaris", target_os = "illumos"), link_name = "___errno")]
    #[cfg_attr(any(target_os = "linux", target_os = "hurd"), link_name = "__errno_location")]
    safe fn errno_of_this_thread() -> *mut libc::c_int;
}

fn read_errno() -> libc::c_int {
    // SAFETY: the C library's own variable, which lives as long as this thread.
    unsafe { *errno_of_this_thread() }
}

fn write_errno(value: libc::c_int) {
    // SAFETY: as in `read_errno`, and nobody else writes this thread's variable.
    unsafe { *errno_of_this_thread() = value };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sig_05_a_number_that_is_no_signal_is_refused() {
        for number in [-1, 0, 65, libc::c_int::MAX, libc::SIGKILL] {
            assert_eq!(Ear::new(number).expect_err("no such signal").kind(), io::ErrorKind::InvalidInput, "{number}");
        }
    }

    #[test]
    fn sig_02_a_bell_that_is_full_is_emptied_and_rung_again() {
        let ends = Ends::new(libc::SIGWINCH, None).expect("descriptors are to be had");
        for _ in 0..10_000 {
            ends.ring();
        }
        let mut byte = [0];
        let far = ends.far.as_raw_fd();
        // SAFETY: the descriptor is open as long as `ends`, and the array has room for the one byte.
        let left = unsafe { libc::recv(far, byte.as_mut_ptr().cast(), 1, libc::MSG_PEEK) };
        assert_eq!(left, 1, "H2: there is a byte behind every one that was taken");
    }
}
