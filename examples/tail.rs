//! A log tailer: prints what is added to files, and stays with the name when the log is rotated or cut.
//!
//! A file is read on from where it ended, ten times a second. When another file has the name (it was rotated) the old one is
//! read to its end first; when it is shorter than what was read (it was truncated) it is read from the start.
//!
//! Run it: `cargo run --example tail -- /var/log/syslog`, and press ctrl-c. With `--demo` it tails a log that it rotates
//! itself, and checks that no line was lost.

use mainspring::fs::{self, File};
use mainspring::group::CancellationToken;
use mainspring::runtime::Runtime;
use mainspring::signal::ctrl_c;
use mainspring::time::{Duration, sleep};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

const USAGE: &str = "usage: tail [--all] FILE...   or   tail --demo
  --all   begin at the start of each file, not at its end
  A file that does not exist yet is waited for. Ctrl-c ends it, and says how much there was.";

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A line that is longer is printed in pieces, so that a file without line ends cannot fill the memory.
const LINE_MAX: usize = 64 << 10;

/// One name, and the file that has it.
struct Follower {
    path: PathBuf,
    /// The file, its inode, and how far it was read.
    open: Option<(File, u64, u64)>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Follower {
    /// Begins at the end of what is there, or at its start.
    async fn new(path: PathBuf, all: bool) -> io::Result<Self> {
        let mut follower = Self { path, open: None, partial: Vec::new() };
        follower.reopen().await?;
        if let (false, Some((file, _, offset))) = (all, &mut follower.open) {
            *offset = file.metadata().await?.len();
        }
        Ok(follower)
    }

    /// Opens what has the name now. Nothing is no error: it may come.
    async fn reopen(&mut self) -> io::Result<()> {
        match File::open(&self.path).await {
            Ok(file) => {
                let inode = file.metadata().await?.ino();
                self.open = Some((file, inode, 0));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Everything new, line by line; then a look at who has the name.
    async fn look(&mut self, emit: &mut impl FnMut(&[u8])) -> io::Result<()> {
        self.read_on(emit).await?;
        let Ok(named) = fs::metadata(&self.path).await else { return Ok(()) }; // between two names: the old one may grow yet
        match &mut self.open {
            Some((_, inode, offset)) if *inode == named.ino() => {
                if named.len() < *offset {
                    *offset = 0;
                    self.partial.clear();
                }
                Ok(())
            }
            _ => {
                self.read_on(emit).await?; // what came between the read and the rename
                self.reopen().await?;
                self.read_on(emit).await
            }
        }
    }

    async fn read_on(&mut self, emit: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let Some((file, _, offset)) = &mut self.open else { return Ok(()) };
        let mut buf = vec![0; 64 << 10];
        loop {
            let count = file.read_at(&mut buf, *offset).await?;
            if count == 0 {
                return Ok(());
            }
            *offset += count as u64;
            for piece in buf[..count].split_inclusive(|&byte| byte == b'\n') {
                self.partial.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.partial.len() >= LINE_MAX {
                    emit(self.partial.trim_ascii_end());
                    self.partial.clear();
                }
            }
        }
    }
}

/// Follows a file until told to stop; says how many lines there were.
async fn follow(path: PathBuf, all: bool, stop: CancellationToken, mut emit: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut follower = Follower::new(path, all).await?;
    let mut lines = 0;
    loop {
        let stopping = stop.is_cancelled();
        follower
            .look(&mut |line| {
                lines += 1;
                emit(line);
            })
            .await?;
        if stopping {
            return Ok(lines); // after one more look
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn tail(paths: Vec<PathBuf>, all: bool) -> io::Result<()> {
    let interrupted = ctrl_c();
    let (stop, several) = (CancellationToken::new(), paths.len() > 1);
    let mut tasks = Vec::new();
    for path in paths {
        let prefix = if several { format!("{}: ", path.display()) } else { String::new() };
        let print = move |line: &[u8]| {
            let mut out = io::stdout().lock();
            // Who reads us may have gone; then ctrl-c is all that is left.
            let _ =
                out.write_all(prefix.as_bytes()).and_then(|()| out.write_all(line)).and_then(|()| out.write_all(b"\n"));
        };
        let name = path.display().to_string();
        let following = follow(path, all, stop.clone(), print);
        tasks.push(mainspring::spawn(async move {
            let outcome = following.await;
            // A file that cannot be followed is told of at once, and the others go on.
            match &outcome {
                Ok(lines) => eprintln!("tail: {lines} lines of {name}"),
                Err(error) => eprintln!("tail: {name}: {error}"),
            }
            outcome
        }));
    }
    let watch = stop.clone();
    drop(mainspring::spawn(async move {
        let _ = interrupted.await;
        watch.cancel();
    }));
    let mut outcome = Ok(());
    for task in tasks {
        outcome = task.await?.map(drop).and(outcome);
    }
    outcome
}

/// Writes a log, rotates it, cuts it, and checks what a follower made of it.
async fn demo() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("mainspring-tail-{}", std::process::id()));
    fs::create_dir_all(&folder).await?;
    let log = folder.join("log");
    let (stop, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
    let into = seen.clone();
    let note =
        move |line: &[u8]| into.lock().expect("nobody panics in here").push(String::from_utf8_lossy(line).into_owned());
    let task = mainspring::spawn(follow(log.clone(), true, stop.clone(), note));
    let mut expected = Vec::new();
    for round in 0..3 {
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).await?;
        for number in 0..100 {
            let line = format!("round {round}, line {number}");
            file.write_all(line.as_bytes()).await?; // a line comes in two pieces
            file.write_all(b"\n").await?;
            expected.push(line);
        }
        file.sync_data().await?;
        until(&seen, expected.len()).await;
        match round {
            0 => fs::rename(&log, folder.join("log.1")).await?,
            _ => file.set_len(0).await?,
        }
        sleep(3 * LOOK_EVERY).await; // a cut that is written over at once can be told from nothing
    }
    stop.cancel();
    assert_eq!(task.await??, 300);
    assert_eq!(*seen.lock().expect("nobody panics in here"), expected, "every line, once, in order");
    fs::remove_dir_all(&folder).await?;
    println!("tailed 300 lines over a rotation and two cuts, every one of them once");
    Ok(())
}

async fn until(seen: &Mutex<Vec<String>>, count: usize) {
    while seen.lock().expect("nobody panics in here").len() < count {
        sleep(Duration::from_millis(5)).await;
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, paths): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with("--"));
    let is_demo = flags == ["--demo"] && paths.is_empty();
    let all = flags == ["--all"];
    if !is_demo && (paths.is_empty() || !(all || flags.is_empty())) {
        eprintln!("{USAGE}");
        return if flags == ["--help"] { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let paths = paths.iter().map(|path| Path::new(path).to_owned()).collect();
    let outcome = Runtime::new()
        .and_then(|runtime| runtime.block_on(async { if is_demo { demo().await } else { tail(paths, all).await } }));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_demo => {
            eprintln!("tail: {error}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE, // it was told when it happened
    }
}
