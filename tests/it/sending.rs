//! `send_file` against the bytes of the file: whatever way they take, they are the same ones.

use crate::PATIENCE;
use mainspring::fs::{self, File, OpenOptions};
use mainspring::io::send_file;
use mainspring::net::{TcpListener, TcpStream, UnixStream};
use mainspring::runtime::{Builder, Runtime};
use mainspring::time::timeout;
use std::io::ErrorKind;
use std::path::PathBuf;

/// More than a piece and no multiple of one.
const LEN: usize = 1_000_003;

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(at) >> 5) as u8).collect()
}

/// A file that is gone with the test.
struct Made(PathBuf);

impl Made {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("send-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)].map(|builder| builder.build().unwrap())
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// Reads to the end of the stream.
async fn all_of(from: TcpStream) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), vec![0; 10_000]);
    while let count @ 1.. = from.read(&mut buf).await.unwrap() {
        all.extend_from_slice(&buf[..count]);
    }
    all
}

/// The file opened both ways: read on the spot where that goes, and by jobs alone.
async fn opened(made: &Made) -> [File; 2] {
    let options = |inline| OpenOptions::new().read(true).inline(inline).clone();
    [options(true).open(&made.0).await.unwrap(), options(false).open(&made.0).await.unwrap()]
}

#[test]
fn what_is_sent_is_what_is_in_the_range() {
    let content = bytes(LEN);
    let made = Made::new("ranges", &content);
    for runtime in runtimes() {
        runtime.block_on(async {
            for file in opened(&made).await {
                let (near, far) = tcp_pair().await;
                let reader = mainspring::spawn(all_of(far));
                let mut expected = Vec::new();
                for range in [0..0, 0..1, 4_095..4_097, 100_000..LEN, 0..LEN, LEN - 1..LEN, 5..5] {
                    expected.extend_from_slice(&content[range.clone()]);
                    let (start, end) = (range.start as u64, range.end as u64);
                    let sent = send_file(&file, start..end, &near).await.unwrap();
                    assert_eq!(sent, end - start);
                }
                assert_eq!(send_file(&file, .., &near).await.unwrap(), LEN as u64);
                assert_eq!(send_file(&file, 1..=2, &near).await.unwrap(), 2);
                expected.extend_from_slice(&content);
                expected.extend_from_slice(&content[1..=2]);
                drop(near);
                assert!(reader.await.unwrap() == expected);
            }
        });
    }
}

#[test]
fn a_range_beyond_the_end_is_cut_and_a_backward_one_is_empty() {
    let made = Made::new("beyond", b"short");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for file in opened(&made).await {
            let (near, far) = tcp_pair().await;
            assert_eq!(send_file(&file, 2..1_000_000, &near).await.unwrap(), 3);
            assert_eq!(send_file(&file, 5.., &near).await.unwrap(), 0);
            assert_eq!(send_file(&file, 100..200, &near).await.unwrap(), 0);
            let backward = (std::ops::Bound::Included(4), std::ops::Bound::Excluded(1));
            assert_eq!(send_file(&file, backward, &near).await.unwrap(), 0);
            drop(near);
            assert_eq!(all_of(far).await, b"ort");
        }
    });
}

#[test]
fn a_unix_stream_gets_the_same() {
    let content = bytes(LEN);
    let made = Made::new("unix", &content);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for file in opened(&made).await {
            let (near, far) = UnixStream::pair().unwrap();
            let reader = mainspring::spawn(async move {
                let mut all = vec![0; LEN];
                far.read_exact(&mut all).await.unwrap();
                all
            });
            assert_eq!(send_file(&file, 0..LEN as u64, &near).await.unwrap(), LEN as u64);
            assert!(reader.await.unwrap() == content);
        }
    });
}

#[test]
fn net_14_a_reader_that_has_stalled_stops_the_sender_and_nobody_else() {
    let content = bytes(16 << 20);
    let made = Made::new("stalled", &content);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for file in opened(&made).await {
            let (near, far) = tcp_pair().await;
            let sending = mainspring::spawn(async move { send_file(&file, .., &near).await });
            for _ in 0..1_000 {
                mainspring::task::yield_now().await;
            }
            assert!(!sending.is_finished(), "no socket takes that much");
            let all = timeout(PATIENCE, all_of(far)).await.unwrap();
            assert_eq!(sending.await.unwrap().unwrap(), content.len() as u64);
            assert!(all == content);
        }
    });
}

#[test]
fn a_peer_that_goes_away_is_an_error_and_the_file_is_as_it_was() {
    let made = Made::new("gone", &bytes(16 << 20));
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for file in opened(&made).await {
            let (near, far) = tcp_pair().await;
            drop(far);
            let error = send_file(&file, .., &near).await.unwrap_err();
            assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()), "{error}");
            assert_eq!(file.read(&mut [0; 4]).await.unwrap(), 4, "the cursor has not moved");
            let mut first = [0; 8];
            file.read_at(&mut first, 0).await.unwrap();
            assert_eq!(first, bytes(8)[..]);
        }
    });
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let made = Made::new("unreadable", b"x");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, _far) = tcp_pair().await;
        let written = OpenOptions::new().write(true).open(&made.0).await.unwrap();
        let error = send_file(&written, .., &near).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{error}");
        fs::metadata(&made.0).await.unwrap();
    });
}
