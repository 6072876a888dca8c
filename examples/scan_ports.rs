//! A port scanner: which TCP ports of a host accept connections?
//!
//! A task for each port, so many of them at once as there are permits, and each with a time limit: a port that is filtered
//! answers nothing at all. Scan only hosts that are yours; without a name it is this one.
//!
//! Run it: `cargo run --release --example scan_ports -- --ports 1-65535`. With `--demo` it scans ports that it opened itself, and
//! checks what it found.

use mainspring::group::CancellationToken;
use mainspring::net::{TcpListener, TcpStream, lookup_host};
use mainspring::runtime::Runtime;
use mainspring::signal::ctrl_c;
use mainspring::sync::Semaphore;
use mainspring::time::{Duration, Instant, timeout};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "usage: scan_ports [--ports FROM-TO] [--at-once N] [--timeout-ms N] [HOST]   or   scan_ports --demo
  --ports FROM-TO   which ports (1-1024)
  --at-once N       how many connections are tried at the same time (256)
  --timeout-ms N    how long an answer is waited for (500)
  HOST              a name or an address (127.0.0.1)
  Ctrl-c ends the scan, and what was found so far is printed.";

#[derive(Clone)]
struct Options {
    host: String,
    ports: RangeInclusive<u16>,
    at_once: usize,
    patience: Duration,
}

/// What became of one port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// It accepts connections.
    Open,
    /// It refuses them.
    Closed,
    /// Nothing came in time.
    Silent,
    /// The question could not be asked: no descriptors are left, or no way leads there.
    Unasked,
}

/// What was found, and how far it went.
#[derive(Default)]
struct Report {
    open: Vec<u16>,
    closed: usize,
    silent: usize,
    unasked: usize,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { host: "127.0.0.1".to_owned(), ports: 1..=1024, at_once: 256, patience: Duration::from_millis(500) };
        while let Some(word) = words.next() {
            let mut number = |least: u64, most: u64| {
                let value =
                    words.next().and_then(|value| value.parse().ok()).filter(|value| (least..=most).contains(value));
                value.ok_or_else(|| format!("`{word}` wants a number from {least} to {most}\n{USAGE}"))
            };
            match word.as_str() {
                "--help" => return Err(USAGE.to_owned()),
                "--at-once" => options.at_once = usize::try_from(number(1, 100_000)?).unwrap_or(1),
                "--timeout-ms" => options.patience = Duration::from_millis(number(1, 60_000)?),
                "--ports" => {
                    let range = words.next().as_deref().and_then(range_of);
                    options.ports =
                        range.ok_or_else(|| format!("`--ports` wants FROM-TO, from 1 to 65535\n{USAGE}"))?;
                }
                _ if word.starts_with('-') => return Err(format!("what is `{word}`?\n{USAGE}")),
                _ => options.host = word,
            }
        }
        Ok(options)
    }
}

fn range_of(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (0 < from && from <= to).then_some(from..=to)
}

/// Tries every port until it is told to stop. What is under way then is waited for: that takes as long as one answer.
async fn scan(host: IpAddr, options: &Options, stop: &CancellationToken) -> io::Result<Report> {
    let permits = Arc::new(Semaphore::new(options.at_once));
    let mut asked = Vec::new();
    for port in options.ports.clone() {
        let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        if stop.is_cancelled() {
            break;
        }
        let patience = options.patience;
        asked.push((
            port,
            mainspring::spawn(async move {
                let answer = ask(SocketAddr::new(host, port), patience).await;
                drop(permit);
                answer
            }),
        ));
    }
    let mut report = Report::default();
    for (port, task) in asked {
        match task.await? {
            Answer::Open => report.open.push(port),
            Answer::Closed => report.closed += 1,
            Answer::Silent => report.silent += 1,
            Answer::Unasked => report.unasked += 1,
        }
    }
    Ok(report)
}

async fn ask(address: SocketAddr, patience: Duration) -> Answer {
    match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => Answer::Silent,
        // Our own port may be the one we ask for, and then the kernel connects us to ourselves.
        Ok(Ok(stream)) if stream.local_addr().ok() == stream.peer_addr().ok() => Answer::Closed,
        Ok(Ok(_)) => Answer::Open,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Closed,
        Ok(Err(_)) => Answer::Unasked,
    }
}

async fn run(options: Options) -> io::Result<()> {
    let (stop, interrupted) = (CancellationToken::new(), ctrl_c());
    let watch = stop.clone();
    drop(mainspring::spawn(async move {
        let _ = interrupted.await;
        watch.cancel();
    }));
    let host = lookup_host((options.host.as_str(), 0)).await?.next();
    let host = host.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "this name has no address"))?.ip();
    let start = Instant::now();
    let report = scan(host, &options, &stop).await?;
    for port in &report.open {
        println!("{port} open");
    }
    let Report { open, closed, silent, unasked } = &report;
    let asked = open.len() + closed + silent + unasked;
    let how = if stop.is_cancelled() { "interrupted after" } else { "asked" };
    eprintln!(
        "{how} {asked} of {} ports of {host} in {:.1?}: {} open, {closed} closed, {silent} silent, {unasked} unasked",
        options.ports.len(),
        start.elapsed(),
        open.len(),
    );
    if *unasked > 0 {
        eprintln!(
            "ports stay unasked when descriptors run out (`ulimit -n`, or a smaller --at-once), or no way leads there"
        );
    }
    Ok(())
}

/// Opens some ports, and checks that exactly those are found.
async fn demo() -> io::Result<()> {
    let mut listeners = Vec::new();
    for _ in 0..5 {
        listeners.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    let mut ours = Vec::new();
    for listener in &listeners {
        ours.push(listener.local_addr()?.port());
    }
    ours.sort_unstable();
    let around = ours[0].saturating_sub(50)..=ours[4].saturating_add(50);
    let mut options = Options::read(std::iter::empty()).map_err(io::Error::other)?;
    options.ports = around.clone();
    let report = scan(IpAddr::from([127, 0, 0, 1]), &options, &CancellationToken::new()).await?;
    assert!(ours.iter().all(|port| report.open.contains(port)), "{ours:?} are open, {:?} were found", report.open);
    assert_eq!(report.open.len() + report.closed + report.silent + report.unasked, around.len());
    drop(listeners);
    let report = scan(IpAddr::from([127, 0, 0, 1]), &options, &CancellationToken::new()).await?;
    assert!(!ours.iter().any(|port| report.open.contains(port)), "they are closed now");
    // Told to stop before it began, it asks nobody.
    let stop = CancellationToken::new();
    stop.cancel();
    let report = scan(IpAddr::from([127, 0, 0, 1]), &options, &stop).await?;
    assert_eq!(report.open.len() + report.closed + report.silent + report.unasked, 0);
    println!("scanned {} ports twice: 5 of ours were open, and then none", around.len());
    Ok(())
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let is_demo = words.peek().is_some_and(|word| word == "--demo");
    let options = match Options::read(words.skip(usize::from(is_demo))) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return if text == USAGE { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let outcome = Runtime::new()
        .and_then(|runtime| runtime.block_on(async { if is_demo { demo().await } else { run(options).await } }));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scan_ports: {error}");
            ExitCode::FAILURE
        }
    }
}
