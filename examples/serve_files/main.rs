//! A static file server: GET and HEAD, ranges, connections that stay.
//!
//! One task a connection, written as if it could block. The beginning of a file goes out with
//! the head; the rest goes from the page cache to the socket by `sendfile`, or by way of the pool if the disk is needed. Nothing outside the folder is served: neither by `..` nor by a symbolic link.
//!
//! ```text
//! cargo run --release --example serve_files -- --port 8080 /usr/share/doc
//! curl -r 0-99 http://127.0.0.1:8080/README.md        wrk -c 64 http://127.0.0.1:8080/README.md
//! cargo run --example serve_files -- --demo           serves a folder it made to a client of its own, and checks the answers
//! ```
//!
//! Read on in `http` (the protocol) and `demo`.

mod demo;
mod http;

use http::{HEAD_MAX, Refusal, Request, content_type, range_of};
use mainspring::fs::{self, File};
use mainspring::group::CancellationToken;
use mainspring::io::send_file;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Runtime;
use mainspring::select;
use mainspring::signal::ctrl_c;
use mainspring::sync::Semaphore;
use mainspring::time::{Duration, sleep, timeout};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const USAGE: &str = "usage: serve_files [--port N] [--list] [FOLDER]   or   serve_files --demo
  --port N   listen on 127.0.0.1:N; 0 picks a free port (8080)
  --list     show what is in a folder that has no index.html; without it that is refused
  FOLDER     what is served (.)
  Ctrl-c ends it, when the answers under way are out.";

/// The most connections; the next one waits to be accepted.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take to send a head, or to take a piece of a file.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end waits for answers under way.
const GRACE: Duration = Duration::from_secs(2);
/// So much of a file is copied, to go out with the head.
const PIECE: usize = 64 << 10;
/// What follows is sent in pieces of this size, each of which a client must take in time.
const PIECE_SENT: u64 = 1 << 20;

/// What all connections share.
struct Server {
    /// Without symbolic links in it.
    root: PathBuf,
    list: bool,
    stop: CancellationToken,
    /// One for each connection.
    permits: Arc<Semaphore>,
    answers: AtomicU64,
    bytes: AtomicU64,
}

/// What is sent behind a head.
enum Body {
    Text(String),
    Part(File, u64),
}

impl Server {
    async fn new(root: &Path, list: bool) -> io::Result<Arc<Self>> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", root.display()));
        let root = fs::canonicalize(root).await.map_err(named)?;
        if !fs::metadata(&root).await?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no folder", root.display())));
        }
        let (stop, permits) = (CancellationToken::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        Ok(Arc::new(Self { root, list, stop, permits, answers: AtomicU64::new(0), bytes: AtomicU64::new(0) }))
    }

    /// Accepts until told to stop, and then waits a moment for the answers under way.
    async fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        while let Ok(permit) = self.permits.clone().acquire_owned().await {
            let stream = select! {
                accepted = listener.accept() => accepted?.0,
                _ = self.stop.cancelled() => break,
            };
            let server = self.clone();
            drop(mainspring::spawn(async move {
                let _ = server.talk(&stream).await; // a client that went away is no news
                drop(permit);
            }));
        }
        drop(listener);
        select! {
            _ = self.permits.acquire_many(CONNECTIONS_MAX as u32) => {}
            _ = sleep(GRACE) => {}
        }
        Ok(())
    }

    /// One connection: request after request, until one of us has enough.
    async fn talk(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = Vec::new();
        while !self.stop.is_cancelled() {
            let head = select! {
                head = timeout(PATIENCE, read_head(stream, &mut input)) => head,
                _ = self.stop.cancelled() => return Ok(()),
            };
            let keep_alive = match head {
                Ok(Ok(Some(head))) => self.answer(stream, &head).await?,
                Ok(Ok(None)) | Err(_) => return Ok(()),
                Ok(Err(_too_long)) => self.refuse(stream, ("431 Request Header Fields Too Large", false)).await?,
            };
            if !keep_alive {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says whether the connection stays.
    async fn answer(&self, stream: &TcpStream, head: &str) -> io::Result<bool> {
        let request = match Request::parse(head) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(stream, refusal).await,
        };
        let (path, is_dir) = match self.find(&request).await {
            Ok(found) => found,
            Err(status) => return self.refuse(stream, (status, request.keep_alive)).await,
        };
        if is_dir {
            let page = listing(&path).await?;
            let head = format!("200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}", page.len());
            return self.send(stream, &request, head, 0..page.len() as u64, Body::Text(page)).await;
        }
        let Ok(file) = File::open(&path).await else {
            return self.refuse(stream, ("403 Forbidden", request.keep_alive)).await;
        };
        let length = file.metadata().await?.len();
        let range = request.range.as_deref().map_or(Ok(None), |value| range_of(value, length));
        let (part, mut head) = match range {
            Ok(None) => (0..length, "200 OK".to_owned()),
            Ok(Some(part)) => {
                let said =
                    format!("206 Partial Content\r\nContent-Range: bytes {}-{}/{length}", part.start, part.end - 1);
                (part, said)
            }
            Err(()) => {
                let head = format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{length}\r\nContent-Length: 0");
                return self.send(stream, &request, head, 0..0, Body::Text(String::new())).await;
            }
        };
        let (kind, count) = (content_type(&path), part.end - part.start);
        let _ = write!(head, "\r\nAccept-Ranges: bytes\r\nContent-Type: {kind}\r\nContent-Length: {count}");
        self.send(stream, &request, head, part.clone(), Body::Part(file, part.start)).await
    }

    /// The file that is meant, or the folder that may be listed; else the status.
    async fn find(&self, request: &Request) -> Result<(PathBuf, bool), &'static str> {
        const MISSING: &str = "404 Not Found";
        let path = fs::canonicalize(self.root.join(&request.path)).await.map_err(|_| MISSING)?;
        if !path.starts_with(&self.root) {
            return Err(MISSING); // a symbolic link that leads out: we do not even say that there is something
        }
        let metadata = fs::metadata(&path).await.map_err(|_| MISSING)?;
        if metadata.is_file() && !request.is_folder {
            return Ok((path, false));
        }
        if !metadata.is_dir() {
            return Err(MISSING); // a pipe or a device would make us wait
        }
        let index = path.join("index.html");
        match fs::symlink_metadata(&index).await {
            Ok(metadata) if metadata.is_file() => Ok((index, false)),
            _ if self.list => Ok((path, true)),
            _ => Err("403 Forbidden"),
        }
    }

    async fn refuse(&self, stream: &TcpStream, (status, keep_alive): Refusal) -> io::Result<bool> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = status.len() + 1;
        let head = "Content-Type: text/plain\r\nAllow: GET, HEAD";
        let text = format!(
            "HTTP/1.1 {status}\r\n{head}\r\nConnection: {connection}\r\nContent-Length: {length}\r\n\r\n{status}\n"
        );
        stream.write_all(text.as_bytes()).await?;
        // ORDER: Relaxed: the number is shown at the end, and nothing follows from it.
        self.answers.fetch_add(1, Ordering::Relaxed);
        Ok(keep_alive)
    }

    async fn send(
        &self,
        stream: &TcpStream,
        request: &Request,
        head: String,
        part: std::ops::Range<u64>,
        body: Body,
    ) -> io::Result<bool> {
        let connection = if request.keep_alive { "keep-alive" } else { "close" };
        let mut buf = format!("HTTP/1.1 {head}\r\nConnection: {connection}\r\n\r\n").into_bytes();
        let length = if request.head_only { 0 } else { part.end - part.start };
        // ORDER: Relaxed, twice, as in `refuse`.
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(length, Ordering::Relaxed);
        match body {
            Body::Text(text) if length > 0 => buf.extend_from_slice(text.as_bytes()),
            Body::Part(file, at) if length > 0 => {
                // A small file goes out with the head in one piece, the rest of a large one from the system's cache.
                let begin = buf.len();
                buf.resize(begin + usize::try_from(length).unwrap_or(PIECE).min(PIECE), 0);
                let count = file.read_at(&mut buf[begin..], at).await?;
                buf.truncate(begin + count);
                write_in_time(stream, &buf).await?;
                buf.clear();
                if !send_rest(stream, &file, at + count as u64..at + length).await? {
                    return Ok(false); // it was cut while we sent it: only the connection's end can say so
                }
            }
            Body::Text(_) | Body::Part(..) => {}
        }
        write_in_time(stream, &buf).await?;
        Ok(request.keep_alive)
    }
}

/// False if the file ended before.
async fn send_rest(stream: &TcpStream, file: &File, mut part: std::ops::Range<u64>) -> io::Result<bool> {
    while !part.is_empty() {
        let piece = part.start..part.end.min(part.start + PIECE_SENT);
        let sent = timeout(PATIENCE, send_file(file, piece, stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if sent == 0 {
            return Ok(false);
        }
        part.start += sent;
    }
    Ok(true)
}

async fn write_in_time(stream: &TcpStream, buf: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(buf)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// The next head. What follows it stays in `input`: a client may send several requests at once. None at the end.
async fn read_head(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            input.drain(..end + 4);
            return Ok(Some(head));
        }
        if input.len() >= HEAD_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let begin = input.len();
        input.resize(begin + 2_048, 0);
        let count = stream.read(&mut input[begin..]).await;
        input.truncate(begin + count.as_ref().copied().unwrap_or(0));
        if count? == 0 {
            return Ok(None);
        }
    }
}

/// A page with a link to each entry.
async fn listing(folder: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    let mut page = "<!doctype html><title>Folder</title><ul>\n".to_owned();
    for name in names {
        let text = name.replace('&', "&amp;").replace('<', "&lt;");
        let link: String = name.bytes().fold(String::new(), |mut link, byte| {
            let _ = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                    write!(link, "{}", char::from(byte))
                }
                _ => write!(link, "%{byte:02X}"),
            };
            link
        });
        let _ = writeln!(page, "<li><a href=\"./{link}\">{text}</a>");
    }
    Ok(page + "</ul>\n")
}

async fn run(port: u16, folder: PathBuf, list: bool) -> io::Result<()> {
    let interrupted = ctrl_c();
    let server = Server::new(&folder, list).await?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
    println!("serving {} on http://{}", server.root.display(), listener.local_addr()?);
    let serving = mainspring::spawn(server.clone().serve(listener));
    interrupted.await?;
    server.stop.cancel();
    serving.await??;
    // ORDER: Relaxed, twice: the tasks that counted have ended, or do not matter any more.
    let (answers, bytes) = (server.answers.load(Ordering::Relaxed), server.bytes.load(Ordering::Relaxed));
    println!("gave {answers} answers with {bytes} bytes");
    Ok(())
}

/// The port, the folder, whether to list.
fn read_words(mut words: impl Iterator<Item = String>) -> Option<(u16, PathBuf, bool)> {
    let (mut port, mut folder, mut list) = (8080, PathBuf::from("."), false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => port = words.next()?.parse().ok()?,
            "--list" => list = true,
            _ if word.starts_with("--") => return None,
            _ => folder = PathBuf::from(word),
        }
    }
    Some((port, folder, list))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_demo = words == ["--demo"];
    let Some((port, folder, list)) = read_words(words.iter().filter(|_| !is_demo).cloned()) else {
        eprintln!("{USAGE}");
        return if words == ["--help"] { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    let outcome = Runtime::new().and_then(|runtime| {
        runtime.block_on(async { if is_demo { demo::demo().await } else { run(port, folder, list).await } })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve_files: {error}");
            ExitCode::FAILURE
        }
    }
}
