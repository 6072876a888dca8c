//! FSX-06: errors are std's. FSX-07: many opens at once, and no descriptors left.

#![allow(unsafe_code, reason = "limits and users of a child process")]

use super::kit::{Folder, narrow};
use crate::{builders, in_child, runtimes};
use mainspring::fs::{self, File, OpenOptions};
use mainspring::spawn;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

fn same<A, B>(what: &str, path: &Path, ours: io::Result<A>, std: io::Result<B>) {
    let (ours, std) = (ours.map(drop).map_err(|e| (e.kind(), e.raw_os_error())), std.map(drop));
    assert_eq!(ours, std.map_err(|e| (e.kind(), e.raw_os_error())), "{what} {}", path.display());
}

async fn compare(path: &Path, inline: bool) {
    let mut read = OpenOptions::new();
    read.read(true).inline(inline);
    same("open", path, read.open(path).await, std::fs::File::open(path));
    same("read", path, fs::read(path).await, std::fs::read(path));
    same("read_to_string", path, fs::read_to_string(path).await, std::fs::read_to_string(path));
    let mut std_write = std::fs::OpenOptions::new();
    same("append", path, OpenOptions::new().append(true).open(path).await, std_write.append(true).open(path));
    same("metadata", path, fs::metadata(path).await, std::fs::metadata(path));
    same("symlink_metadata", path, fs::symlink_metadata(path).await, std::fs::symlink_metadata(path));
    same("canonicalize", path, fs::canonicalize(path).await, std::fs::canonicalize(path));
    same("read_link", path, fs::read_link(path).await, std::fs::read_link(path));
    same("read_dir", path, fs::read_dir(path).await, std::fs::read_dir(path));
    same("try_exists", path, fs::try_exists(path).await, std::fs::exists(path));
    same("create_dir", path, fs::create_dir(path.join("x/y")).await, std::fs::create_dir(path.join("x/y")));
    same("remove_dir", path, fs::remove_dir(path.join("x")).await, std::fs::remove_dir(path.join("x")));
    same("rename", path, fs::rename(path.join("x"), "/y").await, std::fs::rename(path.join("x"), "/y"));
    same("copy", path, fs::copy(path.join("x"), "/y").await, std::fs::copy(path.join("x"), "/y"));
}

#[test]
fn fsx_06_errors_are_those_of_std() {
    let folder = Folder::new();
    let (one, other) = (folder.at("one"), folder.at("other"));
    std::os::unix::fs::symlink(&one, &other).unwrap();
    std::os::unix::fs::symlink(&other, &one).unwrap();
    std::os::unix::fs::symlink(folder.at("nowhere"), folder.at("dangling")).unwrap();
    let text = folder.with("text", "fine");
    let paths: Vec<PathBuf> = vec![
        text.clone(),
        text.join("below a file"),
        folder.with("no text", [0xff, 0xfe]),
        folder.at("missing"),
        folder.at("missing too/deep"),
        folder.path().to_owned(),
        one,
        folder.at("dangling"),
        folder.at(&"long".repeat(100)),
        folder.path().join(OsStr::from_bytes(b"a\0b")),
        PathBuf::new(),
    ];
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            for path in &paths {
                compare(path, true).await;
                compare(path, false).await;
            }
            let kind = |result: io::Result<Vec<u8>>| result.unwrap_err().kind();
            assert_eq!(kind(fs::read(&paths[1]).await), ErrorKind::NotADirectory);
            assert_eq!(kind(fs::read(&paths[3]).await), ErrorKind::NotFound);
            assert_eq!(kind(fs::read(&paths[5]).await), ErrorKind::IsADirectory);
            assert_eq!(kind(fs::read(&paths[9]).await), ErrorKind::InvalidInput);
        });
    }
}

#[test]
fn fsx_06_what_a_file_was_not_opened_for_is_denied() {
    let folder = Folder::new();
    let path = folder.with("text", "fine");
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let reader = File::open(&path).await.unwrap();
            assert_eq!(reader.write(b"x").await.unwrap_err().raw_os_error(), Some(libc::EBADF));
            let writer = OpenOptions::new().write(true).open(&path).await.unwrap();
            assert_eq!(writer.read(&mut [0; 8]).await.unwrap_err().raw_os_error(), Some(libc::EBADF));
            let mut all = Vec::new();
            assert_eq!(writer.read_to_end(&mut all).await.unwrap_err().raw_os_error(), Some(libc::EBADF));
            let error = reader.read_exact(&mut [0; 5]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(File::create_new(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(reader.seek(io::SeekFrom::Current(-9)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(reader.read_at(&mut [0; 8], u64::MAX).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            let nothing = OpenOptions::new().open(&path).await.unwrap_err();
            assert_eq!(nothing.kind(), std::fs::OpenOptions::new().open(&path).unwrap_err().kind());
        });
    }
}

#[test]
fn fsx_06_what_may_not_be_read_is_denied() {
    in_child(|| {
        let path = Path::new("/etc/shadow");
        // Root may read everything, so this child becomes nobody; who is not root may not read that file either.
        // SAFETY: it takes an integer, and no other thread of this child cares who it is.
        let _ = unsafe { libc::setuid(65_534) };
        for (_, runtime) in runtimes() {
            runtime.block_on(async {
                let std = std::fs::read(path).unwrap_err().kind();
                if path.exists() {
                    assert_eq!(std, ErrorKind::PermissionDenied);
                }
                assert_eq!(fs::read(path).await.unwrap_err().kind(), std);
                assert_eq!(File::open(path).await.unwrap_err().kind(), std);
            });
        }
    });
}

#[test]
fn fsx_07_ten_thousand_opens_at_once_all_end_on_four_threads() {
    let folder = Folder::new();
    let path = folder.with("text", "fine");
    for (name, builder) in builders() {
        let runtime = builder.max_blocking_threads(4).build().unwrap();
        let good = runtime.block_on(async {
            let open = |n: usize| {
                let path = path.clone();
                // Every other one by the pool, whatever the file system says.
                spawn(async move {
                    let file = OpenOptions::new().read(true).inline(n.is_multiple_of(2)).open(path).await?;
                    file.read(&mut [0; 4]).await
                })
            };
            let mut good = 0;
            for task in (0..10_000).map(open).collect::<Vec<_>>() {
                good += usize::from(matches!(task.await.unwrap(), Ok(4)));
            }
            good
        });
        assert_eq!(good, 10_000, "{name}");
    }
}

#[test]
fn fsx_07_without_descriptors_an_open_is_an_error_and_none_is_lost() {
    in_child(|| {
        let folder = Folder::new();
        let path = folder.with("text", "fine");
        let limit = libc::rlimit { rlim_cur: 200, rlim_max: 200 };
        // SAFETY: it reads the struct, which lives across the call. This process has that limit to itself.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        let runtime = narrow();
        runtime.block_on(async {
            let open_fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
            let before = open_fds();
            for inline in [true, false] {
                let mut files = Vec::new();
                let error = loop {
                    match OpenOptions::new().read(true).inline(inline).open(&path).await {
                        Ok(file) => files.push(file),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                assert!(files.len() > 150);
                assert_eq!(fs::read(&path).await.unwrap_err().raw_os_error(), Some(libc::EMFILE));
                drop(files);
                assert_eq!(fs::read(&path).await.unwrap(), b"fine");
                assert_eq!(open_fds(), before);
            }
        });
    });
}
