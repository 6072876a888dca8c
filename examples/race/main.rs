//! The race: mainspring against its peers, on the same work, in the same minutes.
//!
//! ```text
//!   cargo run --release --example race                  mainspring, tokio, smol and nio; about half an hour
//!     --quick                                           a first look in a minute: one round, a tenth of the work, and nothing long
//!     --full                                            seven rounds, and what each costs to build
//!     --all                                             monoio, glommio and compio too, which take minutes to build
//!     --rounds N  --unpinned  --out DIR                 as they say; DIR is target/race
//!     echo nio                                          only rows whose `workload/runtime` contains both words
//! ```
//!
//! The questions are those of `benches`, asked of everybody through one trait. Each measurement is a process of its
//! own, the runtimes take turns, and nothing else is started meanwhile. Who is not a dependency of ours is built
//! first, as the package `benches/peers`, and its binary then plays its part as this one does: started with
//! `--child`, it measures one thing and prints it.
//!
//! ```text
//!   main ── peers ──> cargo build benches/peers, and its list of what it can measure
//!    │
//!    ├──── the runner (benches/common) ──> a child for each measurement
//!    ├──── building ──> what a small server costs to build            (--full)
//!    └──── judge ──> markdown, chart                                  who is ahead, level, behind
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a race is run from outside of the runtimes, with the true clock"
)]

#[path = "../../benches/mod.rs"]
#[allow(dead_code, reason = "`cargo bench` uses parts of this that the race does not")]
mod benches;
mod building;
mod chart;
mod judge;
mod markdown;
#[path = "../../benches/ours/mod.rs"]
mod ours;
mod peers;

use benches::common::case::Size;
use benches::common::runner::{self, Entry, Plan};
use benches::common::table::Table;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rounds with `--full`: enough for a median with quartiles beside it.
const FULL_ROUNDS: usize = 7;

fn main() -> ExitCode {
    let cases = benches::cases::<ours::Ours>();
    if let Some(code) = runner::run_as_helper(&cases) {
        return code;
    }
    let Some(options) = Options::parse(env::args().skip(1).collect()) else {
        eprintln!("usage: race [--quick | --full] [--all] [--unpinned] [--rounds N] [--out DIR] [WORD..]");
        return ExitCode::from(2);
    };
    match race(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("race: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Options {
    /// What is measured, and how often.
    plan: Plan,
    /// Also what it costs to build a server.
    full: bool,
    /// Also the peers that build slowly.
    all: bool,
    /// Where the files go; below the target folder if it is not said.
    out: Option<PathBuf>,
}

impl Options {
    /// None if there is an option that nobody knows.
    fn parse(mut arguments: Vec<String>) -> Option<Self> {
        let mut taken = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag)?;
            Some((arguments.remove(place), place))
        };
        let (full, all, out) = (taken("--full").is_some(), taken("--all").is_some(), taken("--out"));
        let out = match out {
            Some((_, place)) if place < arguments.len() => Some(PathBuf::from(arguments.remove(place))),
            Some(_) => return None,
            None => None,
        };
        let rounds_are_given = arguments.iter().any(|argument| argument == "--rounds");
        let mut plan = Plan::parse(&arguments)?;
        if full && plan.size == Size::Quick {
            return None;
        }
        if full && !rounds_are_given {
            plan.rounds = FULL_ROUNDS;
        }
        Some(Self { plan, full, all, out })
    }
}

/// True if every measurement was made.
fn race(options: &Options) -> io::Result<bool> {
    let target = peers::target_folder()?;
    let out = options.out.clone().unwrap_or_else(|| target.join("race"));
    let mut notes = Vec::new();
    let entries = starters(options, &target, &mut notes)?;
    let load_before = load_average();
    let (mut table, failed) = runner::measure_all(&entries, &options.plan, |_, _| ());
    notes.extend(failed.iter().map(|(workload, runtime)| format!("{workload} on {runtime} failed.")));
    if options.full {
        building::measure(&target.join("race").join("servers"), &mut table)?;
    }
    notes.push(format!(
        "Load average of the machine before: {load_before}; after: {}. The race itself is one or two of it.",
        load_average()
    ));
    let complete = notes.len() == 1;
    let questions = judge::questions(&table);
    let report = markdown::report(&questions, &options.plan, &notes);
    println!("{report}");
    write_files(&out, &report, &chart::draw(&questions), &table)?;
    Ok(complete)
}

/// Everybody's measurements, those of one question together.
fn starters(options: &Options, target: &Path, notes: &mut Vec<String>) -> io::Result<Vec<Entry>> {
    let ours = Entry::all_of(&benches::cases::<ours::Ours>())?;
    let theirs = match peers::build(target, options.all) {
        Ok(program) => Entry::all_in(program)?,
        Err(error) => {
            notes.push(format!("The peers could not be built ({error}), so tokio is the only one."));
            Vec::new()
        }
    };
    let mut workloads: Vec<&str> = ours.iter().map(|entry| entry.workload.as_str()).collect();
    workloads.dedup();
    let of = |workload| ours.iter().chain(&theirs).filter(move |entry| entry.workload == workload);
    let wanted = |entry: &&Entry| options.plan.wants(entry);
    Ok(workloads.into_iter().flat_map(of).filter(wanted).cloned().collect())
}

/// Of the last minute. Whoever reads the figures should know how quiet it was.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The table, the chart, and every single value.
fn write_files(out: &Path, report: &str, chart: &str, table: &Table) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let mut values = String::from("workload\tfigure\truntime\tvalues, a round each\n");
    for (row, all) in table.rows() {
        let all: Vec<String> = all.iter().map(f64::to_string).collect();
        writeln!(values, "{}\t{}\t{}\t{}", row.workload, row.figure, row.runtime, all.join("\t"))
            .expect("a string takes everything");
    }
    for (name, text) in [("table.md", report), ("chart.svg", chart), ("values.tsv", &values)] {
        let path = out.join(name);
        fs::write(&path, text)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
