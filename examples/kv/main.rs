//! A server that speaks the Redis protocol, on mainspring.
//!
//! ```text
//! cargo run --release --example kv                     serves on port 6379 until ctrl-c
//! cargo run --release --example kv -- --port 0         on a free port
//! cargo run --release --example kv -- --drive 10       on a free port, under load from clients of its own
//! ```
//!
//! redis-cli and redis-benchmark talk to it as they are. Read on in `serve` (the connections), `resp` (the
//! protocol), `commands`, `store`, `stop` (ctrl-c), and `drive` with `latency` (the load).

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver must not share a thread with what it measures, and a store of keys wants a hash map"
)]

mod commands;
mod drive;
mod latency;
mod resp;
mod serve;
mod stop;
mod store;

use drive::{Load, Summary};
use mainspring::net::TcpListener;
use mainspring::runtime::Builder;
use mainspring::time::Duration;
use std::io;
use std::process::ExitCode;
use std::thread;

const USAGE: &str = "usage: kv [--port N] [--workers N] [--drive SECONDS [--connections N] [--pipeline N]]
  --port N          listen on 127.0.0.1:N; 0 picks a free port (6379; with --drive 0)
  --workers N       worker threads (one a core)
  --drive SECONDS   put the server under load for that long, check every reply, and end
  --connections N   clients of --drive (50)
  --pipeline N      commands each of them sends at once (16)";

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    port: Option<u16>,
    workers: usize,
    drive: Option<u64>,
    connections: usize,
    pipeline: usize,
}

impl Options {
    /// Reads the command line; an error is the text to show.
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let workers = thread::available_parallelism().map_or(1, |cores| cores.get());
        let mut options = Self { port: None, workers, drive: None, connections: 50, pipeline: 16 };
        while let Some(word) = words.next() {
            if word == "--help" {
                return Err(USAGE.to_owned());
            }
            let value = words.next().and_then(|value| value.parse::<u64>().ok());
            let value = value.ok_or_else(|| format!("`{word}` wants a number\n{USAGE}"))?;
            let at_least_one = usize::try_from(value.clamp(1, 10_000)).unwrap_or(1);
            match word.as_str() {
                "--port" => options.port = Some(u16::try_from(value).map_err(|_| format!("no such port: {value}"))?),
                "--workers" => options.workers = at_least_one,
                "--drive" => options.drive = Some(value),
                "--connections" => options.connections = at_least_one,
                // A client sends its batch whole before it reads, so the batch must fit into the kernel's buffers.
                "--pipeline" => options.pipeline = at_least_one.min(1_000),
                _ => return Err(format!("what is `{word}`?\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().workers(options.workers).thread_name("kv").build()?;
    let summary = runtime.block_on(serve_and_drive(options));
    let report = runtime.shutdown_timeout(Duration::from_secs(2));
    if let Ok(Some(summary)) = &summary {
        println!("{summary}");
    }
    println!("server: {report}");
    summary.map(drop)
}

/// Serves until a stop is asked for: by ctrl-c, or by the driver when it is done.
async fn serve_and_drive(options: &Options) -> io::Result<Option<Summary>> {
    stop::on_ctrl_c()?;
    let port = options.port.unwrap_or(if options.drive.is_some() { 0 } else { 6379 });
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("listening on {address}, {} workers", options.workers);
    let load = |seconds| Load {
        address,
        duration: Duration::from_secs(seconds),
        connections: options.connections,
        pipeline: options.pipeline,
    };
    let driver = options.drive.map(load).map(start_driver).transpose()?;
    serve::serve(listener).await;
    // The server stops when the driver is done, so this join waits for next to nothing.
    let summary = driver.map(|driver| driver.join().unwrap_or_else(|_| Err(io::Error::other("the driver panicked"))));
    summary.transpose()
}

/// Drives from a thread of its own; whatever becomes of it, the server is asked to stop afterwards.
fn start_driver(load: Load) -> io::Result<thread::JoinHandle<io::Result<Summary>>> {
    struct StopAfterwards;
    impl Drop for StopAfterwards {
        fn drop(&mut self) {
            stop::request();
        }
    }
    thread::Builder::new().name("driver".to_owned()).spawn(move || {
        let _guard = StopAfterwards;
        drive::drive(&load)
    })
}
