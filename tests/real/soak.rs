//! A long mixed load, and whether what the process holds stays the same meanwhile.
//!
//! ```text
//!   ├── window ──┤ stop ├── window ──┤ stop ├── ...        at each stop, when nobody works:
//!     13 lanes,    │                                         descriptors, threads, tasks alive, memory
//!     36 tasks     └ all lanes have come to their end
//! ```
//!
//! - **Descriptors** are at no stop more than at those before.
//! - **Threads** are never more than the runtime was allowed.
//! - **Tasks**: every future carries a guard that is counted, and none is left at a stop. At the end the runtime's own report
//!   names whoever was still there: the servers, and nobody else.
//! - **Memory**: the line through the samples (the first fifth is warming up) must not rise by more than [`RISE_KIB`] over the
//!   whole run nor, where that is more, by [`RISE_KIB_PER_HOUR`]. In ten minutes a MiB an hour is 170 KiB, less than what the
//!   allocator moves by itself; what can be told from that is half a MiB, which is about a byte a step. A run of less than
//!   five minutes is still warming up, and only a leak of some hundred bytes a step is told from that.
//! - **Timers** and registrations have no public count. Most timers made here are given up an hour before their time: one that
//!   stayed in the wheel would be some hundred bytes of memory, and ten thousand of them a failure.
//! - **Hangs**: a window that does not end in a minute ends the process, and says which lanes still run.
//!
//! Case of the catalogue: RES-07. `tests/soak.sh` runs it for ten minutes, or as long as it is told.

use crate::harness::{command_for, watch};
use crate::probe::{self, eventually};

mod lanes;

use lanes::{Counts, Grounds};
use mainspring::runtime::{Builder, Runtime};
use mainspring::time::timeout;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

cases! { CASES: 120 => [res_07_a_mixed_load_of_some_seconds_leaves_everything_as_it_was] }

// Its alarm rings after thirty hours; the windows have a watchdog of their own.
cases! { SCRIPTS: 108_000 => [soak] }

/// How many seconds the script runs.
const LENGTH: &str = "MAINSPRING_SOAK_S";

/// Threads of the runtime, which the case allows it.
const WORKERS: usize = 2;
const BLOCKING: usize = 4;

/// What the line through the samples of memory may rise by, over the whole of a run.
const RISE_KIB: f64 = 512.0;
/// The same for a run that is shorter than this many hours, five minutes: 100 to 300 KiB were seen.
const RISE_KIB_WHILE_WARM: f64 = 3_072.0;
const WARM_HOURS: f64 = 0.08;
/// The same for each hour, where the run is so long that this is more.
const RISE_KIB_PER_HOUR: f64 = 1_024.0;

/// A window that has lasted so much longer than it should hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn res_07_a_mixed_load_of_some_seconds_leaves_everything_as_it_was() {
    let mut script = command_for("soak").env(LENGTH, "4").spawn().expect("this very program can be started");
    let status = watch(&mut script, Duration::from_secs(110));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

/// What was seen at one stop.
struct Sample {
    /// Hours since the first window began.
    hours: f64,
    rss_kib: f64,
}

fn soak() {
    let length = env::var(LENGTH).map_or(4, |text| text.parse().expect("a number of seconds"));
    let length = Duration::from_secs(length);
    // Fifty stops at least, and two a minute.
    let window = (length / 50).clamp(Duration::from_millis(80), Duration::from_secs(30));
    probe::share_one_arena();
    let builder = Builder::new_multi_thread().workers(WORKERS).max_blocking_threads(BLOCKING);
    let runtime = builder.build().expect("descriptors and threads are to be had");
    let counts = Arc::new(Counts::default());
    let grounds = Arc::new(runtime.block_on(Grounds::open(&counts)));
    let watchdog = Watchdog::begin(counts.clone(), window + PATIENCE);

    let began = Instant::now();
    let (mut samples, mut fds, mut rows) = (Vec::new(), None, 0);
    while began.elapsed() < length {
        runtime.block_on(one_window(&grounds, window));
        watchdog.pat();
        let sample = stop(&counts, &mut fds, began);
        rows += 1;
        if rows % 10 == 1 {
            let (s, steps, rss) = (began.elapsed().as_secs(), counts.steps(), sample.rss_kib);
            let (fds, threads) = (probe::fds(), probe::threads());
            println!("{s:6} s  {steps:10} steps  {fds:3} descriptors  {threads:2} threads  {rss:7} KiB");
        }
        samples.push(sample);
    }
    watchdog.end();
    println!("steps by lane: {}", counts.by_lane());
    judge_memory(&samples, counts.steps());
    end(runtime, &grounds);
}

/// All lanes for a while, until each has ended the step it was in.
async fn one_window(grounds: &Arc<Grounds>, window: Duration) {
    let lanes = grounds.begin();
    mainspring::time::sleep(window).await;
    grounds.over();
    for lane in lanes {
        let ended = timeout(PATIENCE, lane).await;
        ended.unwrap_or_else(|_| panic!("a lane hangs: {}", grounds.counts.running())).expect("no lane panics");
    }
}

/// Nobody works: looks at what the process holds, and compares it with the first time.
fn stop(counts: &Counts, fds: &mut Option<usize>, began: Instant) -> Sample {
    eventually("every task that was spawned is gone", || counts.alive() == 0);
    // What is made with the first of its kind, such as the bell of SIGCHLD, is there after the first window. The descriptor of
    // a child that was given up is open until the child is reaped, which may be at any stop: so the fewest so far count.
    if let Some(fewest) = *fds {
        eventually("no more descriptors than at other stops", || probe::fds() <= fewest);
    }
    *fds = Some(fds.unwrap_or(usize::MAX).min(probe::fds()));
    // Main, workers, blocking threads and the watchdog.
    let threads = probe::threads();
    assert!(threads <= 1 + WORKERS + BLOCKING + 1, "{threads} threads");
    probe::trim_memory();
    Sample { hours: began.elapsed().as_secs_f64() / 3_600.0, rss_kib: probe::rss_kib() as f64 }
}

/// The line through the samples, by least squares.
fn judge_memory(samples: &[Sample], steps: u64) {
    let samples = &samples[samples.len() / 5..];
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (hours, rss) = (mean(|sample| sample.hours), mean(|sample| sample.rss_kib));
    let spread: f64 = samples.iter().map(|sample| (sample.hours - hours).powi(2)).sum();
    let together: f64 = samples.iter().map(|sample| (sample.hours - hours) * (sample.rss_kib - rss)).sum();
    let slope = together / spread;
    let off: f64 = samples.iter().map(|s| (s.rss_kib - rss - slope * (s.hours - hours)).powi(2)).sum();
    let (off, span) = ((off / (count - 2.0)).sqrt(), samples[samples.len() - 1].hours - samples[0].hours);
    let at_least = if samples[samples.len() - 1].hours < WARM_HOURS { RISE_KIB_WHILE_WARM } else { RISE_KIB };
    let (rise, may) = (slope * span, at_least.max(RISE_KIB_PER_HOUR * span));
    println!(
        "memory: {rss:.0} KiB, {slope:+.0} KiB/h (standard error {:.0}), {rise:+.0} KiB over {:.2} h and {may:.0} allowed; \
         samples are {off:.0} KiB off the line; {:+.2} bytes a step",
        off / spread.sqrt(),
        span,
        rise * 1_024.0 / (steps as f64 * 0.8),
    );
    assert!(rise <= may, "memory grows by {slope:.0} KiB an hour");
}

/// The runtime itself says who is left.
fn end(runtime: Runtime, grounds: &Grounds) {
    let report = runtime.shutdown_timeout(Duration::from_secs(10));
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.cancelled_count(), grounds.servers(), "more than the servers was left: {report}");
    println!("the servers were left, and nobody else");
}

/// Ends the process if nobody pats it for too long.
struct Watchdog {
    pats: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    fn begin(counts: Arc<Counts>, patience: Duration) -> Self {
        let (pats, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end) = (pats.clone(), over.clone());
        let thread = thread::spawn(move || {
            let mut last = (0, Instant::now());
            while !end.load(Ordering::Relaxed) {
                thread::park_timeout(Duration::from_secs(1));
                let pats = seen.load(Ordering::Relaxed);
                if pats != last.0 {
                    last = (pats, Instant::now());
                }
                if last.1.elapsed() > patience {
                    eprintln!("the window after the {pats}th hangs; lanes that run: {}", counts.running());
                    std::process::exit(1);
                }
            }
        });
        Self { pats, over, thread }
    }

    fn pat(&self) {
        self.pats.fetch_add(1, Ordering::Relaxed);
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("it only looks");
    }
}
