//! A place on a disk, and the files that questions about files are put with.
//!
//! They are made once for all measurements of a run, since making them takes longer than reading them: the parent keeps
//! the folder, and each child finds in it what it needs or makes it. It lies beside the binary, which is on a disk; what is
//! in `/tmp` may be in memory, where nothing answers without waiting.

#![allow(unsafe_code, reason = "asking a file system whether it answers without waiting is a system call")]

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Tells a child where the folder of the run is.
const FOLDER_VARIABLE: &str = "BENCH_FOLDER";

/// Files are made and read in pieces of so many bytes.
pub(crate) const PIECE: usize = 64 * 1024;

/// A folder that is gone with all that is in it when this is dropped, by whoever made it.
pub(crate) struct Folder {
    path: PathBuf,
    /// Made by this process, and removed by it.
    is_ours: bool,
}

impl Folder {
    /// That of the run, or else a new one.
    pub(crate) fn of_the_run() -> io::Result<Self> {
        if let Some(path) = env::var_os(FOLDER_VARIABLE) {
            return Ok(Self { path: path.into(), is_ours: false });
        }
        let program = env::current_exe()?;
        let beside = program.parent().unwrap_or(Path::new("."));
        let path = beside.join(format!("bench-files-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path, is_ours: true })
    }

    /// What a child must find in its environment to use this one.
    pub(crate) fn for_child(&self) -> (&'static str, &Path) {
        (FOLDER_VARIABLE, &self.path)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file of so many pieces, none of them zeroes, on the disk and in memory.
    pub(crate) fn of_pieces(&self, pieces: usize) -> io::Result<PathBuf> {
        let path = self.at(&format!("{pieces}-pieces"));
        if fs::metadata(&path).is_ok_and(|about| about.len() == (pieces * PIECE) as u64) {
            return Ok(path);
        }
        let mut file = File::create(&path)?;
        (0..pieces).try_for_each(|piece| file.write_all(&vec![piece as u8 | 1; PIECE]))?;
        file.sync_all()?;
        Ok(path)
    }

    /// So many files of so many bytes, on the disk and in memory.
    pub(crate) fn of_files(&self, files: usize, bytes: usize) -> io::Result<Vec<PathBuf>> {
        let folder = self.at(&format!("{files}-files"));
        let paths = (0..files).map(|file| folder.join(file.to_string())).collect();
        let done = folder.join("done");
        if !done.exists() {
            fs::create_dir_all(&folder)?;
            for path in &paths {
                fs::write(path, vec![1; bytes])?;
            }
            File::open(&folder)?.sync_all()?;
            File::create(done)?.sync_all()?;
        }
        Ok(paths)
    }

    /// Says so if this file system does not answer reads from memory without waiting, as tmpfs and overlayfs do not: then
    /// the rows about files compare thread pools, ours too.
    pub(crate) fn refusal(&self) -> Option<String> {
        let path = self.at("probe");
        let tried = fs::write(&path, "x").and_then(|()| read_without_waiting(&File::open(&path)?));
        let refused = tried.err().filter(|error| error.kind() != io::ErrorKind::WouldBlock)?;
        let at = self.path.display();
        Some(format!(
            "{at} is on a file system that answers no read without waiting ({refused}): files go to threads here."
        ))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours {
            // What is left behind is left in the target folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(target_os = "linux")]
fn read_without_waiting(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let mut byte = 0_u8;
    let piece = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the descriptor is open, and the one piece is a byte that lives across the call.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const piece, 1, 0, libc::RWF_NOWAIT) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn read_without_waiting(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
