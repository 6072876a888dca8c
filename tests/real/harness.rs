#![allow(unsafe_code, reason = "kills a child's process group, and sets an alarm in the child")]
//! The harness: lists cases, runs each in a child process of its own under a watchdog, and reports as cargo's does.
//!
//! ```text
//!    parent                                    child: the same binary, `--child NAME`
//!      │ spawns, in a process group of its own ──>│ alarm(limit + grace)
//!      │ polls, with a limit                      │ body()
//!      │<── exit code: 0 is ok ───────────────────┘ a panic in main is 101
//!      └ limit over: kills the group
//! ```
//!
//! - **H1** A case that hangs costs its limit and no more: the parent kills the whole process group, and should the
//!   parent be gone, the alarm ends the child.
//! - **H2** What a child prints is shown if it failed. A line that begins with `skipped: ` is always shown, so that
//!   nothing is skipped silently.
//!
//! A *script* is a case that is not listed: a body that a case runs in yet another process, to look at it from outside.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One case, or one script.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Seconds after which the watchdog kills it: at least ten times what it takes.
    pub(crate) limit: u64,
    pub(crate) body: fn(),
}

/// Declares a module's list of cases: `cases! { CASES: 10 => [a, b], 60 => [c] }`, by their limits in seconds.
macro_rules! cases {
    ($list:ident: $($limit:literal => [$($name:ident),* $(,)?]),* $(,)?) => {
        pub(crate) const $list: &[$crate::harness::Case] =
            &[$($($crate::harness::Case { name: stringify!($name), limit: $limit, body: $name }),*),*];
    };
}

/// The child's own alarm comes so much later than the parent's watchdog.
const GRACE_S: u64 = 5;
/// How often the parent looks whether a child has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The whole program.
pub(crate) fn main(cases: &[Case], scripts: &[Case]) -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == "--child"
    {
        return run_here(
            cases.iter().chain(scripts).find(|case| case.name == name).expect("the parent knows its cases"),
        );
    }
    let wanted = Wanted::from(&args);
    let chosen: Vec<Case> = cases.iter().filter(|case| wanted.takes(case.name)).copied().collect();
    if wanted.list {
        chosen.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    run_all(&chosen, cases.len() - chosen.len(), &wanted)
}

/// A command that runs the body of this script, or case, in a process of its own.
pub(crate) fn command_for(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("Linux says where a program lies"));
    command.args(["--child", name]);
    command
}

/// Prints a line that the harness shows even if the case passes.
pub(crate) fn skipped(what: &str) {
    println!("skipped: {what}");
}

/// What the command line asks for, in the words of cargo's own harness.
struct Wanted {
    filters: Vec<String>,
    skips: Vec<String>,
    exact: bool,
    list: bool,
    /// Show what passing cases print.
    nocapture: bool,
    /// Ignored tests only; there are none.
    ignored: bool,
    threads: usize,
}

impl Wanted {
    fn from(args: &[String]) -> Self {
        // Two at a time: nearly all cases wait more than they work.
        let threads = thread::available_parallelism().map_or(1, |n| n.get().clamp(1, 4));
        let (filters, skips) = (Vec::new(), Vec::new());
        let mut wanted = Self { filters, skips, exact: false, list: false, nocapture: false, ignored: false, threads };
        let mut args = args.iter().flat_map(|arg| match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => vec![flag, value],
            _ => vec![arg.as_str()],
        });
        while let Some(arg) = args.next() {
            match arg {
                "--list" => wanted.list = true,
                "--exact" => wanted.exact = true,
                "--nocapture" | "--no-capture" | "--show-output" => wanted.nocapture = true,
                "--ignored" => wanted.ignored = true,
                "--skip" => wanted.skips.extend(args.next().map(str::to_owned)),
                "--test-threads" => wanted.threads = args.next().and_then(|n| n.parse().ok()).unwrap_or(1).max(1),
                "--format" | "--color" | "--logfile" => drop(args.next()),
                flag if flag.starts_with('-') => {}
                filter => wanted.filters.push(filter.to_owned()),
            }
        }
        wanted
    }

    fn takes(&self, name: &str) -> bool {
        let meets = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        let asked_for = self.filters.is_empty() || self.filters.iter().any(meets);
        asked_for && !self.skips.iter().any(meets) && !self.ignored
    }
}

/// In the child: the body, under an alarm. A panic leaves `main` with code 101.
fn run_here(case: &Case) -> ExitCode {
    let seconds = u32::try_from(case.limit + GRACE_S).expect("limits are small");
    // SAFETY: sets a timer of the process, whose signal ends it; touches no memory.
    unsafe { libc::alarm(seconds) };
    (case.body)();
    ExitCode::SUCCESS
}

/// How a case went.
struct Outcome {
    name: &'static str,
    /// `None`: it was killed by the watchdog.
    status: Option<ExitStatus>,
    /// What it printed.
    said: String,
}

impl Outcome {
    fn is_ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    fn print(&self, nocapture: bool) {
        let word = if self.is_ok() { "ok" } else { "FAILED" };
        println!("test {} ... {word}", self.name);
        if nocapture {
            print!("{}", self.said);
        } else {
            self.said.lines().filter(|line| line.starts_with("skipped: ")).for_each(|line| println!("  {line}"));
        }
        let _ = io::stdout().flush();
    }
}

/// Runs the chosen cases, some at a time, and reports.
fn run_all(chosen: &[Case], filtered_out: usize, wanted: &Wanted) -> ExitCode {
    println!("\nrunning {} tests", chosen.len());
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..wanted.threads.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run_in_child(case);
                    let mut failed = failed.lock().expect("nobody panics while printing");
                    outcome.print(wanted.nocapture);
                    if !outcome.is_ok() {
                        failed.push(outcome);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panics while printing");
    report(&failed, chosen.len() - failed.len(), filtered_out, started.elapsed())
}

/// The end of the output, as cargo's harness has it.
fn report(failed: &[Outcome], passed: usize, filtered_out: usize, took: Duration) -> ExitCode {
    if !failed.is_empty() {
        println!("\nfailures:\n");
        for Outcome { name, status, said } in failed {
            let how = status.map_or("killed by the watchdog".to_owned(), |status| status.to_string());
            println!("---- {name}: {how} ----\n{said}\n");
        }
        println!("\nfailures:");
        failed.iter().for_each(|outcome| println!("    {}", outcome.name));
    }
    let (word, code) = if failed.is_empty() { ("ok", ExitCode::SUCCESS) } else { ("FAILED", ExitCode::from(101)) };
    let (failed, secs) = (failed.len(), took.as_secs_f64());
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered_out} filtered out; \
         finished in {secs:.2}s\n"
    );
    code
}

/// One case in its child process, to its end or its limit.
fn run_in_child(case: &Case) -> Outcome {
    let log = scratch_file(case.name);
    let both = File::create(&log).expect("cargo made the folder for such files");
    let mut child = command_for(case.name)
        .stdin(Stdio::null())
        .stdout(both.try_clone().expect("descriptors are to be had"))
        .stderr(both)
        .process_group(0)
        .spawn()
        .expect("this very program can be started");
    let status = watch(&mut child, Duration::from_secs(case.limit));
    // Whatever it has started and left behind goes too (H1).
    kill_group(&child);
    let _ = child.wait();
    let said = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    let _ = fs::remove_file(&log);
    Outcome { name: case.name, status, said }
}

/// Waits for a child, but no longer than this; `None` if it runs on.
pub(crate) fn watch(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait().expect("it is our child and nobody else waits for it") {
            return Some(status);
        }
        thread::sleep(LOOK_EVERY);
    }
    None
}

fn kill_group(child: &Child) {
    let group = i32::try_from(child.id()).expect("process ids are positive");
    // SAFETY: a system call on two integers; if the group is gone it says so and does nothing.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

/// A path of our own in cargo's folder for the files of tests.
pub(crate) fn scratch_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("real-{}-{name}", std::process::id()))
}
