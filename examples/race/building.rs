//! What a crate costs whoever builds it: an echo server with timeouts, clean, three times, everybody in turn.

use crate::benches::common::case::Class;
use crate::benches::common::progress::Progress;
use crate::benches::common::table::{Row, Table};
use crate::peers::{cargo, manifest};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The binaries of `benches/servers`, each behind a feature of its name.
const SERVERS: [&str; 4] = ["mainspring", "tokio", "smol", "nio"];

/// Clean builds of each; they vary less than the other rows.
const ROUNDS: usize = 3;

/// Fills in the rows. `folder` is where it builds.
pub(crate) fn measure(folder: &Path, table: &mut Table) -> io::Result<()> {
    // Downloads are no part of it.
    run(cargo().args(["fetch", "--manifest-path"]).arg(manifest("servers")))?;
    let mut progress = Progress::new(ROUNDS * SERVERS.len());
    for round in 1..=ROUNDS {
        for server in SERVERS {
            progress.step(&format!("building the {server} server, round {round} of {ROUNDS}"));
            let mut add = |figure: &str, value| {
                let (workload, runtime) = ("small_server".to_owned(), server.to_owned());
                table.add(Row { workload, figure: figure.to_owned(), runtime, class: Class::WholeCrate }, value);
            };
            let (seconds, kilobytes) = build(folder, server)?;
            add("build s", seconds);
            add("crates", crates(server)? as f64);
            add("stripped kB", kilobytes);
        }
    }
    progress.clear();
    Ok(())
}

/// Seconds and kilobytes.
fn build(folder: &Path, server: &str) -> io::Result<(f64, f64)> {
    let folder = folder.join(server);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut command = cargo();
    command.args(["build", "--release", "-j2", "--quiet", "--bin", server]);
    with_server(&mut command, server).arg("--target-dir").arg(&folder);
    let start = Instant::now();
    run(&mut command)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = fs::metadata(folder.join("release").join(server))?.len();
    Ok((seconds, bytes as f64 / 1_000.0))
}

/// How many crates are compiled for it, itself not counted.
fn crates(server: &str) -> io::Result<usize> {
    let mut command = cargo();
    command.args(["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let text = run(with_server(&mut command, server))?;
    let all: BTreeSet<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    Ok(all.len().saturating_sub(1))
}

fn with_server<'a>(command: &'a mut Command, server: &str) -> &'a mut Command {
    command.arg("--manifest-path").arg(manifest("servers")).args(["--features", server])
}

/// What a command printed, if it succeeded.
fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
