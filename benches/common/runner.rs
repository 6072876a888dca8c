//! The runner: which measurements there are, who runs them, and in what order.
//!
//! The same binary plays two parts. Started by `cargo bench` it is the parent, which never measures anything:
//! it starts one child after the other and collects what they print. With `--child` it is such a child, and with
//! `--load` or `--bulk` the load that one of its children drives. `--list` says which measurements it has to offer, for a
//! parent of another binary. Started without `--bench` it runs every workload once, in a tiny size, and prints no
//! figures.

use super::case::{Case, Class, Size};
use super::disk::Folder;
use super::progress::Progress;
use super::table::{Row, Table};
use super::{bulk, load, machine};
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A child that is still running after this many seconds has hung; the slowest takes about ten.
const CHILD_SECONDS_MAX: u32 = 180;

/// The one cpu that pinned measurements share, one after the other.
const CPU: usize = 0;

/// The variable through which a child learns the cpu it is bound to.
const CPU_VARIABLE: &str = "BENCH_CPU";

/// One measurement, and which binary knows how to make it.
#[derive(Clone)]
pub(crate) struct Entry {
    program: PathBuf,
    pub(crate) workload: String,
    pub(crate) runtime: String,
    pub(crate) class: Class,
    /// Whether its process is bound to one cpu.
    pinned: bool,
    /// Whether a first look leaves it out.
    long: bool,
}

impl Entry {
    /// What this binary has to offer.
    pub(crate) fn all_of(cases: &[Case]) -> io::Result<Vec<Self>> {
        let program = env::current_exe()?;
        let lines: Vec<String> = cases.iter().map(line_of).collect();
        Ok(lines.iter().filter_map(|line| Self::of_line(&program, line)).collect())
    }

    /// What another one has.
    pub(crate) fn all_in(program: PathBuf) -> io::Result<Vec<Self>> {
        let listed = Command::new(&program).arg("--list").stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&listed.stdout);
        let entry = |line| Self::of_line(&program, line).ok_or_else(|| io::Error::other(format!("no case: {line}")));
        text.lines().map(entry).collect()
    }

    fn of_line(program: &Path, line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split('\t').collect();
        let [workload, runtime, class, pinned, long] = words[..] else { return None };
        let class = Class::of_word(class)?;
        let (workload, runtime) = (workload.to_owned(), runtime.to_owned());
        Some(Self {
            program: program.to_owned(),
            workload,
            runtime,
            class,
            pinned: pinned == "pinned",
            long: long == "long",
        })
    }

    /// Measures in a process of its own and reads what it prints: a figure a line, name, tab, number.
    fn measure(&self, plan: &Plan, folder: &Folder) -> io::Result<Vec<(String, f64)>> {
        let size = if plan.size == Size::Quick { "quick" } else { "full" };
        let mut command = Command::new(&self.program);
        command.args(["--child", &self.workload, &self.runtime, size]);
        let (name, path) = folder.for_child();
        command.env(name, path);
        if self.pinned && plan.pinned {
            command.env(CPU_VARIABLE, CPU.to_string());
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
}

/// A case as `--list` prints it.
fn line_of(case: &Case) -> String {
    let pinned = if case.pinned { "pinned" } else { "unpinned" };
    let long = if case.long { "long" } else { "short" };
    format!("{}\t{}\t{}\t{pinned}\t{long}", case.workload, case.runtime, case.class.word())
}

/// What the command line asks for.
pub(crate) struct Plan {
    /// Measure; otherwise only try.
    bench: bool,
    pub(crate) size: Size,
    /// `--unpinned` looks at what pinning hides: what a second worker costs, and what it gains.
    pub(crate) pinned: bool,
    pub(crate) rounds: usize,
    /// All of these must occur in `workload/runtime`.
    words: Vec<String>,
}

impl Plan {
    /// None if there is an option it does not know.
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
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
            plan.rounds = if plan.size == Size::Quick { 1 } else { 5 };
        }
        Some(plan)
    }

    pub(crate) fn wants(&self, entry: &Entry) -> bool {
        let name = format!("{}/{}", entry.workload, entry.runtime);
        let is_too_long = entry.long && self.size == Size::Quick;
        !is_too_long && self.words.iter().all(|word| name.contains(word.as_str()))
    }
}

/// The body of `main` in `cargo bench`.
pub(crate) fn main(cases: &[Case]) -> ExitCode {
    if let Some(code) = run_as_helper(cases) {
        return code;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some(plan) = Plan::parse(&arguments) else {
        eprintln!("usage: cargo bench -- [--quick] [--unpinned] [--rounds N] [WORD IN WORKLOAD/RUNTIME]..");
        return ExitCode::from(2);
    };
    let entries = Entry::all_of(cases).expect("this binary knows where it lies");
    // The two lists run in step, so one answer serves both.
    let (cases, entries): (Vec<Case>, Vec<Entry>) =
        cases.iter().copied().zip(entries).filter(|(_, entry)| plan.wants(entry)).unzip();
    if !plan.bench {
        return try_all(&cases);
    }
    Table::print_heading();
    let (_, failed) = measure_all(&entries, &plan, |table, workload| table.print(workload));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays the part of a child, of a load or of a list, if this process was started as one.
pub(crate) fn run_as_helper(cases: &[Case]) -> Option<ExitCode> {
    if load::run_if_asked() || bulk::run_if_asked() {
        return Some(ExitCode::SUCCESS);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            cases.iter().for_each(|case| println!("{}", line_of(case)));
            Some(ExitCode::SUCCESS)
        }
        ["--child", workload, runtime, size] => Some(measure(cases, workload, runtime, size)),
        _ => None,
    }
}

/// The parent's part: rounds outside, runtimes inside, so that they take turns within seconds (M1). `each` is called
/// after each workload. Entries of one workload must stand together. Also gives back what failed.
pub(crate) fn measure_all(
    entries: &[Entry],
    plan: &Plan,
    each: impl Fn(&Table, &str),
) -> (Table, Vec<(String, String)>) {
    let mut table = Table::default();
    let mut failed = Vec::new();
    let folder = Folder::of_the_run().expect("there is room beside this binary");
    if entries.iter().any(|entry| entry.workload.starts_with("file_")) {
        folder.refusal().into_iter().for_each(|refusal| eprintln!("note: {refusal}"));
    }
    let mut progress = Progress::new(entries.len() * plan.rounds);
    for workload in entries.chunk_by(|one, next| one.workload == next.workload) {
        for round in 1..=plan.rounds {
            for entry in workload {
                let name = (entry.workload.clone(), entry.runtime.clone());
                progress.step(&format!("{} on {}, round {round} of {}", name.0, name.1, plan.rounds));
                // One that has hung once is not waited for again.
                if failed.contains(&name) {
                    continue;
                }
                match entry.measure(plan, &folder) {
                    Ok(figures) => {
                        figures.into_iter().for_each(|(figure, value)| table.add(row_of(entry, figure), value))
                    }
                    Err(error) => {
                        progress.clear();
                        eprintln!("{} on {}: {error}", entry.workload, entry.runtime);
                        failed.push(name);
                    }
                }
            }
        }
        progress.clear();
        each(&table, &workload[0].workload);
    }
    (table, failed)
}

fn row_of(entry: &Entry, figure: String) -> Row {
    Row { workload: entry.workload.clone(), figure, runtime: entry.runtime.clone(), class: entry.class }
}

/// The child's part.
fn measure(cases: &[Case], workload: &str, runtime: &str, size: &str) -> ExitCode {
    let Some(case) = cases.iter().find(|case| case.workload == workload && case.runtime == runtime) else {
        eprintln!("no such measurement: {workload} on {runtime}");
        return ExitCode::from(2);
    };
    machine::die_after(CHILD_SECONDS_MAX);
    if let Some(cpu) = env::var(CPU_VARIABLE).ok().and_then(|cpu| cpu.parse().ok()) {
        machine::pin_to(cpu).expect("the machine has a cpu of this number");
    }
    let size = if size == "quick" { Size::Quick } else { Size::Full };
    for (name, value) in (case.run)(size) {
        println!("{name}\t{value}");
    }
    ExitCode::SUCCESS
}

/// Runs everything once, in this process: a workload that no longer works panics (M2).
pub(crate) fn try_all(cases: &[Case]) -> ExitCode {
    for case in cases {
        let figures = (case.run)(Size::Tiny);
        assert!(!figures.is_empty(), "{} on {} gives a figure", case.workload, case.runtime);
        println!("{} on {}: works", case.workload, case.runtime);
    }
    ExitCode::SUCCESS
}
