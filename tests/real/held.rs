//! As many connections as a process may have descriptors for, nearly all of them silent.
//!
//! The clients are a process of their own, for each end of a connection is a descriptor. The two speak by pipes: a line each way
//! when the next part may begin.
//!
//! Cases of the catalogue: RES-05.

use crate::kit::{everywhere, join_all, listen};
use crate::probe::{self, Limit};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::process::{ChildStdout, Command, Stdio};
use mainspring::runtime::{Builder, Runtime};
use mainspring::time::sleep;
use std::io::{BufRead, Write, stdin, stdout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

cases! { CASES:
    240 => [res_05_nineteen_thousand_connections_are_held_and_a_hundredth_of_them_is_served],
}

cases! { SCRIPTS:
    120 => [clients_that_hold_connections],
}

/// So many; a process may have 20,000 descriptors.
const HELD: usize = 19_000;
/// Every so many is active.
const ACTIVE_OF: usize = 100;
/// So often each of those asks for an answer.
const EXCHANGES: usize = 20;
/// So many connect at a time.
const LANES: usize = 100;
/// What a connection may take of the server's memory: its task with a buffer of 64 bytes and its source are some 450 bytes.
const BYTES_MAX: u64 = 2_048;
/// The slowest hundredth of the exchanges takes some ten milliseconds in a debug build, when all active ones ask at once.
const SLOW: Duration = Duration::from_secs(2);
/// Where the script finds the server.
const ADDRESS: &str = "MAINSPRING_HELD_AT";

fn res_05_nineteen_thousand_connections_are_held_and_a_hundredth_of_them_is_served() {
    let needed = HELD as u64 + 200;
    assert!(
        probe::set_limit(Limit::Descriptors, needed) >= needed,
        "the system lets a process have {needed} descriptors"
    );
    everywhere(&[2], hold);
}

fn hold(runtime: &Runtime) {
    let open = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let listener = listen().await;
        let address = listener.local_addr().expect("it is bound");
        let before = probe::rss_kib();
        let server = mainspring::spawn(serve(listener, open.clone()));
        let program = std::env::current_exe().expect("Linux says where a program lies");
        let mut clients = Command::new(program);
        clients.args(["--child", "clients_that_hold_connections"]).env(ADDRESS, address.to_string());
        let mut clients = clients.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let (told, tell) = (clients.stdout.take().expect("a pipe"), clients.stdin.take().expect("a pipe"));
        assert_eq!(line_of(&told).await, "all are connected");
        assert_eq!(open.load(Ordering::SeqCst), HELD);
        let each = (probe::rss_kib().saturating_sub(before)) * 1_024 / HELD as u64;
        assert!(each <= BYTES_MAX, "{each} bytes a connection");
        tell.write_all(b"go on\n").await.expect("it listens");
        assert_eq!(line_of(&told).await, "all were served");
        assert!(clients.wait().await.expect("it ends").success());
        println!("{each} bytes a connection");
        while open.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(1)).await; // until the server has heard that all have gone
        }
        server.abort();
    });
}

/// An echo, with a count of those who are connected.
async fn serve(listener: TcpListener, open: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.expect("there are descriptors for all");
        let open = open.clone();
        open.fetch_add(1, Ordering::SeqCst);
        drop(mainspring::spawn(async move {
            let mut buf = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buf).await {
                stream.write_all(&buf[..count]).await.expect("the client reads it");
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }));
    }
}

/// What the other process has to say.
async fn line_of(told: &ChildStdout) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while told.read(&mut byte).await.expect("a pipe") == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("words")
}

fn clients_that_hold_connections() {
    probe::set_limit(Limit::Descriptors, u64::MAX);
    let address: SocketAddr = std::env::var(ADDRESS).expect("the case says where").parse().expect("an address");
    let runtime = Builder::new_current_thread().build().expect("descriptors are to be had");
    let lane = |lane| async move {
        let mut held = Vec::new();
        for number in (lane..HELD).step_by(LANES) {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            exchange(&stream, number).await;
            held.push(stream);
        }
        held
    };
    let lanes = runtime.block_on(async { join_all((0..LANES).map(|n| mainspring::spawn(lane(n)))).await });
    let held: Vec<_> = lanes.into_iter().flatten().map(Arc::new).collect();
    say("all are connected");
    let mut go_on = String::new();
    stdin().lock().read_line(&mut go_on).expect("a pipe");
    let mut times: Vec<Duration> = runtime.block_on(async {
        let active = held.iter().step_by(ACTIVE_OF).cloned();
        let ask = |stream: Arc<TcpStream>| async move {
            let mut times = Vec::new();
            for number in 0..EXCHANGES {
                let asked = Instant::now();
                exchange(&stream, number).await;
                times.push(asked.elapsed());
            }
            times
        };
        join_all(active.map(|stream| mainspring::spawn(ask(stream)))).await.into_iter().flatten().collect()
    });
    times.sort();
    let slow = times[times.len() * 99 / 100];
    assert!(times.len() == HELD / ACTIVE_OF * EXCHANGES && slow < SLOW, "{slow:?} for the slowest of a hundred");
    // And those that were silent are as good as ever.
    runtime.block_on(async {
        for (number, stream) in held.iter().enumerate() {
            exchange(stream, number).await;
        }
    });
    say("all were served");
}

/// One message there and back.
async fn exchange(stream: &TcpStream, number: usize) {
    let mut back = [0; 8];
    stream.write_all(&number.to_be_bytes()).await.expect("the server reads it");
    stream.read_exact(&mut back).await.expect("the server answers");
    assert_eq!(back, number.to_be_bytes());
}

fn say(line: &str) {
    println!("{line}");
    stdout().flush().expect("a pipe");
}
