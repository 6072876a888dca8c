//! What a server spends on a message: a TCP echo of 64 bytes at 1, 64 and 1,000 connections.
//!
//! The figure is the server's cpu time and not its throughput, which would be the load's as much as its own.
//! All of the server's threads share cpu 0; the load has a process and a cpu to itself (see `common::load`).

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[allow(dead_code, reason = "each bench uses its own part of what they share")]
mod common;

use common::load::{self, MESSAGE};
use common::machine;
use common::oneshot;
use common::runner::{self, Figures, Size, Workload, on_all};
use common::runtime::{Leaves, Runtime};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    if load::run_if_asked() {
        return ExitCode::SUCCESS;
    }
    runner::main(&[on_all::<Echo<1>>(), on_all::<Echo<64>>(), on_all::<Echo<1_000>>()].concat())
}

/// A server with so many connections.
struct Echo<const CONNECTIONS: usize>;

impl<const CONNECTIONS: usize> Workload for Echo<CONNECTIONS> {
    const NAME: &'static str = match CONNECTIONS {
        1 => "echo_1",
        64 => "echo_64",
        1_000 => "echo_1000",
        _ => panic!("a row needs a name"),
    };

    fn run<R: Runtime>(size: Size) -> Figures {
        machine::raise_descriptor_limit().expect("a limit can be raised to its maximum");
        let connections = if size == Size::Tiny { CONNECTIONS.min(8) } else { CONNECTIONS };
        // About two seconds each: one connection waits for every answer, a thousand hide the way.
        let messages = size.of(if CONNECTIONS == 1 { 50_000 } else { 300_000 });
        R::start(2).block_on(async {
            let (listener, address) = <R::Leaves>::listen().await.expect("a free port of the loopback interface");
            let (done, over) = oneshot::channel();
            let load = thread::spawn(move || done.send(load::drive(address, connections, messages)));
            drop(R::spawn(serve::<R>(listener)));
            let figures = over.await.expect("the load reports").expect("the load runs");
            load.join().expect("it has nothing left to do");
            figures
        })
    }
}

async fn serve<R: Runtime>(listener: <R::Leaves as Leaves>::Listener) {
    loop {
        let stream = <R::Leaves>::accept(&listener).await.expect("a connection");
        drop(R::spawn(echo::<R>(stream)));
    }
}

async fn echo<R: Runtime>(mut stream: <R::Leaves as Leaves>::Stream) {
    let mut buffer = [0; 1_024];
    loop {
        match <R::Leaves>::read(&mut stream, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                debug_assert!(count <= MESSAGE, "one message at a time");
                if <R::Leaves>::write_all(&mut stream, &buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
