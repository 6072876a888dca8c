//! The load: clients on a runtime of their own, in a thread of their own, over real sockets.
//!
//! A driver that does not look at the answers measures how fast a server can be wrong. So each client plays a
//! script whose every reply it can foretell: its own keys have the values it set last, its own counter the
//! number it counted to. One counter is shared by all clients, and in the end it must have counted every one.

use crate::latency::Histogram;
use crate::resp::{number, reply_length};
use crate::stop;
use mainspring::net::TcpStream;
use mainspring::runtime::{Builder, ShutdownReport};
use mainspring::time::{Duration, Instant, interval};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys of each client: few enough that most GETs find something.
const KEYS: usize = 200;

/// What to do to the server.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// For how long.
    pub(crate) duration: Duration,
    /// How many clients at once.
    pub(crate) connections: usize,
    /// How many commands each sends before it waits for the answers.
    pub(crate) pipeline: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Commands answered as foretold.
    replies: u64,
    /// From the first connect to the last reply.
    elapsed: Duration,
    /// From the sending of a batch to each of its replies.
    latency: Histogram,
    /// What the driver's own runtime said at its end.
    shutdown: ShutdownReport,
}

/// Plays the load. Blocks; meant for a thread of its own.
pub(crate) fn drive(load: &Load) -> io::Result<Summary> {
    let runtime = Builder::new_current_thread().build()?;
    let start = Instant::now();
    let latency = runtime.block_on(play_all(load.clone(), start))?;
    let elapsed = start.elapsed();
    Ok(Summary {
        replies: latency.count(),
        elapsed,
        latency,
        shutdown: runtime.shutdown_timeout(Duration::from_secs(1)),
    })
}

async fn play_all(load: Load, start: Instant) -> io::Result<Histogram> {
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..load.connections)
        .map(|id| mainspring::spawn(play(id, load.clone(), start + load.duration, done.clone())))
        .collect();
    let progress = mainspring::spawn(show_progress(start, load.duration, done));
    let (mut latency, mut counted) = (Histogram::new(), 0);
    for client in clients {
        let script = client.await??;
        latency.add(&script.latency);
        counted += script.shared_counts;
    }
    progress.abort();
    let _ = progress.await;
    if io::stdout().is_terminal() {
        println!();
    }
    let shared = shared_counter(load.address).await?;
    if shared != counted {
        return Err(io::Error::other(format!("{counted} clients' INCRs were confirmed, the counter says {shared}")));
    }
    Ok(latency)
}

/// One client: batch after batch until the time is up.
async fn play(id: usize, load: Load, until: Instant, done: Arc<AtomicU64>) -> io::Result<Script> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut script = Script::new(id);
    let mut input = Input::default();
    while Instant::now() < until && !stop::is_requested() {
        script.write_batch(load.pipeline);
        let sent = Instant::now();
        stream.write_all(&script.request).await?;
        let mut answered = 0;
        while answered < load.pipeline {
            input.read_from(&stream).await?;
            // Those that came in by one read have one latency, so the clock is read once for all of them.
            let (waited, before) = (sent.elapsed(), answered);
            while let Some(reply) = input.next_reply()? {
                script.check(answered, reply)?;
                answered += 1;
            }
            script.latency.record(waited.as_nanos() as u64, (answered - before) as u64);
        }
        // ORDER: Relaxed: a figure for the progress line.
        done.fetch_add(load.pipeline as u64, Ordering::Relaxed);
    }
    Ok(script)
}

/// Replies as they come in.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    /// Those before are dealt with.
    start: usize,
}

impl Input {
    async fn read_from(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let filled = self.bytes.len();
        self.bytes.resize(filled + (8 << 10), 0);
        let length = stream.read(&mut self.bytes[filled..]).await?;
        self.bytes.truncate(filled + length);
        if length == 0 { Err(wrong("the server hung up")) } else { Ok(()) }
    }

    fn next_reply(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = &self.bytes[self.start..];
        let length = reply_length(rest).map_err(|error| wrong(error.0))?;
        self.start += length.unwrap_or(0);
        Ok(length.map(|length| &rest[..length]))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(format!("wrong reply: {what}"))
}

/// What a reply must look like.
#[derive(Debug)]
enum Expected {
    /// Exactly so.
    Bytes(Vec<u8>),
    /// A number above the last one we got: others count too.
    SharedCount,
}

/// One client's commands, and what it knows of their answers.
#[derive(Debug)]
struct Script {
    id: usize,
    /// Chance, the same in every run.
    random: u64,
    /// What each of our keys holds: so many bytes of this value.
    values: Vec<Option<Vec<u8>>>,
    /// Our own counter.
    own_count: u64,
    /// The last we saw of the shared one.
    shared_count: i64,
    /// How often we raised it.
    shared_counts: u64,
    /// The batch to send.
    request: Vec<u8>,
    /// What to get for it.
    expected: Vec<Expected>,
    latency: Histogram,
}

impl Script {
    fn new(id: usize) -> Self {
        let (random, values) = (id as u64 + 1, vec![None; KEYS]);
        let (request, expected, latency) = (Vec::new(), Vec::new(), Histogram::new());
        Self { id, random, values, own_count: 0, shared_count: 0, shared_counts: 0, request, expected, latency }
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        // Marsaglia's xorshift: good enough to choose a key.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % n as u64) as usize
    }

    /// Half GET, four tenths SET, the rest INCR.
    fn write_batch(&mut self, pipeline: usize) {
        self.request.clear();
        self.expected.clear();
        for _ in 0..pipeline {
            let key = self.below(KEYS);
            match self.below(20) {
                0..10 => self.get(key),
                10..18 => self.set(key),
                18 => self.count_alone(),
                _ => self.count_together(),
            }
        }
    }

    fn get(&mut self, key: usize) {
        let expected = self.values[key].as_ref().map_or(b"$-1\r\n".to_vec(), |value| bulk(value));
        self.command(&[b"GET", &self.key(key)], Expected::Bytes(expected));
    }

    fn set(&mut self, key: usize) {
        // Any length up to 100, with line ends in it: a value is bytes, not text.
        let length = self.below(100);
        let mut value = format!("{}\r\n", self.random).into_bytes().repeat(6);
        value.truncate(length);
        self.command(&[b"SET", &self.key(key), &value], Expected::Bytes(b"+OK\r\n".to_vec()));
        self.values[key] = Some(value);
    }

    fn count_alone(&mut self) {
        self.own_count += 1;
        let expected = format!(":{}\r\n", self.own_count).into_bytes();
        self.command(&[b"INCR", format!("count:{}", self.id).as_bytes()], Expected::Bytes(expected));
    }

    fn count_together(&mut self) {
        self.shared_counts += 1;
        self.command(&[b"INCR", b"count:all"], Expected::SharedCount);
    }

    fn key(&self, key: usize) -> Vec<u8> {
        format!("key:{}:{key}", self.id).into_bytes()
    }

    fn command(&mut self, words: &[&[u8]], expected: Expected) {
        self.request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        words.iter().for_each(|word| self.request.extend(bulk(word)));
        self.expected.push(expected);
    }

    /// Compares the reply to the batch's command number `index`.
    fn check(&mut self, index: usize, reply: &[u8]) -> io::Result<()> {
        let is_right = match self.expected.get(index) {
            Some(Expected::Bytes(bytes)) => bytes == reply,
            Some(Expected::SharedCount) => {
                let count = reply.strip_prefix(b":").and_then(|text| number(text.trim_ascii_end()));
                let last = std::mem::replace(&mut self.shared_count, count.unwrap_or(i64::MIN));
                self.shared_count > last
            }
            None => false,
        };
        let expected = self.expected.get(index);
        if is_right { Ok(()) } else { Err(wrong(&format!("{} where {expected:?} was due", reply.escape_ascii()))) }
    }
}

fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

async fn shared_counter(address: SocketAddr) -> io::Result<u64> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET count:all\r\n").await?;
    let mut input = Input::default();
    loop {
        input.read_from(&stream).await?;
        if let Some(reply) = input.next_reply()? {
            let text = reply.split(|byte| *byte == b'\n').nth(1).unwrap_or(b"0");
            return Ok(number(text.trim_ascii_end()).unwrap_or(0).unsigned_abs());
        }
    }
}

/// One line that keeps up with what happens; plain lines, and fewer, if nobody looks.
async fn show_progress(start: Instant, duration: Duration, done: Arc<AtomicU64>) {
    let is_terminal = io::stdout().is_terminal();
    let every = Duration::from_millis(if is_terminal { 200 } else { 1_000 });
    let mut ticks = interval(every);
    let mut last = (start, 0);
    ticks.tick().await; // the first comes at once, with nothing to show
    loop {
        ticks.tick().await;
        // ORDER: Relaxed: a figure to show.
        let now = (Instant::now(), done.load(Ordering::Relaxed));
        let rate = (now.1 - last.1) as f64 / (now.0 - last.0).as_secs_f64();
        let (elapsed, total) = ((now.0 - start).as_secs_f64(), duration.as_secs_f64());
        let line = format!("{elapsed:5.1} s of {total:.0} s   {:>9} replies   {rate:>9.0} a second", now.1);
        let mut out = io::stdout().lock();
        // With nobody to read it there is nobody to complain to either.
        let _ = if is_terminal {
            write!(out, "\r{line}\x1b[K").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
        last = now;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |ns: u64| ns as f64 / 1_000.0;
        let rate = self.replies as f64 / self.elapsed.as_secs_f64();
        writeln!(
            f,
            "{} replies in {:.2} s, all as foretold: {rate:.0} a second",
            self.replies,
            self.elapsed.as_secs_f64()
        )?;
        write!(f, "latency in us:")?;
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            write!(f, "  {name} {:.0}", us(self.latency.quantile(share)))?;
        }
        writeln!(f, "  max {:.0}", us(self.latency.max()))?;
        write!(f, "driver: {}", self.shutdown)
    }
}
