//! Whole files at once: of every length, in memory and not, on file systems that answer and that refuse.

use super::kit::{Folder, bytes, everywhere, opened};
use crate::runtimes;
use mainspring::fs;
use mainspring::runtime::Builder;
use std::future::poll_fn;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

#[test]
fn files_of_every_length_are_read_whole_wherever_they_lie() {
    // The second is in memory and refuses to be asked; where it is not there, the disk serves twice.
    let places = [Path::new(env!("CARGO_TARGET_TMPDIR")), Path::new("/dev/shm")];
    for place in places.into_iter().filter(|place| place.is_dir()) {
        let folder = Folder::below(place);
        for (_, runtime) in runtimes() {
            runtime.block_on(async {
                for len in [0, 1, 31, 4_095, 4_096, 4_097, 65_536, 262_143, 262_144, 262_145, 3_000_000] {
                    let path = folder.with("file", bytes(len));
                    for _ in 0..2 {
                        assert!(fs::read(&path).await.unwrap() == bytes(len), "{len} bytes in {}", place.display());
                    }
                    for inline in [true, false] {
                        let mut all = b"before".to_vec();
                        assert_eq!(opened(&path, inline).await.read_to_end(&mut all).await.unwrap(), len);
                        assert!(all[..6] == *b"before" && all[6..] == bytes(len));
                    }
                    fs::write(folder.at("copy"), bytes(len)).await.unwrap();
                    assert!(std::fs::read(folder.at("copy")).unwrap() == bytes(len));
                }
            });
        }
    }
}

#[test]
fn files_that_do_not_know_their_length_are_read_whole() {
    everywhere(|inline| async move {
        let status = fs::read_to_string("/proc/self/status").await.unwrap();
        assert!(status.contains("Threads:"));
        let mut all = Vec::new();
        opened(Path::new("/proc/self/status"), inline).await.read_to_end(&mut all).await.unwrap();
        assert!(all.starts_with(b"Name:"));
    });
}

#[test]
fn a_file_that_is_not_in_memory_is_read_as_well() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("cold", bytes(1_000_000));
        let chill = || {
            let file = std::fs::File::open(&path).unwrap();
            file.sync_all().unwrap();
            let mut dd = std::process::Command::new("dd");
            dd.arg(format!("if={}", path.display())).args(["iflag=nocache", "count=0"]);
            dd.output().is_ok_and(|output| output.status.success())
        };
        println!("out of memory: {}", chill());
        assert!(fs::read(&path).await.unwrap() == bytes(1_000_000));
        chill();
        let file = opened(&path, inline).await;
        let mut piece = vec![0; 10_000];
        for n in 0..100 {
            file.read_exact(&mut piece).await.unwrap();
            assert!(piece[..] == bytes(1_000_000)[n * 10_000..][..10_000]);
        }
    });
}

#[test]
fn fsx_01_a_file_that_is_replaced_while_it_is_read_is_read_as_one_or_the_other_and_whole() {
    let folder = Folder::new();
    // In whole blocks, and not: how the end is found differs.
    for (one, other) in [(4_096, 12_288), (100, 5_000), (12_288, 4_096), (512, 0)] {
        let path = folder.with("file", vec![1; one]);
        let (spare, stop) = (folder.at("spare"), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| {
                let mut turn = false;
                while !stop.load(Ordering::Relaxed) {
                    turn = !turn;
                    std::fs::write(&spare, if turn { vec![2; other] } else { vec![1; one] }).unwrap();
                    std::fs::rename(&spare, &path).unwrap();
                }
            });
            let is_one_of_them = |all: Vec<u8>| all == vec![1; one] || all == vec![2; other];
            Builder::new_current_thread().build().unwrap().block_on(async {
                for _ in 0..500 {
                    assert!(is_one_of_them(fs::read(&path).await.unwrap()));
                    let mut all = Vec::new();
                    opened(&path, true).await.read_to_end(&mut all).await.unwrap();
                    assert!(is_one_of_them(all));
                }
            });
            stop.store(true, Ordering::Relaxed);
            swapping.join().unwrap();
        });
    }
}

#[test]
fn fsx_01_the_rest_of_a_small_file_is_read_from_wherever_the_cursor_is() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        for len in [0, 100, 4_096, 8_192] {
            let path = folder.with("file", bytes(len));
            fs::read(&path).await.unwrap();
            for from in [0, 1, len / 2, len, len + 7] {
                let file = opened(&path, inline).await;
                file.seek(std::io::SeekFrom::Start(from as u64)).await.unwrap();
                let mut rest = Vec::new();
                let count = file.read_to_end(&mut rest).await.unwrap();
                assert!(rest == bytes(len)[from.min(len)..], "from {from} of {len}");
                assert_eq!(count, rest.len());
                // And what is added is read the next time.
                let mut more = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                std::io::Write::write_all(&mut more, b"more").unwrap();
                assert_eq!(
                    file.read_to_end(&mut rest).await.unwrap(),
                    if from > len { len + 4 - (len + 4).min(from) } else { 4 }
                );
                std::fs::write(&path, bytes(len)).unwrap();
            }
        }
    });
}

#[test]
fn opening_a_pipe_waits_for_its_other_end_and_disturbs_nobody() {
    let folder = Folder::new();
    let pipe = folder.with_pipe("pipe");
    let runtime = Builder::new_current_thread().build().unwrap();
    for _ in 0..50 {
        let path = pipe.clone();
        // Comes and goes as `echo text > pipe` does: opened by nobody for a moment, it would fail here.
        let writer = std::thread::spawn(move || std::fs::write(path, "through the pipe"));
        assert_eq!(runtime.block_on(async { fs::read_to_string(&pipe).await.unwrap() }), "through the pipe");
        writer.join().unwrap().unwrap();
    }
}

/// A folder from which files were read, so that the next is expected to be one.
async fn trusted() -> Folder {
    let folder = Folder::new();
    for name in ["one", "two", "three"] {
        assert_eq!(fs::read(folder.with(name, name)).await.unwrap(), name.as_bytes());
    }
    folder
}

#[test]
fn a_pipe_where_a_file_was_expected_is_read_to_its_end_and_nobody_is_let_go() {
    for (_, runtime) in runtimes().filter(|(name, _)| *name != "simulated") {
        runtime.block_on(async {
            for writer_is_first in [true, false] {
                let folder = trusted().await;
                let pipe = folder.with_pipe("pipe");
                // The second time it is known that there are pipes.
                for _ in 0..2 {
                    let mut reading = pin!(fs::read(&pipe));
                    if !writer_is_first {
                        let polled = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
                        assert!(polled.is_pending(), "nobody has written");
                    }
                    let (path, (tell, told)) = (pipe.clone(), std::sync::mpsc::channel());
                    let writer = std::thread::spawn(move || {
                        tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
                        let mut end = std::fs::OpenOptions::new().write(true).open(path)?;
                        for _ in 0..3 {
                            end.write_all(&[7; 100_000])?;
                            std::thread::yield_now();
                        }
                        Ok::<(), std::io::Error>(())
                    });
                    if writer_is_first {
                        // It waits in the system for somebody who reads.
                        let stat = Path::new("/proc").join(told.recv().unwrap()).join("stat");
                        while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {}
                    }
                    assert!(reading.await.unwrap() == [7; 300_000]);
                    writer.join().unwrap().unwrap();
                    assert_eq!(fs::read(folder.at("two")).await.unwrap(), b"two");
                }
            }
        });
    }
}

#[test]
fn whatever_else_lies_where_a_file_was_expected_is_what_it_is_for_std() {
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            for target in ["/proc/self/status", "/dev/null", "/", "/nowhere/at/all"] {
                let folder = trusted().await;
                std::os::unix::fs::symlink(target, folder.at("link")).unwrap();
                for _ in 0..2 {
                    let (ours, std) = (fs::read(folder.at("link")).await, std::fs::read(folder.at("link")));
                    let shape = |result: std::io::Result<Vec<u8>>| {
                        result.map(|all| all.is_empty()).map_err(|error| error.kind())
                    };
                    assert_eq!(shape(ours), shape(std), "{target}");
                    assert_eq!(fs::read(folder.at("one")).await.unwrap(), b"one");
                }
            }
            let folder = trusted().await;
            std::fs::remove_file(folder.at("one")).unwrap();
            assert_eq!(fs::read(folder.at("one")).await.unwrap_err().kind(), ErrorKind::NotFound);
            std::fs::rename(folder.with("longer", bytes(10_000)), folder.at("two")).unwrap();
            assert!(fs::read(folder.at("two")).await.unwrap() == bytes(10_000), "another file of the name");
            std::fs::write(folder.at("three"), b"").unwrap();
            assert!(fs::read(folder.at("three")).await.unwrap().is_empty());
        });
    }
}

#[test]
fn an_opened_file_is_blocking_and_closed_on_exec_as_one_of_std_is() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("text", "x");
        for _ in 0..2 {
            let ours = opened(&path, inline).await.into_std().await.unwrap();
            let flags = |file: &std::fs::File| {
                let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
                info.lines().find(|line| line.starts_with("flags:")).unwrap().to_owned()
            };
            assert_eq!(flags(&ours), flags(&std::fs::File::open(&path).unwrap()));
        }
    });
}

#[test]
fn reading_from_memory_lets_others_run() {
    let folder = Folder::new();
    let path = folder.with("large", bytes(8 << 20));
    for inline in [true, false] {
        for (name, runtime) in runtimes() {
            let mut polls = 0;
            runtime.block_on(async {
                fs::read(&path).await.unwrap(); // so that the file system is known
                let mut reading = pin!(async {
                    let file = opened(&path, inline).await;
                    let mut piece = vec![0; 64 << 10];
                    while file.read(&mut piece).await.unwrap() > 0 {}
                });
                poll_fn(|cx| {
                    polls += 1;
                    reading.as_mut().poll(cx)
                })
                .await;
            });
            assert!(polls >= 32, "{name}: 8 MiB at 256 KiB a poll, in {polls} polls");
        }
    }
}

#[test]
#[should_panic(expected = "needs a runtime")]
fn outside_a_runtime_it_says_what_to_do() {
    let mut read = fs::batch(|| Ok(()));
    let _ = crate::poll_with(&mut read, std::task::Waker::noop());
}
