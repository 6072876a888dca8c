//! compio's closures that block, files and child processes.

#![allow(unsafe_code, reason = "its futures are not `Send`")]

use crate::benches::common::doors::{Blocking, Children, Files};
use crate::kit::Here;
use compio::BufResult;
use compio::fs::{self, File};
use compio::io::{AsyncReadAt as _, AsyncReadAtExt as _, AsyncWriteAtExt as _};
use compio::process::Command;
use std::future::Future;
use std::io;
use std::mem;
use std::path::Path;
use std::process::Stdio;

/// All three, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = compio::runtime::spawn_blocking(job);
        // SAFETY: this runtime has one thread, and a workload waits for its jobs in tasks only.
        unsafe { Here::new(async move { job.await.expect("the closure does not panic") }) }
    }
}

impl Children for Doors {
    fn run(program: &'static str) -> impl Future<Output = io::Result<bool>> + Send {
        let run = async move {
            let mut command = Command::new(program);
            let null = |set: Result<&mut Command, _>| set.map(drop);
            _ = null(command.stdin(Stdio::null()));
            _ = null(command.stdout(Stdio::null()));
            _ = null(command.stderr(Stdio::null()));
            Ok(command.spawn()?.wait().await?.success())
        };
        // SAFETY: this runtime has one thread, and a workload uses its children in tasks only.
        unsafe { Here::new(run) }
    }
}

impl Files for Doors {
    type File = Here<File>;

    fn read_whole(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        // SAFETY: this runtime has one thread, and a workload uses its files in tasks only.
        unsafe { Here::new(fs::read(path)) }
    }

    fn open_and_read(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
        let read = async move {
            let BufResult(result, buffer) = File::open(path).await?.read_to_end_at(Vec::new(), 0).await;
            result.map(|_| buffer)
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(read) }
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
            let mut buffer = mem::take(into);
            // It fills what is behind the vector's end.
            buffer.clear();
            let BufResult(result, buffer) = file.get().read_at(buffer, place).await;
            *into = buffer;
            result
        };
        // SAFETY: as in `read_whole`.
        unsafe { Here::new(read) }
    }

    fn write(file: &mut Self::File, from: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<()>> + Send {
        let write = async move {
            let BufResult(result, buffer) = file.get().write_all_at(mem::take(from), place).await;
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
