//! Turns at the cursor, many tasks at one file, and what a drop leaves behind. FSX-01, FSX-02.

use super::kit::{Folder, bytes, everywhere, fresh, opened};
use mainspring::fs::{self, File, OpenOptions};
use mainspring::runtime::Builder;
use mainspring::spawn;
use std::io::{IoSliceMut, Read as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

#[test]
fn fsx_01_what_one_task_writes_another_reads() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.at("shared");
        let file = Arc::new(fresh(&path, inline).await);
        let writer = file.clone();
        spawn(async move { writer.write_all(&bytes(1_000_000)).await.unwrap() }).await.unwrap();
        let reader = file.clone();
        let read = spawn(async move {
            reader.seek(SeekFrom::Start(0)).await.unwrap();
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            all
        });
        assert!(read.await.unwrap() == bytes(1_000_000));
    });
}

#[test]
fn fsx_01_whole_writes_of_many_tasks_never_mix() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let file = Arc::new(fresh(&folder.at("lines"), inline).await);
        // Longer than one job takes, so that each has several steps.
        const LEN: usize = 300 * 1024;
        let write = |n: u8| {
            let file = file.clone();
            spawn(async move { file.write_all(&vec![n; LEN]).await.unwrap() })
        };
        for task in (0..8).map(write).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let all = std::fs::read(folder.at("lines")).unwrap();
        let mut seen: Vec<u8> = all.chunks(LEN).map(|chunk| chunk[0]).collect();
        assert!(all.len() == 8 * LEN && all.chunks(LEN).all(|chunk| chunk.iter().all(|&byte| byte == chunk[0])));
        seen.sort_unstable();
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    });
}

#[test]
fn fsx_01_readers_of_one_file_share_it_out_without_gap_or_overlap() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("numbers", (0..10_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let file = Arc::new(opened(&path, inline).await);
        let read = || {
            let file = file.clone();
            spawn(async move {
                let (mut seen, mut buf) = (Vec::new(), [0; 400]);
                while file.read(&mut buf).await.unwrap() == buf.len() {
                    seen.push(u32::from_le_bytes(buf[..4].try_into().unwrap()));
                }
                seen
            })
        };
        let mut seen = Vec::new();
        for task in (0..4).map(|_| read()).collect::<Vec<_>>() {
            seen.extend(task.await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10_000).step_by(100).collect::<Vec<_>>());
    });
}

#[test]
fn fsx_02_what_was_written_is_there_after_the_drop_and_the_shutdown() {
    for inline in [true, false] {
        for (name, runtime) in crate::runtimes() {
            let folder = Folder::new();
            let path = folder.at("kept");
            runtime.block_on(async {
                let file = fresh(&path, inline).await;
                file.write_all(&bytes(700_000)).await.unwrap();
            });
            assert!(std::fs::read(&path).unwrap() == bytes(700_000), "{name}: before the shutdown already");
            drop(runtime);
            assert!(std::fs::read(&path).unwrap() == bytes(700_000), "{name}");
        }
    }
}

#[test]
fn a_shutdown_waits_for_a_write_that_has_begun() {
    let folder = Folder::new();
    let fifo = folder.with_pipe("pipe");
    let reader = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let writer = Arc::new(OpenOptions::new().write(true).open(&fifo).await.unwrap());
        let task = writer.clone();
        // More than a pipe holds: the job sleeps until somebody reads.
        let _detached = spawn(async move { task.write_all(&bytes(200_000)).await });
        // Once there is something to read the job has begun, and a shutdown cannot take it back.
        crate::until(|| (&reader).read(&mut [0; 1]).is_ok_and(|count| count == 1)).await;
    });
    let drained = std::thread::spawn(move || {
        let (mut all, mut buf) = (bytes(1), vec![0; 65_536]);
        loop {
            match (&reader).read(&mut buf) {
                Ok(0) => break, // the writer is gone
                Ok(count) => all.extend_from_slice(&buf[..count]),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
        all
    });
    let report = runtime.shutdown_timeout(crate::PATIENCE);
    assert!(report.is_complete(), "{report}");
    assert!(drained.join().unwrap() == bytes(200_000), "the job's copy is whole, and all of it went through");
}

#[test]
fn a_read_of_several_buffers_skips_the_empty_ones() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let file = opened(&folder.with("text", "abcdef"), inline).await;
        let (mut none, mut two, mut rest) = ([], [0; 2], [0; 9]);
        let mut bufs = [IoSliceMut::new(&mut none), IoSliceMut::new(&mut two), IoSliceMut::new(&mut rest)];
        assert_eq!(file.read_vectored(&mut bufs).await.unwrap(), 6);
        assert_eq!((&two, &rest[..4]), (b"ab", &b"cdef"[..]));
        assert_eq!(file.read(&mut []).await.unwrap(), 0);
        assert_eq!(file.write(&[]).await.unwrap(), 0);
    });
}

#[test]
fn a_file_changes_hands_with_std_where_its_cursor_stands() {
    everywhere(|_| async move {
        let folder = Folder::new();
        let mut std = std::fs::File::open(folder.with("text", "0123456789")).unwrap();
        std.read_exact(&mut [0; 3]).unwrap();
        let file = File::from_std(std);
        let mut two = [0; 2];
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"34");
        let clone = file.try_clone().unwrap();
        clone.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"56");
        let mut rest = String::new();
        file.into_std().await.unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "789");
    });
}

#[test]
fn std_gets_a_file_that_is_not_marked_as_non_blocking() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("text", "fine");
        fs::read(&path).await.unwrap(); // from here on this file system is known
        let std = opened(&path, inline).await.into_std().await.unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&std);
        let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let octal = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        let flags = i32::from_str_radix(octal, 8).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0);
    });
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_to_where_it_ends_then() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("log", bytes(600_000));
        fs::read(&path).await.unwrap();
        let file = opened(&path, inline).await;
        let mut all = Vec::new();
        let mut reading = file.read_to_end(&mut all);
        // A poll copies 256 KiB, so it is not through.
        if crate::poll_with(&mut reading, std::task::Waker::noop()).is_pending() && inline {
            let mut more = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut more, &[7; 100_000]).unwrap();
            // All of it where it is read from memory; where a job reads, whoever comes first.
            let count = reading.await.unwrap();
            assert!((600_000..=700_000).contains(&count), "{count}");
            assert_eq!(all.len(), count);
        } else {
            assert_eq!(reading.await.unwrap(), 600_000);
        }
        assert!(all[..600_000] == bytes(600_000));
        let mut again = vec![1];
        assert_eq!(file.read_to_end(&mut again).await.unwrap(), 0);
        assert_eq!(again, [1], "at the end there is nothing, and what was there stays");
    });
}

#[test]
fn a_copied_file_can_be_told_to_be_read_by_the_pool_alone() {
    let folder = Folder::new();
    let path = folder.with("text", vec![1; 100]);
    let runtime = super::kit::narrow();
    let gate = runtime.handle().spawn_blocking(|| ());
    runtime.block_on(gate).unwrap();
    // The one thread is busy until the sender goes: what needs it cannot be ready.
    let (open, closed) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let (fast, slow) = (opened(&path, true).await, opened(&path, false).await);
        let busy = mainspring::task::spawn_blocking(move || closed.recv());
        let (mut one, mut other) = ([0; 10], [0; 10]);
        let mut waiting = slow.read(&mut other);
        let waker = std::task::Waker::noop();
        assert!(crate::poll_with(&mut waiting, waker).is_pending());
        // Where the file system answers, this one needs no thread.
        let answers = crate::poll_with(&mut fast.read(&mut one), waker).is_ready();
        println!("this file system answers from memory: {answers}");
        drop(open);
        let _ = busy.await.unwrap();
        assert_eq!(waiting.await.unwrap(), 10);
        if cfg!(mainspring_plain) {
            assert!(!answers, "the fallback knows no such call");
        }
    });
    assert_eq!(runtime.block_on(async { fs::read(&path).await.unwrap().len() }), 100);
}
