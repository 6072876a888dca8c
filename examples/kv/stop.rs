//! Ctrl-c: a flag that a signal handler sets and the server looks at ten times a second.
//!
//! A handler may do next to nothing (no lock, no allocation), and storing to an atomic is what it may do. The
//! second signal ends the process at once, in case the graceful way is stuck.

#![allow(unsafe_code, reason = "a signal handler can only be installed through libc")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, never cleared.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Asks the server to stop, as a signal does.
pub(crate) fn request() {
    // ORDER: Relaxed: the flag says only itself; nothing is read on the strength of it.
    STOPPING.store(true, Ordering::Relaxed);
}

/// Whether somebody asked.
pub(crate) fn is_requested() -> bool {
    // ORDER: Relaxed, as in `request`: seeing it one look later costs a tenth of a second.
    STOPPING.load(Ordering::Relaxed)
}

/// What the kernel calls, on whatever thread it likes.
extern "C" fn on_signal(signal: libc::c_int) {
    // ORDER: Relaxed, as in `request`; a read-modify-write, so that of two signals exactly one is the second.
    if STOPPING.swap(true, Ordering::Relaxed) {
        // SAFETY: `_exit` may be called in a handler, and it ends the process without running anything of ours.
        unsafe { libc::_exit(128 + signal) };
    }
}

/// From now on SIGINT and SIGTERM ask for a stop instead of killing.
pub(crate) fn on_ctrl_c() -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int) = on_signal;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all fields of a `sigaction` may be zero: no flags, no blocked signals, no restorer.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is a valid `sigaction` for the whole call, and null says that the old one is not wanted.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
