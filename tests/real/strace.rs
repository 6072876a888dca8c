//! Runs a script under strace, which makes system calls fail on demand, and writes down those that were made.
//!
//! strace skips a call that it makes fail: the kernel never sees it. That is what happens to a call that is refused, and
//! to most that are interrupted; what it cannot stand for is said where it is used.

use crate::harness::{command_for, scratch_file, skipped, watch};
use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How a script went.
pub(crate) struct Traced {
    /// `None`: it hung.
    pub(crate) status: Option<ExitStatus>,
    /// What it printed on stdout.
    pub(crate) said: String,
    /// What it printed on stderr.
    pub(crate) told: String,
    /// Its system calls of the kinds that were to fail, one a line.
    pub(crate) calls: String,
}

impl Traced {
    /// How many of its calls begin so.
    pub(crate) fn count(&self, call: &str) -> usize {
        // A call that waited takes two lines, of which the second begins with `<...`.
        self.calls.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|it| it.starts_with(call))).count()
    }

    /// How many calls were made to fail.
    pub(crate) fn injected(&self) -> usize {
        self.calls.matches("(INJECTED)").count()
    }
}

/// Is strace here? If not, this prints what was not tested.
pub(crate) fn is_here() -> bool {
    let is_here = Command::new("strace").arg("-V").output().is_ok();
    if !is_here {
        skipped("strace is not installed: faults in system calls were not tested");
    }
    is_here
}

/// Runs a script with a fault, as `accept4:error=EMFILE:when=2+3`.
pub(crate) fn trace(script: &str, fault: &str, limit: Duration) -> Traced {
    let (inner, log) = (command_for(script), scratch_file(&format!("{script}-calls")));
    // What is not traced does not fail either; and tracing everything takes ten times as long.
    let calls = fault.split(':').next().expect("the names of calls come first");
    let mut child = Command::new("strace")
        .args(["-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"])
        .arg(&log)
        .args(["-e", &format!("inject={fault}")])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace was there a moment ago");
    let status = watch(&mut child, limit);
    if status.is_none() {
        // Without strace the script would run on, and its end of the pipes with it; its group is the case's, so the harness
        // ends it.
        let _ = child.kill();
        let calls = fs::read_to_string(&log).unwrap_or_default();
        return Traced { status, said: String::new(), told: String::new(), calls };
    }
    let output = child.wait_with_output().expect("it is our child");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let calls = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    Traced { status, said: text(&output.stdout), told: text(&output.stderr), calls }
}

/// Runs a script that must succeed with this fault. `None`, and a note, where strace is missing.
pub(crate) fn under_strace(script: &str, fault: &str) -> Option<Traced> {
    if !is_here() {
        return None;
    }
    let traced = trace(script, fault, Duration::from_secs(20));
    let Traced { status, said, told, calls } = &traced;
    let last = calls.lines().rev().take(8).collect::<Vec<_>>().join("\n");
    let status = status.unwrap_or_else(|| panic!("{script} hangs under {fault}; the last of these calls:\n{last}"));
    assert!(status.success(), "{script} under {fault}: {status}\n{said}\n{told}");
    Some(traced)
}
