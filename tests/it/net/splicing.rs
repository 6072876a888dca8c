//! `splice` and `splice_bidirectional`: whatever way the bytes take, they are the same ones.

#![allow(unsafe_code, reason = "sends an urgent byte, as no safe call can")]

use super::kit::{bytes, everywhere, pair as tcp_pair};
use crate::{PATIENCE, poll_with};
use mainspring::io::{splice, splice_bidirectional};
use mainspring::join;
use mainspring::net::unix::pipe;
use mainspring::net::{TcpStream, UnixStream};
use mainspring::task::{JoinHandle, yield_now};
use mainspring::time::timeout;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::task::{Poll, Waker};

/// More than a pipe holds, and no multiple of anything.
const LEN: usize = 3_000_017;

/// A task that writes all of it, in pieces of many sizes with pauses between them, and closes.
macro_rules! feed {
    ($to:expr, $data:expr) => {{
        let (to, data) = ($to, $data);
        mainspring::spawn(async move {
            let (mut left, mut size) = (&data[..], 1);
            while !left.is_empty() {
                let piece = size.min(left.len());
                to.write_all(&left[..piece]).await.unwrap();
                left = &left[piece..];
                // From messages to bulk, and back again.
                size = if size > 400_000 { 3 } else { size * 3 };
                yield_now().await;
            }
        })
    }};
}

/// A task that reads to the end.
macro_rules! drain {
    ($from:expr) => {{
        let from = $from;
        mainspring::spawn(async move {
            let mut all = Vec::new();
            from.read_to_end(&mut all).await.unwrap();
            all
        })
    }};
}

/// Moves `LEN` bytes from the second to the third of these ends.
macro_rules! moves {
    ($source:expr, $from:expr, $to:expr, $target:expr) => {{
        let data = bytes(1, LEN);
        let (source, from, to, target) = ($source, $from, $to, $target);
        let (feeding, reading): (JoinHandle<()>, JoinHandle<Vec<u8>>) = (feed!(source, data.clone()), drain!(target));
        let count = timeout(PATIENCE, splice(&from, &to)).await.expect("it ends").unwrap();
        drop(to);
        assert_eq!(count, LEN as u64);
        feeding.await.unwrap();
        assert!(reading.await.unwrap() == data);
    }};
}

fn send_urgent(to: &TcpStream) {
    let fd = to.try_as_fd().expect("a real socket").as_raw_fd();
    // SAFETY: the descriptor is open for as long as the stream lives, and one byte is read from a literal.
    let sent = unsafe { libc::send(fd, b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
}

#[test]
fn the_same_bytes_come_out_whichever_two_are_joined() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        moves!(source, from, to, target);
        let ((source, from), (to, target)) = (tcp_pair().await, UnixStream::pair().unwrap());
        moves!(source, from, to, target);
        let ((source, from), (to, target)) = (UnixStream::pair().unwrap(), tcp_pair().await);
        moves!(source, from, to, target);
        let ((source, from), (to, target)) = (pipe::pipe().unwrap(), tcp_pair().await);
        moves!(source, from, to, target);
        // No way for the kernel alone.
        let ((source, from), (to, target)) = (tcp_pair().await, pipe::pipe().unwrap());
        moves!(source, from, to, target);
    });
}

#[test]
fn what_came_before_an_end_is_moved_and_nothing_is_an_end_too() {
    everywhere(|| async {
        for data in [bytes(1, 0), bytes(1, 1), bytes(1, 8_192), bytes(1, 8_193), bytes(1, 100_000)] {
            let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
            source.write_all(&data).await.unwrap();
            drop(source);
            assert_eq!(splice(&from, &to).await.unwrap(), data.len() as u64);
            // The writer is left open, and works.
            to.write_all(b"more").await.unwrap();
            drop(to);
            let all = drain!(target).await.unwrap();
            assert!(all[..data.len()] == data && &all[data.len()..] == b"more");
        }
    });
}

#[test]
fn nothing_is_held_back_while_the_source_is_silent() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let mut buf = vec![0; 500_000];
        // From messages to bulk, to a message: each has to come by itself.
        for (round, size) in [1, 100, 8_192, 500_000, 500_000, 7, 500_000, 8_192, 1].into_iter().enumerate() {
            let data = vec![round as u8; size];
            let (fed, come) = join!(source.write_all(&data), timeout(PATIENCE, target.read_exact(&mut buf[..size])));
            fed.unwrap();
            come.expect("it has come by itself").unwrap();
            assert!(buf[..size] == data);
        }
        drop(source);
        moving.await.unwrap().unwrap();
    });
}

#[test]
fn net_14_a_reader_that_has_stalled_stops_the_mover_and_nobody_else() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let data = bytes(1, 32 << 20);
        let feeding = feed!(source, data.clone());
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        for _ in 0..2_000 {
            yield_now().await;
        }
        assert!(!moving.is_finished() && !feeding.is_finished(), "no sockets take that much");
        assert!(timeout(PATIENCE, drain!(target)).await.unwrap().unwrap() == data);
        assert_eq!(moving.await.unwrap().unwrap(), data.len() as u64);
    });
}

#[test]
fn a_writer_that_is_gone_is_an_error() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let feeding = mainspring::spawn(async move { while source.write_all(&vec![7; 100_000]).await.is_ok() {} });
        target.read_exact(&mut vec![0; 200_000]).await.unwrap();
        drop(target);
        let error = timeout(PATIENCE, moving).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        timeout(PATIENCE, feeding).await.unwrap().unwrap();
    });
}

#[test]
fn an_urgent_byte_in_the_middle_of_bulk_stops_nothing() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let (data, mut buf) = (bytes(1, 200_000), vec![0; 200_000]);
        let (before, behind) = data.split_at(100_000);
        source.write_all(before).await.unwrap();
        target.read_exact(&mut buf[..100_000]).await.unwrap();
        send_urgent(&source);
        source.write_all(behind).await.unwrap();
        timeout(PATIENCE, target.read_exact(&mut buf[100_000..])).await.expect("it gets past the urgent byte").unwrap();
        assert!(buf == data);
        drop(source);
        assert_eq!(moving.await.unwrap().unwrap(), 200_000);
    });
}

/// 30,000 bytes, an urgent one, and the rest; all of them are sent.
async fn send_with_a_mark(source: &TcpStream) -> Vec<u8> {
    let data = bytes(1, 60_000);
    source.write_all(&data[..30_000]).await.unwrap();
    send_urgent(source);
    source.write_all(&data[30_000..]).await.unwrap();
    data
}

#[test]
fn an_urgent_byte_that_was_there_before_is_no_end() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let data = send_with_a_mark(&source).await;
        drop(source);
        let reading = drain!(target);
        assert_eq!(timeout(PATIENCE, splice(&from, &to)).await.expect("it ends").unwrap(), 60_000);
        drop(to);
        assert!(reading.await.unwrap() == data);
    });
}

#[test]
fn an_urgent_byte_that_somebody_has_taken_stops_nothing_either() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let data = send_with_a_mark(&source).await;
        let fd = from.try_as_fd().expect("a real socket").as_raw_fd();
        let mut byte = 0_u8;
        // SAFETY: the descriptor is open for as long as `from` lives, and one byte of ours is written.
        while unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, libc::MSG_OOB) } != 1 {}
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let mut buf = vec![0; 60_000];
        timeout(PATIENCE, target.read_exact(&mut buf)).await.expect("it gets past the mark").unwrap();
        assert!(buf == data);
        drop(source);
        assert_eq!(moving.await.unwrap().unwrap(), 60_000);
    });
}

#[test]
fn each_direction_of_two_ends_by_itself() {
    everywhere(|| async {
        let ((client, near), (far, server)) = (tcp_pair().await, UnixStream::pair().unwrap());
        let proxy = mainspring::spawn(async move { splice_bidirectional(&near, &far).await });
        let (question, answer) = (bytes(1, LEN), bytes(1, 2 * LEN));
        let serving = mainspring::spawn({
            let answer = answer.clone();
            async move {
                let mut heard = Vec::new();
                server.read_to_end(&mut heard).await.unwrap();
                server.write_all(&answer).await.unwrap();
                heard
            }
        });
        client.write_all(&question).await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        timeout(PATIENCE, client.read_to_end(&mut heard)).await.unwrap().unwrap();
        assert!(heard == answer);
        assert!(serving.await.unwrap() == question, "the end was handed on");
        assert_eq!(proxy.await.unwrap().unwrap(), (LEN as u64, 2 * LEN as u64));
    });
}

#[test]
fn both_directions_at_once_move_bulk() {
    everywhere(|| async {
        let ((client, near), (far, server)) = (tcp_pair().await, tcp_pair().await);
        let proxy = mainspring::spawn(async move { splice_bidirectional(&near, &far).await });
        let talk = |stream: TcpStream| {
            mainspring::spawn(async move {
                let (read, write) = stream.into_split();
                let writing = mainspring::spawn(async move { write.write_all(&bytes(1, LEN)).await.unwrap() });
                let mut heard = Vec::new();
                read.read_to_end(&mut heard).await.unwrap();
                writing.await.unwrap();
                heard
            })
        };
        let (one, other) = (talk(client), talk(server));
        assert!(timeout(PATIENCE, one).await.unwrap().unwrap() == bytes(1, LEN));
        assert!(timeout(PATIENCE, other).await.unwrap().unwrap() == bytes(1, LEN));
        assert_eq!(proxy.await.unwrap().unwrap(), (LEN as u64, LEN as u64));
    });
}

#[test]
fn a_mover_that_is_dropped_leaves_both_ends_in_working_order() {
    everywhere(|| async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let mut moving = splice(&from, &to);
        assert!(matches!(poll_with(&mut moving, Waker::noop()), Poll::Pending));
        drop(moving);
        source.write_all(b"still here").await.unwrap();
        drop(source);
        assert_eq!(splice(&from, &to).await.unwrap(), 10);
        drop(to);
        assert_eq!(drain!(target).await.unwrap(), b"still here");
    });
}
