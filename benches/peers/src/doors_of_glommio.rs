//! glommio's closures that block, and its buffered files. It has no child processes.
//!
//! Its files for direct I/O go around the kernel's cache, so they cannot answer questions about it. A buffered write takes a
//! vector and does not give it back: each piece is a copy.

#![allow(unsafe_code, reason = "its futures are not `Send`")]

use crate::benches::common::doors::{Blocking, Files};
use crate::kit::Here;
use glommio::io::BufferedFile;
use std::future::Future;
use std::io;
use std::path::Path;

/// Both, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let executor = glommio::executor();
        // It hands the closure over when it is polled, so this makes a task of it.
        let job = glommio::spawn_local(async move { executor.spawn_blocking(job).await });
        // SAFETY: this runtime has one thread, and a workload waits for its jobs in tasks only.
        unsafe { Here::new(job) }
    }
}

impl Files for Doors {
    type File = Here<BufferedFile>;

    fn read_whole(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        let read = async move {
            let file = BufferedFile::open(path).await?;
            let size = usize::try_from(file.file_size().await?).expect("it fits into memory");
            let read = file.read_at(0, size).await?;
            file.close().await?;
            Ok(read.to_vec())
        };
        // SAFETY: this runtime has one thread, and a workload uses its files in tasks only.
        unsafe { Here::new(read) }
    }

    fn open_and_read(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        Self::read_whole(path)
    }

    fn open(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send {
        // SAFETY: as in `read_whole`.
        let open = async move { Ok(unsafe { Here::new(BufferedFile::open(path).await?) }) };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(open) }
    }

    fn create(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send {
        // SAFETY: as in `read_whole`.
        let create = async move { Ok(unsafe { Here::new(BufferedFile::create(path).await?) }) };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(create) }
    }

    fn read(file: &mut Self::File, into: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<usize>> + Send {
        let read = async move {
            // Its result is a buffer of its own, which whoever reads uses as it is.
            let read = file.get().read_at(place, into.len()).await?;
            Ok(read.len())
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(read) }
    }

    fn write(file: &mut Self::File, from: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<()>> + Send {
        let write = async move {
            let written = file.get().write_at(from.clone(), place).await?;
            assert_eq!(written, from.len(), "a disk that is not full takes all of it");
            Ok(())
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(write) }
    }

    fn sync(file: &mut Self::File) -> impl Future<Output = io::Result<()>> + Send {
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(async { Ok(file.get().fdatasync().await?) }) }
    }
}
