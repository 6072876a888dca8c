//! The server: one task a connection, one that accepts, one that sweeps.
//!
//! ```text
//!   read ──► input ──► parser ──► execute ──► replies ──► one write
//!    ▲                   └── until no whole command is left ──┘ │
//!    └───────────────────────────────────────────────────────────┘
//! ```
//!
//! - **K1** A command that was carried out is answered, in a shutdown too: once [`Server::busy`] is closed no
//!   connection begins a batch, and the server leaves when none is in one, or after a second of grace.
//! - **K2** A client can make us hold one command and one round of replies, both bounded.

use crate::commands::{Then, execute};
use crate::resp::{COMMAND_MAX, Parser, Replies};
use crate::stop;
use crate::store::Store;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::task;
use mainspring::time::{Duration, Instant, interval, sleep};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for a few hundred small commands, so that a pipelined batch comes in by one read.
const INPUT_START: usize = 16 << 10;
/// A buffer that grew beyond this is given back as soon as it is empty.
const INPUT_KEPT: usize = 256 << 10;
/// A round of replies is sent when it has become this long, finished or not: a client may ask for one large
/// value a thousand times in one batch.
const REPLIES_MAX: usize = 256 << 10;
/// How often the sweeping task and the one that waits for ctrl-c look.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a shutdown waits for replies under way.
const GRACE: Duration = Duration::from_secs(1);
/// The most keys a sweep takes from one shard before it lets others have the lock.
const SWEPT_AT_ONCE: usize = 64;

/// In [`Server::busy`]: nobody may begin any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// What all connections share.
#[derive(Debug)]
struct Server {
    /// Keys and values.
    store: Store,
    /// When the store's clock said 0.
    started: Instant,
    /// How many connections are between commands and their replies, and [`CLOSED`] (K1).
    busy: AtomicUsize,
}

impl Server {
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// Serves until somebody asks for a stop, then lets replies under way go out.
pub(crate) async fn serve(listener: TcpListener) {
    let server = Arc::new(Server { store: Store::new(), started: Instant::now(), busy: AtomicUsize::new(0) });
    drop(task::Builder::new().name("sweep").daemon(true).spawn(sweep(server.clone())));
    let accepting = mainspring::spawn(accept(listener, server.clone()));
    let mut looks = interval(LOOK_EVERY);
    while !stop::is_requested() {
        looks.tick().await;
    }
    // Awaited, because the port is free again only when the task was dropped and the listener with it.
    accepting.abort();
    let _ = accepting.await;
    let patience = Instant::now() + GRACE;
    // ORDER: AcqRel, meets the read-modify-write in `Busy::begin` on one word: who comes after it sees `CLOSED`,
    // and who came before it is counted.
    server.busy.fetch_or(CLOSED, Ordering::AcqRel);
    // ORDER: Acquire, pairs with the Release in `Busy::drop`: when nobody is left every reply is with the kernel.
    while server.busy.load(Ordering::Acquire) != CLOSED && Instant::now() < patience {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => drop(mainspring::spawn(converse(stream, server.clone()))),
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// Gives back the memory of what is over, a little at a time.
async fn sweep(server: Arc<Server>) {
    let mut looks = interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        while server.store.sweep(server.now_ms(), SWEPT_AT_ONCE) > SWEPT_AT_ONCE {
            task::yield_now().await;
        }
    }
}

/// A connection, from its first byte to its last.
async fn converse(stream: TcpStream, server: Arc<Server>) {
    if let Err(error) = answer_all(&stream, &server).await {
        // Clients come and go as they like; anything else is worth a line.
        let is_usual = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        if !is_usual {
            eprintln!("connection: {error}");
        }
    }
}

async fn answer_all(stream: &TcpStream, server: &Server) -> io::Result<()> {
    // Replies are written whole, so there is nothing for the kernel to wait and gather.
    stream.set_nodelay(true)?;
    let mut connection = Connection::new();
    loop {
        let length = stream.read(connection.room()).await?;
        if length == 0 {
            return Ok(());
        }
        connection.end += length;
        let Some(_busy) = Busy::begin(server) else { return Ok(()) };
        loop {
            let then = connection.answer(&server.store, server.now_ms());
            stream.write_all(&connection.replies.bytes).await?;
            connection.replies.bytes.clear();
            match then {
                Round::Again => {}
                Round::Read => break,
                Round::Close => return Ok(()),
            }
        }
    }
}

/// What comes after a round of replies.
#[derive(Debug, PartialEq)]
enum Round {
    /// There are commands left in the buffer.
    Again,
    /// There are not.
    Read,
    /// The client said goodbye, or nonsense.
    Close,
}

/// One client's buffers.
struct Connection {
    /// Bytes from the client; those in `start..end` are not yet answered.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Where we are in a command that is not yet whole.
    parser: Parser,
    /// What to send next.
    replies: Replies,
}

impl Connection {
    fn new() -> Self {
        Self { input: vec![0; INPUT_START], start: 0, end: 0, parser: Parser::default(), replies: Replies::default() }
    }

    /// Where to read into: never empty.
    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end && self.input.len() > INPUT_KEPT {
            // What a large command needed goes back: there may be thousands of connections.
            *self = Self::new();
        }
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.input.len() {
            // Doubled as data arrives, never on a client's promise (K2).
            self.input.resize((2 * self.end).min(COMMAND_MAX + INPUT_START), 0);
        }
        &mut self.input[self.end..]
    }

    /// Carries out the commands in the buffer, until none is whole or the replies are long enough to send.
    fn answer(&mut self, store: &Store, now_ms: u64) -> Round {
        while self.replies.bytes.len() < REPLIES_MAX {
            let input = &mut self.input[self.start..self.end];
            let length = match self.parser.next(input) {
                Ok(Some(length)) => length,
                Ok(None) => return Round::Read,
                Err(error) => {
                    self.replies.error(&format!("ERR {}", error.0));
                    return Round::Close;
                }
            };
            let words = self.parser.arguments(&input[..length]);
            if execute(store, now_ms, words, &mut self.replies) == Then::Close {
                return Round::Close;
            }
            self.start += length;
        }
        Round::Again
    }
}

/// Counts its connection among the busy ones while it lives, on every way out.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    /// `None` in a shutdown.
    fn begin(server: &'a Server) -> Option<Self> {
        // ORDER: Acquire, meets the `fetch_or` in `serve` on the same word.
        let before = server.busy.fetch_add(1, Ordering::Acquire);
        let busy = Self(&server.busy);
        (before & CLOSED == 0).then_some(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // ORDER: Release, pairs with the Acquire in `serve`.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a connection by reads of at most `piece` bytes; returns all it answered, and how it ended.
    fn feed(connection: &mut Connection, store: &Store, mut bytes: &[u8], piece: usize) -> (Vec<u8>, Round) {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let room = connection.room();
            let length = room.len().min(piece).min(bytes.len());
            room[..length].copy_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
            connection.end += length;
            loop {
                let round = connection.answer(store, 0);
                answers.append(&mut connection.replies.bytes);
                match round {
                    Round::Again => {}
                    Round::Read => break,
                    Round::Close => return (answers, Round::Close),
                }
            }
        }
        (answers, Round::Read)
    }

    #[test]
    fn large_and_small_commands_take_turns_in_one_buffer() {
        let (store, mut connection) = (Store::new(), Connection::new());
        for size in [10, 100_000, 1, 3_000_000, 0, 20_000] {
            let set =
                [format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${size}\r\n").as_bytes(), &vec![b'v'; size], b"\r\n"].concat();
            let stream = [&set[..], b"PING\r\n", &set, b"GET k\r\n"].concat();
            let value = [format!("${size}\r\n").as_bytes(), &vec![b'v'; size], b"\r\n"].concat();
            let expected = [b"+OK\r\n+PONG\r\n+OK\r\n".as_slice(), &value].concat();
            for piece in [4_099, usize::MAX] {
                let (answers, round) = feed(&mut connection, &store, &stream, piece);
                assert!(answers == expected && round == Round::Read, "values of {size} in pieces of {piece}");
            }
        }
        connection.room();
        assert!(connection.input.len() <= INPUT_KEPT, "the large buffer was given back");
    }

    #[test]
    fn a_round_of_replies_is_bounded_and_none_is_lost() {
        let (store, mut connection) = (Store::new(), Connection::new());
        store.set(b"k", &[b'v'; 10_000], None, crate::store::When::Always, 0);
        let gets = b"GET k\r\n".repeat(1_000);
        let (answers, _) = feed(&mut connection, &store, &gets, usize::MAX);
        assert_eq!(answers.len(), 1_000 * (10_000 + "$10000\r\n\r\n".len()));
        assert!(connection.replies.bytes.capacity() < 2 * REPLIES_MAX);
    }

    #[test]
    fn nonsense_is_answered_and_ends_the_connection() {
        let (store, mut connection) = (Store::new(), Connection::new());
        let (answers, round) = feed(&mut connection, &store, b"PING\r\n*1\r\nPING\r\nPING\r\n", usize::MAX);
        assert_eq!(answers, b"+PONG\r\n-ERR Protocol error: expected '$'\r\n");
        assert_eq!(round, Round::Close);
    }
}
