//! FSX-04: an operation given up at any poll leaves a cursor where the documentation says, and touches no buffer.

use super::kit::{Folder, bytes, everywhere, fresh, narrow, opened};
use crate::poll_with;
use mainspring::fs::{self, OpenOptions};
use mainspring::task::spawn_blocking;
use std::sync::mpsc;
use std::task::Waker;

/// Keeps the pool's one thread until the sender is dropped.
async fn hold() -> mpsc::Sender<()> {
    let (open, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    drop(spawn_blocking(move || {
        begun.send(()).unwrap();
        let _ = gate.recv();
    }));
    has_begun.recv_timeout(crate::PATIENCE).unwrap();
    open
}

fn with_one_thread<F: Future>(test: impl FnOnce() -> F) {
    narrow().block_on(test());
}

#[test]
fn fsx_04_a_read_given_up_at_any_poll_moves_nothing() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("numbers", bytes(5_000));
        let file = opened(&path, inline).await;
        let mut at = 0;
        for round in 0..40 {
            let mut buf = [0xee; 100];
            let mut read = file.read(&mut buf);
            let done = (0..round % 4).any(|_| poll_with(&mut read, Waker::noop()).is_ready());
            if round % 3 == 0 && !done {
                // The job runs, ends, and finds its result unwanted.
                for _ in 0..50 {
                    mainspring::task::yield_now().await;
                }
            }
            drop(read);
            if done {
                assert!(buf[..] == bytes(5_000)[at..at + 100]);
                at += 100;
            } else {
                assert_eq!(buf, [0xee; 100], "only the poll that is ready writes");
            }
            assert_eq!(file.stream_position().await.unwrap(), at as u64, "round {round}");
        }
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert!(rest[..] == bytes(5_000)[at..]);
    });
}

#[test]
fn fsx_04_a_read_whose_job_has_ended_unseen_is_undone() {
    with_one_thread(|| async {
        let folder = Folder::new();
        let file = opened(&folder.with("text", "abcdef"), false).await;
        let mut buf = [0; 3];
        let mut read = file.read(&mut buf);
        let open = hold().await;
        assert!(poll_with(&mut read, Waker::noop()).is_pending());
        drop(open);
        spawn_blocking(|| ()).await.unwrap(); // behind it, on the same thread
        drop(read);
        assert_eq!(buf, [0; 3]);
        file.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"abc");
    });
}

#[test]
fn fsx_04_what_has_not_begun_never_happens() {
    with_one_thread(|| async {
        let folder = Folder::new();
        let file = fresh(&folder.at("text"), false).await;
        let open = hold().await;
        let mut write = file.write_all(b"never");
        assert!(poll_with(&mut write, Waker::noop()).is_pending());
        drop(write);
        let made = folder.at("never");
        let mut create = fs::create_dir(&made);
        assert!(poll_with(&mut create, Waker::noop()).is_pending());
        drop(create);
        drop(open);
        file.write_all(b"once").await.unwrap();
        assert_eq!(std::fs::read(folder.at("text")).unwrap(), b"once");
        assert!(!made.exists());
    });
}

#[test]
fn fsx_04_a_write_that_has_begun_goes_on_and_the_next_waits_for_it() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.at("text");
        let file = fresh(&path, inline).await;
        for round in 0..20_usize {
            let data = vec![round as u8; 1_000];
            let before = file.stream_position().await.unwrap();
            let mut write = file.write(&data);
            let polled = (0..round % 3).any(|_| poll_with(&mut write, Waker::noop()).is_ready());
            drop(write);
            drop(data); // the job has a copy
            let after = file.stream_position().await.unwrap();
            let moved = after - before;
            assert!(moved == 0 || moved == 1_000, "all or nothing of one job");
            assert!(!polled || moved == 1_000);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), after);
        }
        let all = std::fs::read(&path).unwrap();
        assert!(all.chunks(1_000).all(|chunk| chunk.len() == 1_000 && chunk.iter().all(|&byte| byte == chunk[0])));
    });
}

#[test]
fn fsx_02_the_error_of_a_write_that_nobody_waited_for_reaches_the_next_sync_or_write() {
    with_one_thread(|| async {
        let file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        let give_up = || async {
            let mut write = file.write(b"lost");
            let open = hold().await;
            assert!(poll_with(&mut write, Waker::noop()).is_pending());
            drop(open);
            spawn_blocking(|| ()).await.unwrap(); // behind it, so it has been tried
            drop(write);
        };
        give_up().await;
        assert_eq!(file.sync_all().await.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        give_up().await;
        assert_eq!(file.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        give_up().await;
        let mut sync = file.sync_all();
        let open = hold().await;
        assert!(poll_with(&mut sync, Waker::noop()).is_pending());
        drop(open);
        spawn_blocking(|| ()).await.unwrap();
        drop(sync);
        let error = file.sync_all().await.expect_err("nobody has heard what the first one found");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        give_up().await;
        assert_eq!(file.into_std().await.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    });
}

#[test]
fn fsx_04_who_leaves_the_line_holds_up_nobody() {
    with_one_thread(|| async {
        let folder = Folder::new();
        let file = fresh(&folder.at("text"), false).await;
        let open = hold().await;
        let (mut first, mut second, mut third) = (file.write_all(b"1"), file.write_all(b"2"), file.write_all(b"3"));
        for write in [&mut first, &mut second, &mut third] {
            assert!(poll_with(write, Waker::noop()).is_pending());
        }
        drop(second);
        drop(open);
        first.await.unwrap();
        third.await.unwrap();
        assert_eq!(std::fs::read(folder.at("text")).unwrap(), b"13");
    });
}

#[test]
fn an_entry_given_up_comes_with_the_next_call() {
    everywhere(|_| async move {
        let folder = Folder::new();
        (0..300).for_each(|n| drop(folder.with(&n.to_string(), "")));
        let mut listing = fs::read_dir(folder.path()).await.unwrap();
        let mut names = Vec::new();
        loop {
            // Polled once and dropped; it may have an answer, or a batch under way.
            let entry = match poll_with(&mut listing.next_entry(), Waker::noop()) {
                std::task::Poll::Ready(entry) => entry.unwrap(),
                std::task::Poll::Pending => listing.next_entry().await.unwrap(),
            };
            let Some(entry) = entry else { break };
            names.push(entry.file_name().into_string().unwrap().parse::<u32>().unwrap());
        }
        names.sort_unstable();
        assert_eq!(names, (0..300).collect::<Vec<_>>());
    });
}
