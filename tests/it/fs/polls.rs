//! The traits of futures-io: what a library sees of a file, and polls that are given up.

use super::kit::{Folder, bytes, everywhere, fresh, narrow, opened};
use mainspring::fs::{File, OpenOptions};
use mainspring::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, copy,
};
use std::future::poll_fn;
use std::io::{ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

async fn seek(file: &mut (impl AsyncSeek + Unpin), to: SeekFrom) -> std::io::Result<u64> {
    poll_fn(|cx| Pin::new(&mut *file).poll_seek(cx, to)).await
}

/// One poll of the trait, by somebody who will not come again.
fn read_once(file: &mut File, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
    Pin::new(file).poll_read(&mut Context::from_waker(Waker::noop()), buf)
}

fn write_once(file: &mut File, buf: &[u8]) -> Poll<std::io::Result<usize>> {
    Pin::new(file).poll_write(&mut Context::from_waker(Waker::noop()), buf)
}

/// With one thread for jobs, which takes them in turn.
fn narrowly<F: Future>(test: impl Fn(bool) -> F) {
    for inline in [true, false] {
        narrow().block_on(test(inline));
    }
}

/// What was begun before on the one thread comes to its end.
async fn let_jobs_end() {
    mainspring::task::spawn_blocking(|| ()).await.unwrap();
}

/// One poll that finds the one thread busy, by somebody who does not come again; its job comes to its end.
async fn give_up<T>(poll: impl FnOnce() -> Poll<T>) {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let busy = mainspring::task::spawn_blocking(move || wait.recv());
    assert!(poll().is_pending());
    drop(go);
    assert!(busy.await.unwrap().is_err());
    let_jobs_end().await;
}

#[test]
fn fsx_01_a_file_is_read_and_written_and_copied_through_the_traits() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        for len in [0, 1, 10_000, 300_000] {
            let path = folder.with("from", bytes(len));
            let (mut from, mut to) = (opened(&path, inline).await, fresh(&folder.at("to"), inline).await);
            assert_eq!(copy(&mut from, &mut to).await.unwrap(), len as u64);
            AsyncWriteExt::close(&mut to).await.unwrap();
            assert!(std::fs::read(folder.at("to")).unwrap() == bytes(len));
            let end = seek(&mut to, SeekFrom::End(0)).await.unwrap();
            assert_eq!(end, len as u64);
            assert_eq!(seek(&mut to, SeekFrom::Start(end / 2)).await.unwrap(), end / 2);
            let mut rest = Vec::new();
            AsyncReadExt::read_to_end(&mut to, &mut rest).await.unwrap();
            assert!(rest[..] == bytes(len)[len / 2..]);
        }
    });
}

#[test]
fn fsx_01_lines_and_collected_writes_go_through_a_file() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let mut log = BufWriter::new(fresh(&folder.at("log"), inline).await);
        for n in 0..1_000 {
            log.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
        }
        log.flush().await.unwrap();
        let mut lines = BufReader::new(opened(&folder.at("log"), inline).await).lines();
        let mut count = 0;
        while let Some(line) = lines.next_line().await.unwrap() {
            assert_eq!(line, format!("line {count}"));
            count += 1;
        }
        assert_eq!(count, 1_000);
        // The cursor moves under what was read ahead.
        let mut reader = BufReader::new(opened(&folder.at("log"), inline).await);
        let mut word = [0; 6];
        reader.read_exact(&mut word).await.unwrap();
        assert_eq!(seek(&mut reader, SeekFrom::Current(1)).await.unwrap(), 7);
        reader.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"line 1");
    });
}

#[test]
fn fsx_04_a_poll_that_never_comes_again_moves_no_cursor_and_holds_up_nobody() {
    narrowly(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("file", bytes(1_000));
        let mut file = opened(&path, inline).await;
        let mut at = 0;
        for round in 0..8 {
            let mut buf = [0; 100];
            let read = match read_once(&mut file, &mut buf) {
                Poll::Ready(count) => count.unwrap(),
                Poll::Pending => 0,
            };
            assert!(buf[..read] == bytes(1_000)[at..at + read]);
            at += read;
            if round % 2 == 0 {
                let_jobs_end().await;
            }
            assert_eq!(file.stream_position().await.unwrap(), at as u64, "round {round}");
            let mut next = [0; 10];
            assert_eq!(file.read(&mut next).await.unwrap(), 10);
            assert!(next == bytes(1_000)[at..at + 10]);
            at += 10;
        }
    });
}

#[test]
fn fsx_04_a_smaller_buffer_than_the_job_had_loses_nothing() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("file", bytes(1_000));
        let mut file = opened(&path, inline).await;
        let mut large = [0; 400];
        let mut seen = match read_once(&mut file, &mut large) {
            Poll::Ready(count) => large[..count.unwrap()].to_vec(),
            Poll::Pending => Vec::new(),
        };
        for size in [10, 20, 30] {
            let mut small = vec![0; size];
            AsyncReadExt::read_exact(&mut file, &mut small).await.unwrap();
            seen.extend_from_slice(&small);
        }
        // And the clone, which shares the cursor, goes on behind it.
        file.try_clone().unwrap().read_to_end(&mut seen).await.unwrap();
        assert!(seen == bytes(1_000));
    });
}

#[test]
fn fsx_04_an_end_that_was_seen_before_the_cursor_moved_is_none() {
    narrowly(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("file", bytes(100));
        let mut file = opened(&path, inline).await;
        file.seek(SeekFrom::End(0)).await.unwrap();
        let _ = read_once(&mut file, &mut [0; 10]);
        let_jobs_end().await;
        file.seek(SeekFrom::Start(50)).await.unwrap();
        let mut rest = Vec::new();
        AsyncReadExt::read_to_end(&mut file, &mut rest).await.unwrap();
        assert!(rest[..] == bytes(100)[50..]);
    });
}

#[test]
fn fsx_02_the_error_of_a_write_through_the_traits_is_told_once() {
    narrowly(|inline| async move {
        let open = || OpenOptions::new().write(true).inline(inline).open("/dev/full");
        let mut full = open().await.unwrap();
        let error = AsyncWriteExt::write_all(&mut full, b"too much").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        AsyncWriteExt::flush(&mut full).await.unwrap();
        // A write that is given up tells it to the flush, to the close, to the next write by whatever way, or to a clone.
        for way in 0..4 {
            let mut full = open().await.unwrap();
            let clone = full.try_clone().unwrap();
            give_up(|| write_once(&mut full, b"too much")).await;
            let error = match way {
                0 => AsyncWriteExt::flush(&mut full).await,
                1 => AsyncWriteExt::close(&mut full).await,
                2 => full.write_all(b"more").await,
                _ => {
                    drop(full);
                    clone.write_all(b"more").await
                }
            };
            assert_eq!(error.unwrap_err().kind(), ErrorKind::StorageFull, "way {way}");
        }
    });
}

#[test]
fn fsx_02_writes_that_were_given_up_and_others_come_in_order() {
    narrowly(|inline| async move {
        let folder = Folder::new();
        let mut file = fresh(&folder.at("file"), inline).await;
        give_up(|| write_once(&mut file, b"one ")).await;
        AsyncWriteExt::write_all(&mut file, b"two ").await.unwrap();
        file.write_all(b"three ").await.unwrap();
        give_up(|| write_once(&mut file, b"four")).await;
        // The same bytes: it is the write that was begun.
        AsyncWriteExt::write_all(&mut file, b"four").await.unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(folder.at("file")).unwrap(), "one two three four");
    });
}

#[test]
fn fsx_04_a_pipe_gives_to_the_next_what_a_poll_has_left() {
    let folder = Folder::new();
    let path = folder.with_pipe("pipe");
    narrowly(|inline| {
        let path = path.clone();
        async move {
            let mut pipe = OpenOptions::new().read(true).write(true).inline(inline).open(&path).await.unwrap();
            pipe.write_all(b"hello, pipe").await.unwrap();
            give_up(|| read_once(&mut pipe, &mut [0; 9])).await;
            let mut buf = [0; 3];
            pipe.read(&mut buf).await.unwrap();
            assert_eq!(&buf, b"hel");
            AsyncReadExt::read_exact(&mut pipe, &mut buf).await.unwrap();
            assert_eq!(&buf, b"lo,");
            let mut rest = [0; 5];
            pipe.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b" pipe");
        }
    });
}

#[test]
fn fsx_04_what_a_poll_has_left_of_a_pipe_counts_where_all_is_read() {
    let folder = Folder::new();
    let path = folder.with_pipe("pipe");
    narrowly(|inline| {
        let path = path.clone();
        async move {
            // Both ends, so that neither waits for the other to be opened; then the writing one goes.
            let both = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let mut pipe = opened(&path, inline).await;
            std::io::Write::write_all(&mut &both, b"hello, pipe").unwrap();
            give_up(|| read_once(&mut pipe, &mut [0; 6])).await;
            drop(both);
            let mut all = b"> ".to_vec();
            assert_eq!(pipe.read_to_end(&mut all).await.unwrap(), 11);
            assert_eq!(all, b"> hello, pipe");
        }
    });
}

/// A number below the limit, the next of a fixed sequence.
fn below(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % limit
}

#[test]
fn fsx_04_whatever_is_given_up_at_the_end_or_before_the_cursor_is_where_std_would_have_it() {
    const LEN: u64 = 300;
    narrowly(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("file", bytes(LEN as usize));
        let (content, mut seed) = (bytes(LEN as usize), 7);
        let mut file = opened(&path, inline).await;
        let mut place = 0_u64;
        for step in 0..600 {
            let mut buf = vec![0; below(&mut seed, 200) as usize];
            let left = &content[place.min(LEN) as usize..];
            match below(&mut seed, 6) {
                // Nobody comes again, or somebody else does: what was ready counts, and nothing else.
                0 | 1 => {
                    if let Poll::Ready(count) = read_once(&mut file, &mut buf) {
                        let count = count.unwrap();
                        assert!(buf[..count] == left[..count], "step {step}");
                        place += count as u64;
                    }
                    if below(&mut seed, 2) == 0 {
                        let_jobs_end().await;
                    }
                }
                2 => {
                    let mut read = Box::pin(file.read(&mut buf));
                    let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    drop(read);
                    if let Poll::Ready(count) = polled {
                        place += count.unwrap() as u64;
                    }
                }
                3 => {
                    let count = poll_fn(|cx| Pin::new(&mut file).poll_read(cx, &mut buf)).await.unwrap();
                    assert!(buf[..count] == left[..count], "step {step}");
                    assert_eq!(count == 0, left.is_empty() || buf.is_empty(), "step {step}: 0 is the end");
                    place += count as u64;
                }
                4 => {
                    let to = match below(&mut seed, 3) {
                        0 => SeekFrom::Start(below(&mut seed, LEN + 50)),
                        1 => SeekFrom::Current(below(&mut seed, 100) as i64 - 50),
                        _ => SeekFrom::End(below(&mut seed, 60) as i64 - 50),
                    };
                    let wanted = match to {
                        SeekFrom::Start(at) => at as i64,
                        SeekFrom::Current(by) => place as i64 + by,
                        SeekFrom::End(by) => LEN as i64 + by,
                    };
                    let got = seek(&mut file, to).await.ok();
                    assert_eq!(got, u64::try_from(wanted).ok(), "step {step}: {to:?} from {place}");
                    place = got.unwrap_or(place);
                }
                _ => assert_eq!(file.stream_position().await.unwrap(), place, "step {step}"),
            }
        }
    });
}

#[test]
fn a_buffered_file_is_read_and_moved_about_as_by_std() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let path = folder.with("file", bytes(500));
        let mut ours = BufReader::with_capacity(64, opened(&path, inline).await);
        let mut stds = std::io::BufReader::with_capacity(64, std::fs::File::open(&path).unwrap());
        let mut seed = 11;
        for step in 0..400 {
            if below(&mut seed, 2) == 0 {
                let mut wanted = vec![0; below(&mut seed, 90) as usize];
                let mut got = wanted.clone();
                let count = std::io::Read::read(&mut stds, &mut wanted).unwrap();
                let filled = ours.read_exact(&mut got[..count]).await.unwrap();
                assert!((filled, got) == (count, wanted), "step {step}");
                continue;
            }
            let to = match below(&mut seed, 8) {
                0 => SeekFrom::Current(i64::MIN),
                1 => SeekFrom::Current(i64::MAX),
                2 | 3 => SeekFrom::Start(below(&mut seed, 600)),
                4 => SeekFrom::End(below(&mut seed, 600) as i64 - 550),
                _ => SeekFrom::Current(below(&mut seed, 200) as i64 - 100),
            };
            let wanted = std::io::Seek::seek(&mut stds, to).ok();
            assert_eq!(seek(&mut ours, to).await.ok(), wanted, "step {step}: {to:?}");
        }
    });
}

#[test]
fn an_empty_buffer_is_done_at_once() {
    everywhere(|inline| async move {
        let folder = Folder::new();
        let mut file = fresh(&folder.at("file"), inline).await;
        assert!(matches!(read_once(&mut file, &mut []), Poll::Ready(Ok(0))));
        assert!(matches!(write_once(&mut file, &[]), Poll::Ready(Ok(0))));
        fn is_all<T: AsyncRead + AsyncWrite + AsyncSeek + Unpin + Send>(_: &T) {}
        is_all(&file);
    });
}
