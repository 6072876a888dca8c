//! What the tests of files have in common: folders, and the ways to do a thing.

use crate::{builders, runtimes};
use mainspring::fs::{File, OpenOptions};
use mainspring::runtime::Runtime;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, gone with all that is in it when this is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// On the disk that holds the tests themselves, which is the likeliest to answer from memory.
    pub(super) fn new() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    pub(super) fn below(place: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mainspring-fs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = place.join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these bytes.
    pub(super) fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A pipe with a name.
    pub(super) fn with_pipe(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test on every flavour, with and without tries on the caller's thread.
pub(super) fn everywhere<F: Future>(test: impl Fn(bool) -> F) {
    for inline in [true, false] {
        for (_, runtime) in runtimes() {
            runtime.block_on(test(inline));
        }
    }
}

/// A runtime with one thread for jobs.
pub(super) fn narrow() -> Runtime {
    let [(_, builder), ..] = builders();
    builder.max_blocking_threads(1).build().unwrap()
}

/// Opened for reading and writing, made and emptied, by this way.
pub(super) async fn fresh(path: &Path, inline: bool) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).inline(inline).open(path).await.unwrap()
}

/// Opened for reading by this way.
pub(super) async fn opened(path: &Path, inline: bool) -> File {
    OpenOptions::new().read(true).inline(inline).open(path).await.unwrap()
}

/// Bytes that tell where they stand.
pub(super) fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
