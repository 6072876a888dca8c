//! smol's closures that block, files and child processes: the crates `blocking`, `async-fs` and `async-process`.

use crate::benches::common::doors::{Blocking, Children, Files};
use smol::fs::{self, File};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::process::{Command, Stdio};
use std::future::Future;
use std::io;
use std::path::Path;

/// All three, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        smol::unblock(job)
    }
}

impl Children for Doors {
    async fn run(program: &'static str) -> io::Result<bool> {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().await?.success())
    }
}

impl Files for Doors {
    type File = File;

    async fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path).await
    }

    async fn open_and_read(path: &Path) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        File::open(path).await?.read_to_end(&mut buf).await?;
        Ok(buf)
    }

    async fn open(path: &Path) -> io::Result<File> {
        File::open(path).await
    }

    async fn create(path: &Path) -> io::Result<File> {
        File::create(path).await
    }

    async fn read(file: &mut File, into: &mut Vec<u8>, _: u64) -> io::Result<usize> {
        file.read(into).await
    }

    async fn write(file: &mut File, from: &mut Vec<u8>, _: u64) -> io::Result<()> {
        file.write_all(from).await
    }

    async fn sync(file: &mut File) -> io::Result<()> {
        file.flush().await?;
        file.sync_all().await
    }
}
