//! A parallel `du` and `grep`: how much is below a folder, and which lines below it have a text.
//!
//! A task for each folder, which reads it in one hop (`fs::batch`), starts a task for each folder in it, and adds up what those
//! say. As many look into the file system at once as there are permits. A progress bar shows how many of the folders found
//! are done.
//!
//! Run it: `cargo run --release --example du -- --find TODO src`. With `--demo` it counts a tree that it made itself, and checks
//! the sums.

use mainspring::fs;
use mainspring::group::CancellationToken;
use mainspring::runtime::Runtime;
use mainspring::signal::ctrl_c;
use mainspring::sync::Semaphore;
use mainspring::task::JoinHandle;
use mainspring::time::{Duration, interval};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const USAGE: &str = "usage: du [--find TEXT] [--at-once N] [FOLDER]   or   du --demo
  --find TEXT   also print each line that has TEXT, with its file and number
  --at-once N   how many look into the file system at the same time (32)
  FOLDER        where to begin (.)
  Ctrl-c ends it, and what was counted so far is printed.";

/// Files that are longer are not searched.
const SEARCHED_MAX: u64 = 64 << 20;

/// What is below a folder.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Sum {
    /// On the disk, as `du` counts: blocks, and a file with two names once.
    bytes: u64,
    files: u64,
    folders: u64,
    /// Lines that have the text.
    hits: u64,
    /// What could not be read.
    errors: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.files += other.files;
        self.folders += other.folders;
        self.hits += other.hits;
        self.errors += other.errors;
    }
}

/// What all tasks share.
struct Walk {
    find: Option<String>,
    /// Who looks into the file system holds one.
    permits: Semaphore,
    stop: CancellationToken,
    /// Files with several names that were counted.
    counted: Mutex<BTreeSet<(u64, u64)>>,
    /// Folders found, and folders done.
    found: AtomicU64,
    done: AtomicU64,
}

/// One folder, as one job of the pool reads it.
#[derive(Default)]
struct Listing {
    folders: Vec<PathBuf>,
    /// With their lengths.
    files: Vec<(PathBuf, u64)>,
    sum: Sum,
}

impl Walk {
    fn new(find: Option<String>, at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            find,
            permits: Semaphore::new(at_once),
            stop: CancellationToken::new(),
            counted: Mutex::default(),
            found: AtomicU64::new(0),
            done: AtomicU64::new(0),
        })
    }

    /// Counts a folder and all below it.
    fn visit(self: &Arc<Self>, folder: PathBuf) -> JoinHandle<Sum> {
        // ORDER: Relaxed, here and below: the numbers are shown, and nothing follows from them.
        self.found.fetch_add(1, Ordering::Relaxed);
        let walk = self.clone();
        mainspring::spawn(async move {
            let (mut sum, below) = walk.look_into(&folder).await;
            for task in below {
                sum.add(task.await.unwrap_or(Sum { errors: 1, ..Sum::default() }));
            }
            // ORDER: Relaxed, as above.
            walk.done.fetch_add(1, Ordering::Relaxed);
            sum
        })
    }

    /// The folder's own files, and the tasks for the folders in it.
    async fn look_into(self: &Arc<Self>, folder: &Path) -> (Sum, Vec<JoinHandle<Sum>>) {
        let Ok(_permit) = self.permits.acquire().await else { return (Sum::default(), Vec::new()) };
        if self.stop.is_cancelled() {
            return (Sum::default(), Vec::new());
        }
        let (walk, path) = (self.clone(), folder.to_owned());
        let listing = match fs::batch(move || walk.list(&path)).await {
            Ok(listing) => listing,
            Err(error) => {
                eprintln!("du: {}: {error}", folder.display());
                return (Sum { errors: 1, ..Sum::default() }, Vec::new());
            }
        };
        let below = listing.folders.into_iter().map(|folder| self.visit(folder)).collect();
        let mut sum = listing.sum;
        if let Some(text) = &self.find {
            for (file, _) in listing.files.iter().filter(|(_, length)| *length <= SEARCHED_MAX) {
                if self.stop.is_cancelled() {
                    break;
                }
                match fs::read(file).await {
                    Ok(contents) => sum.hits += search(file, &contents, text),
                    Err(error) => {
                        eprintln!("du: {}: {error}", file.display());
                        sum.errors += 1;
                    }
                }
            }
        }
        (sum, below)
    }

    /// Runs on a thread of the pool, and makes its many small calls there.
    fn list(&self, folder: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        listing.sum.folders = 1;
        listing.sum.bytes = std::fs::symlink_metadata(folder)?.blocks() * 512;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else {
                listing.sum.errors += 1; // it went while we looked
                continue;
            };
            if metadata.is_dir() {
                listing.folders.push(entry.path());
                continue;
            }
            listing.sum.files += 1;
            if metadata.nlink() == 1
                || self.counted.lock().expect("no panics in here").insert((metadata.dev(), metadata.ino()))
            {
                listing.sum.bytes += metadata.blocks() * 512;
            }
            if metadata.is_file() {
                listing.files.push((entry.path(), metadata.len()));
            }
        }
        Ok(listing)
    }

    /// A bar on the terminal, ten times a second; nothing where no terminal is.
    async fn show_progress(self: Arc<Self>) {
        let mut ticks = interval(Duration::from_millis(100));
        while io::stderr().is_terminal() {
            ticks.tick().await;
            // ORDER: Relaxed, as in `visit`.
            let (done, found) = (self.done.load(Ordering::Relaxed), self.found.load(Ordering::Relaxed));
            let filled = usize::try_from(done * 40 / found.max(1)).unwrap_or(40);
            eprint!("\r[{:<40}] {done} of {found} folders ", "#".repeat(filled));
        }
    }
}

/// Prints the lines that have the text. A file with a zero byte in it is no text.
fn search(file: &Path, contents: &[u8], text: &str) -> u64 {
    if contents.contains(&0) {
        return 0;
    }
    let mut hits = 0;
    for (number, line) in String::from_utf8_lossy(contents).lines().enumerate().filter(|(_, line)| line.contains(text))
    {
        hits += 1;
        let _ = writeln!(io::stdout().lock(), "{}:{}:{line}", file.display(), number + 1);
    }
    hits
}

async fn run(folder: PathBuf, find: Option<String>, at_once: usize) -> io::Result<bool> {
    let (walk, interrupted) = (Walk::new(find, at_once), ctrl_c());
    let stop = walk.stop.clone();
    drop(mainspring::spawn(async move {
        let _ = interrupted.await;
        stop.cancel();
    }));
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    if !fs::metadata(&folder).await.map_err(named)?.is_dir() {
        return Err(named(io::Error::new(io::ErrorKind::NotADirectory, "this is no folder")));
    }
    let bar = mainspring::spawn(walk.clone().show_progress());
    let sum = walk.visit(folder.clone()).await?;
    bar.abort();
    if io::stderr().is_terminal() {
        eprint!("\r{:70}\r", "");
    }
    let how = if walk.stop.is_cancelled() { " (interrupted: so far)" } else { "" };
    let Sum { bytes, files, folders, hits, errors } = sum;
    println!("{} KiB in {}{how}: {files} files, {folders} folders, {errors} errors", bytes / 1_024, folder.display());
    if let Some(text) = &walk.find {
        println!("{hits} lines have `{text}`");
    }
    Ok(errors == 0 && !walk.stop.is_cancelled())
}

/// Makes a tree, and checks that what is counted is what was made.
async fn demo() -> io::Result<bool> {
    let root = std::env::temp_dir().join(format!("mainspring-du-{}", std::process::id()));
    for folder in 0..20 {
        let path = root.join(format!("{}/{folder}", folder % 4));
        fs::create_dir_all(&path).await?;
        for file in 0..10 {
            fs::write(path.join(format!("file-{file}")), format!("one\nneedle {file}\nthree\n")).await?;
        }
    }
    fs::hard_link(root.join("0/0/file-0"), root.join("second-name")).await?;
    fs::symlink(&root, root.join("0/loop")).await?; // is not followed
    let walk = Walk::new(Some("needle 7".to_owned()), 4);
    let sum = walk.visit(root.clone()).await?;
    assert_eq!((sum.files, sum.folders, sum.hits, sum.errors), (202, 25, 20, 0));
    let theirs = mainspring::process::Command::new("du").args(["-s", "--block-size=1"]).arg(&root).output().await?;
    let theirs = String::from_utf8_lossy(&theirs.stdout);
    assert_eq!(theirs.split_whitespace().next(), Some(sum.bytes.to_string().as_str()), "du says the same");
    let stopped = Walk::new(None, 4);
    stopped.stop.cancel();
    assert_eq!(stopped.visit(root.clone()).await?, Sum::default(), "told to stop, it looks nowhere");
    fs::remove_dir_all(&root).await?;
    println!("counted {} bytes in 202 files, as du does", sum.bytes);
    Ok(true)
}

/// The folder, the text, the number of permits.
fn read_words(mut words: impl Iterator<Item = String>) -> Option<(PathBuf, Option<String>, usize)> {
    let (mut folder, mut find, mut at_once) = (PathBuf::from("."), None, 32);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--find" => find = Some(words.next().filter(|text| !text.is_empty())?),
            "--at-once" => at_once = words.next()?.parse().ok().filter(|count| (1..=10_000).contains(count))?,
            _ if word.starts_with("--") => return None,
            _ => folder = PathBuf::from(word),
        }
    }
    Some((folder, find, at_once))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_demo = words == ["--demo"];
    let asked = if is_demo { read_words(std::iter::empty()) } else { read_words(words.iter().cloned()) };
    let Some((folder, find, at_once)) = asked else {
        eprintln!("{USAGE}");
        return if words == ["--help"] { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    let outcome = Runtime::new().and_then(|runtime| {
        runtime.block_on(async { if is_demo { demo().await } else { run(folder, find, at_once).await } })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("du: {error}");
            ExitCode::FAILURE
        }
    }
}
