#![allow(unsafe_code, reason = "asks the kernel about this process, and sets its limits")]
//! What the kernel says about this process: descriptors, threads, memory, processor time, sleeps; and its limits.

use std::fs;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long [`eventually`] waits: what it waits for takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Descriptors that are open.
pub(crate) fn fds() -> usize {
    // One of them is the one by which they are listed.
    entries("/proc/self/fd") - 1
}

/// Threads that are alive.
pub(crate) fn threads() -> usize {
    entries("/proc/self/task")
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).expect("Linux shows a process to itself").count()
}

/// Memory in use, in KiB.
pub(crate) fn rss_kib() -> u64 {
    field_of("/proc/self/status", "VmRSS:")
}

/// Address space in use, in KiB.
pub(crate) fn address_space_kib() -> u64 {
    field_of("/proc/self/status", "VmSize:")
}

/// How often the threads of this process went to sleep, all together, since they began.
pub(crate) fn sleeps_of_other_threads() -> u64 {
    let own = thread_id();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux shows a process to itself");
    let ids = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    let others = ids.filter(|id| *id != own);
    others.map(|id| field_of(&format!("/proc/self/task/{id}/status"), "voluntary_ctxt_switches:")).sum()
}

/// Do all threads of this process sleep, but for the one that asks?
pub(crate) fn others_sleep() -> bool {
    let own = thread_id();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux shows a process to itself");
    let ids = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    // Of a thread that has just gone there is nothing to read, and it might have been doing anything.
    let state = |id: &String| fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap_or_default();
    ids.filter(|id| *id != own).all(|id| state(&id).rsplit(')').next().is_some_and(|rest| rest.starts_with(" S")))
}

fn thread_id() -> String {
    let link = fs::read_link("/proc/thread-self").expect("Linux shows a thread to itself");
    link.file_name().expect("it ends with the thread's number").to_string_lossy().into_owned()
}

/// The number behind a name in one of the kernel's tables; 0 if the thread it is about has just gone.
fn field_of(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processor time that this process has used so far.
pub(crate) fn cpu_time() -> Duration {
    // SAFETY: all zeros is a valid value of this structure of integers.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: the structure is ours and lives across the call, which fills it.
    let outcome = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(outcome, 0, "asking about oneself cannot fail");
    let whole = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    whole(usage.ru_utime) + whole(usage.ru_stime)
}

/// How much processor time the process uses while this thread sleeps.
pub(crate) fn cpu_time_during(span: Duration) -> Duration {
    let before = cpu_time();
    thread::sleep(span);
    cpu_time() - before
}

/// Which limit.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// Descriptors: their numbers stay below this.
    Descriptors,
    /// Bytes of address space.
    AddressSpace,
}

/// Sets a limit of this process; what is more than may be had is cut. Gives what was set.
pub(crate) fn set_limit(which: Limit, wanted: u64) -> u64 {
    let which = match which {
        Limit::Descriptors => libc::RLIMIT_NOFILE,
        Limit::AddressSpace => libc::RLIMIT_AS,
    };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and lives across the call, which fills it.
    assert_eq!(unsafe { libc::getrlimit(which, &raw mut limit) }, 0);
    limit.rlim_cur = wanted.min(limit.rlim_max);
    // SAFETY: the structure lives across the call, which changes a number in the kernel.
    assert_eq!(unsafe { libc::setrlimit(which, &raw const limit) }, 0);
    limit.rlim_cur
}

/// Lets all threads allocate from one arena: what each of several keeps back for its threads says nothing about leaks.
pub(crate) fn share_one_arena() {
    // SAFETY: two numbers that steer the allocator, set before there is a second thread.
    let outcome = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    assert_eq!(outcome, 1, "the C library knows this setting");
}

/// Gives the memory that is free back to the system, so that what is left in use is in use.
pub(crate) fn trim_memory() {
    // SAFETY: takes a number, and touches only what the allocator owns.
    unsafe { libc::malloc_trim(0) };
}

/// Gives SIGPIPE its default back, which Rust's start-up code has taken away.
pub(crate) fn die_of_sigpipe() {
    // SAFETY: the default disposition is no handler, so there is no code that it could run.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Closes a descriptor behind its owner's back, and puts `/dev/null` in its place, so that the owner closes that.
pub(crate) fn replace_by_dev_null(fd: i32) {
    let null = fs::File::open("/dev/null").expect("every Linux has it");
    // SAFETY: two integers; `fd` goes on being an open descriptor, so its owner's promise holds.
    let outcome = unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), fd) };
    assert_eq!(outcome, fd);
}

/// How many signals were handled.
static HEARD: AtomicUsize = AtomicUsize::new(0);

/// A signal for every thread, again and again, whose handler does not ask for system calls to be restarted: so each that
/// waits is interrupted.
pub(crate) struct Hail {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Hail {
    pub(crate) fn begin() -> Self {
        extern "C" fn hear(_: libc::c_int) {
            HEARD.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: all zeros is a valid value of this structure: no flags, no further signal blocked.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = hear as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the structure lives across the call; the handler does nothing but count, which a handler may.
        let outcome = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
        assert_eq!(outcome, 0);
        let over = Arc::new(AtomicBool::new(false));
        let end = over.clone();
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                signal_everybody();
                thread::sleep(Duration::from_micros(200));
            }
        });
        Self { over, thread }
    }

    /// Gives how many were handled, by all threads together.
    pub(crate) fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        HEARD.load(Ordering::Relaxed)
    }
}

fn signal_everybody() {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux shows a process to itself");
    let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let process = i32::try_from(std::process::id()).expect("process ids are positive");
    for id in ids {
        // SAFETY: a system call on three integers; a thread that has just gone is an error that concerns nobody.
        unsafe { libc::syscall(libc::SYS_tgkill, process, id, libc::SIGUSR1) };
    }
}

/// Waits until something holds; panics if it never does.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a process holds on to, to be compared before and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    fds: usize,
    threads: usize,
    rss_kib: u64,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        Self { fds: fds(), threads: threads(), rss_kib: rss_kib() }
    }

    /// Nothing has grown since: threads that are about to leave are waited for, and memory may grow by this much, which
    /// is far below what a leak of one small thing a round would be.
    #[track_caller]
    pub(crate) fn assert_flat(self, growth_kib: u64) {
        eventually("descriptors back to where they were", || fds() <= self.fds);
        eventually("threads back to where they were", || threads() <= self.threads);
        let grown = rss_kib().saturating_sub(self.rss_kib);
        assert!(grown <= growth_kib, "{grown} KiB more, {growth_kib} were allowed; before: {self:?}");
    }
}
