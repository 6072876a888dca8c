//! monoio's closures that block, and its files. It has no child processes.
//!
//! On its epoll driver, which is the one that races here, its files are read and written on the loop's own thread, which
//! blocks meanwhile: fast while all is in memory, and nobody else's turn when it is not.

#![allow(unsafe_code, reason = "its futures are not `Send`")]

use crate::benches::common::doors::{Blocking, Files};
use crate::kit::Here;
use monoio::fs::{self, File};
use std::future::Future;
use std::io;
use std::mem;
use std::path::Path;

/// Both, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = monoio::spawn_blocking(job);
        // SAFETY: this runtime has one thread, and a workload waits for its jobs in tasks only.
        unsafe { Here::new(async move { job.await.expect("its pool takes it") }) }
    }
}

impl Files for Doors {
    type File = Here<File>;

    fn read_whole(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        // SAFETY: this runtime has one thread, and a workload uses its files in tasks only.
        unsafe { Here::new(fs::read(path)) }
    }

    fn open_and_read(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        // It reads to the end of a file in no other way.
        Self::read_whole(path)
    }

    fn open(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send {
        // SAFETY: as in `read_whole`.
        let open = async move { Ok(unsafe { Here::new(File::open(path).await?) }) };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(open) }
    }

    fn create(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send {
        // SAFETY: as in `read_whole`.
        let create = async move { Ok(unsafe { Here::new(File::create(path).await?) }) };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(create) }
    }

    fn read(file: &mut Self::File, into: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<usize>> + Send {
        let read = async move {
            let (result, buffer) = file.get().read_at(mem::take(into), place).await;
            *into = buffer;
            result
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(read) }
    }

    fn write(file: &mut Self::File, from: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<()>> + Send {
        let write = async move {
            let (result, buffer) = file.get().write_all_at(mem::take(from), place).await;
            *from = buffer;
            result
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(write) }
    }

    fn sync(file: &mut Self::File) -> impl Future<Output = io::Result<()>> + Send {
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(async { file.get().sync_all().await }) }
    }
}
