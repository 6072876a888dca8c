//! Ctrl-c: a task that waits for it and sets the flag which the server looks at ten times a second.
//!
//! The second signal ends the process at once, in case the graceful way is stuck.

use mainspring::signal::{Signal, SignalKind, signal};
use mainspring::task;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, never cleared.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Asks the server to stop, as a signal does. Says whether somebody has asked before.
pub(crate) fn request() -> bool {
    // ORDER: Relaxed: the flag says only itself; a read-modify-write, so that of two signals exactly one is the second.
    STOPPING.swap(true, Ordering::Relaxed)
}

/// Whether somebody asked.
pub(crate) fn is_requested() -> bool {
    // ORDER: Relaxed, as in `request`: seeing it one look later costs a tenth of a second.
    STOPPING.load(Ordering::Relaxed)
}

/// From now on SIGINT and SIGTERM ask for a stop instead of killing.
pub(crate) fn on_ctrl_c() -> io::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        drop(task::Builder::new().name("ctrl-c").daemon(true).spawn(obey(signal(kind)?)));
    }
    Ok(())
}

async fn obey(mut signals: Signal) {
    while signals.recv().await.is_some() {
        if request() {
            process::exit(128 + signals.kind().as_raw_value());
        }
    }
}
