//! The runner: which measurements there are, who runs them, and in what order.
//!
//! The same binary plays two parts. Started by `cargo bench` it is the parent, which never measures anything:
//! it starts one child after the other and collects what they print. With `--child` it is such a child.
//! Started without `--bench` it runs every workload once, in a tiny size, and prints no figures.

use super::machine;
use super::runtime::Runtime;
use super::table::{Row, Table};
use super::{on_mainspring, on_tokio};
use std::env;
use std::io::{self, IsTerminal as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// A child that is still running after this many seconds has hung; the slowest takes about ten.
const CHILD_SECONDS_MAX: u32 = 180;

/// The one cpu that pinned measurements share, one after the other.
const CPU: usize = 0;

/// What a measurement found: names, with their units, and numbers.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// A question put to every runtime.
pub(crate) trait Workload {
    /// Its name in the table, and on the command line of a child process.
    const NAME: &'static str;
    /// Whether all threads share one cpu. That gives the quietest figures, and says nothing about parallelism.
    const PINNED: bool = true;

    /// Does the work, checks its result, and says what it cost.
    fn run<R: Runtime>(size: Size) -> Figures;
}

/// How much of a workload to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// What the README's figures are made with.
    Full,
    /// A tenth, for a first look.
    Quick,
    /// Just enough to see that it works.
    Tiny,
}

impl Size {
    /// Scales a count; never to nothing.
    pub(crate) fn of(self, full: usize) -> usize {
        match self {
            Size::Full => full,
            Size::Quick => (full / 10).max(1),
            Size::Tiny => (full / 1_000).max(2),
        }
    }
}

/// One workload on one runtime.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    workload: &'static str,
    runtime: &'static str,
    /// The runtime that stands for 1.00.
    yardstick: &'static str,
    pinned: bool,
    run: fn(Size) -> Figures,
}

impl Case {
    fn new<W: Workload, R: Runtime>() -> Self {
        let (workload, runtime, yardstick) = (W::NAME, R::NAME, R::YARDSTICK);
        Self { workload, runtime, yardstick, pinned: W::PINNED, run: W::run::<R> }
    }
}

/// The workload on every runtime there is.
pub(crate) fn on_all<W: Workload>() -> Vec<Case> {
    let mut cases = on_multi_thread::<W>();
    cases.push(Case::new::<W, on_mainspring::CurrentThread>());
    cases.push(Case::new::<W, on_mainspring::Local>());
    cases.push(Case::new::<W, on_tokio::CurrentThread>());
    cases.push(Case::new::<W, on_tokio::Local>());
    cases
}

/// The workload on those that have more than one worker.
pub(crate) fn on_multi_thread<W: Workload>() -> Vec<Case> {
    vec![Case::new::<W, on_mainspring::MultiThread>(), Case::new::<W, on_tokio::MultiThread>()]
}

/// The body of every bench's `main`.
pub(crate) fn main(cases: &[Case]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, workload, runtime, size] = arguments.as_slice()
        && flag == "--child"
    {
        return measure(cases, workload, runtime, size);
    }
    let Some(plan) = Plan::parse(&arguments) else {
        eprintln!(
            "usage: cargo bench --bench NAME -- [--quick] [--unpinned] [--rounds N] [WORD IN WORKLOAD/RUNTIME].."
        );
        return ExitCode::from(2);
    };
    let chosen: Vec<Case> = cases.iter().copied().filter(|case| plan.wants(case)).collect();
    if plan.bench { race(&chosen, &plan) } else { try_all(&chosen) }
}

/// What the command line asks for.
struct Plan {
    /// Measure; otherwise only try.
    bench: bool,
    size: Size,
    /// `--unpinned` looks at what pinning hides: what a second worker costs, and what it gains.
    pinned: bool,
    rounds: usize,
    /// All of these must occur in `workload/runtime`.
    words: Vec<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Option<Self> {
        let mut plan = Self { bench: false, size: Size::Full, pinned: true, rounds: 0, words: Vec::new() };
        let mut test = false;
        let mut left = arguments.iter();
        while let Some(argument) = left.next() {
            match argument.as_str() {
                "--bench" => plan.bench = true,
                "--test" => test = true,
                "--quick" => plan.size = Size::Quick,
                "--unpinned" => plan.pinned = false,
                "--rounds" => plan.rounds = left.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
                flag if flag.starts_with('-') => return None,
                word => plan.words.push(word.to_owned()),
            }
        }
        plan.bench &= !test;
        if plan.rounds == 0 {
            plan.rounds = if plan.size == Size::Quick { 3 } else { 5 };
        }
        Some(plan)
    }

    fn wants(&self, case: &Case) -> bool {
        let name = format!("{}/{}", case.workload, case.runtime);
        self.words.iter().all(|word| name.contains(word.as_str()))
    }
}

/// The parent's part: rounds outside, runtimes inside, so that they take turns within seconds (M1).
fn race(cases: &[Case], plan: &Plan) -> ExitCode {
    let mut table = Table::default();
    let mut failed = false;
    for workload in cases.chunk_by(|one, next| one.workload == next.workload) {
        for round in 1..=plan.rounds {
            progress(&format!("{}: round {round} of {}", workload[0].workload, plan.rounds));
            for case in workload {
                match in_a_child(case, plan) {
                    Ok(figures) => figures.into_iter().for_each(|(name, value)| table.add(row_of(case, name), value)),
                    Err(error) => {
                        eprintln!("{} on {}: {error}", case.workload, case.runtime);
                        failed = true;
                    }
                }
            }
        }
        progress("");
        table.print_and_clear();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One line that overwrites itself, for whoever sits in front of it.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r{line}\x1b[K");
    }
}

fn row_of(case: &Case, figure: String) -> Row {
    Row { workload: case.workload, figure, runtime: case.runtime, yardstick: case.yardstick }
}

/// Measures one case in a process of its own and reads what it prints: a figure a line, name, tab, number.
fn in_a_child(case: &Case, plan: &Plan) -> io::Result<Vec<(String, f64)>> {
    let size = if plan.size == Size::Quick { "quick" } else { "full" };
    let mut command = Command::new(env::current_exe()?);
    command.args(["--child", case.workload, case.runtime, size]);
    if case.pinned && plan.pinned {
        command.env("BENCH_CPU", CPU.to_string());
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("its process ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |line: &str| {
        let (name, value) = line.split_once('\t')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().map(|line| figure(line).ok_or_else(|| io::Error::other(format!("not a figure: {line}")))).collect()
}

/// The child's part.
fn measure(cases: &[Case], workload: &str, runtime: &str, size: &str) -> ExitCode {
    let Some(case) = cases.iter().find(|case| case.workload == workload && case.runtime == runtime) else {
        eprintln!("no such measurement: {workload} on {runtime}");
        return ExitCode::from(2);
    };
    machine::die_after(CHILD_SECONDS_MAX);
    if let Some(cpu) = env::var("BENCH_CPU").ok().and_then(|cpu| cpu.parse().ok()) {
        machine::pin_to(cpu).expect("the machine has a cpu of this number");
    }
    let size = if size == "quick" { Size::Quick } else { Size::Full };
    for (name, value) in (case.run)(size) {
        println!("{name}\t{value}");
    }
    ExitCode::SUCCESS
}

/// Runs everything once, in this process: a workload that no longer works panics (M2).
fn try_all(cases: &[Case]) -> ExitCode {
    for case in cases {
        let figures = (case.run)(Size::Tiny);
        assert!(!figures.is_empty(), "{} on {} gives a figure", case.workload, case.runtime);
        println!("{} on {}: works", case.workload, case.runtime);
    }
    ExitCode::SUCCESS
}

/// Runs `pass` twice, once to warm up, and says what one of its `operations` cost the second time.
pub(crate) fn per_operation<R: Runtime>(operations: usize, pass: impl Fn(&R)) -> Figures {
    let runtime = R::start(2);
    pass(&runtime);
    let (wall, cpu) = clocked(|| pass(&runtime));
    let each = |time: Duration| time.as_nanos() as f64 / operations as f64;
    vec![("wall ns", each(wall)), ("cpu ns", each(cpu))]
}

/// How long something took, and how much cpu time of all threads went into it.
pub(crate) fn clocked(body: impl FnOnce()) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), machine::cpu_time());
    body();
    (start.elapsed(), machine::cpu_time() - cpu)
}
