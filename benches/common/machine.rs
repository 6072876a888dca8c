//! What the benches ask of the machine: a cpu to run on, the time spent, the memory held.
//!
//! The figures in the README are Linux figures. Elsewhere nothing is pinned and no memory is read.

#![allow(unsafe_code, reason = "pinning, cpu clocks and limits are system calls that std does not offer")]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Binds the calling thread, and every thread it starts from now on, to one cpu.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to(cpu: usize) -> io::Result<()> {
    let set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: a cpu set is an array of integers, and zero is a value of each: the empty set.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: `set` is a live cpu set; an index beyond its size panics inside, it does not write.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer and the size are those of `set`, which the kernel only reads; 0 is this thread.
    let status = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    outcome(status)
}

/// Elsewhere the scheduler decides.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to(_: usize) -> io::Result<()> {
    Ok(())
}

/// The time all threads of this process have spent on a cpu, in the kernel included.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the kernel fills.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    outcome(status).expect("every process has a cpu clock");
    let nanos = u64::try_from(time.tv_nsec).expect("a clock does not go back before its start");
    Duration::from_secs(u64::try_from(time.tv_sec).expect("as above")) + Duration::from_nanos(nanos)
}

/// The bytes of this process that are in memory.
pub(crate) fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").expect("this figure is taken from Linux's /proc");
    let pages = text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    // SAFETY: asks for a constant of the system and touches no memory of ours.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.expect("the second field is a count of pages") * u64::try_from(page_size).expect("a page has a size")
}

/// Ends this process if it is still here then: a runtime that hangs costs its row, not the whole run.
pub(crate) fn die_after(seconds: u32) {
    // SAFETY: replaces this process's one alarm, which nobody else in a bench uses.
    unsafe { libc::alarm(seconds) };
}

/// Allows as many open descriptors as the system lets us: a thousand connections are above a usual default.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live limit, which the kernel fills.
    outcome(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live limit, which the kernel only reads.
    outcome(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
}

fn outcome(status: libc::c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
