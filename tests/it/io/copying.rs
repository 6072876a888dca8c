//! `copy` and `copy_bidirectional`.

use super::{Scripted, Step, bytes, everywhere};
use crate::poll_with;
use mainspring::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, duplex};
use mainspring::net::{TcpListener, TcpStream};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Poll, Waker};

#[test]
fn everything_is_copied_whatever_the_pieces_and_the_pauses() {
    everywhere(|| async {
        let data = bytes(100_000);
        let pieces = || (0..400).map(|n| if n % 3 == 0 { Step::Wait } else { Step::Some(1 + n * 7 % 900) });
        let (mut from, mut to) = (Scripted::new(&data, pieces()), Scripted::new(b"", pieces()));
        assert_eq!(copy(&mut from, &mut to).await.unwrap(), data.len() as u64);
        assert!(to.written == data);
        assert!(to.flushes > 1, "it was flushed while the reader waited, and at the end");
        assert!(!to.closed);
    });
}

#[test]
fn an_error_of_either_side_ends_a_copy_and_so_does_a_writer_that_takes_nothing() {
    let ends = |from: Vec<Step>, to: Vec<Step>| {
        let (mut from, mut to) = (Scripted::new(b"data", from), Scripted::new(b"", to));
        match poll_with(&mut copy(&mut from, &mut to), Waker::noop()) {
            Poll::Ready(Err(error)) => error.kind(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ends(vec![Step::Fail(ErrorKind::ConnectionReset)], vec![]), ErrorKind::ConnectionReset);
    assert_eq!(ends(vec![], vec![Step::Fail(ErrorKind::BrokenPipe)]), ErrorKind::BrokenPipe);
    assert_eq!(ends(vec![], vec![Step::Some(0)]), ErrorKind::WriteZero);
}

#[test]
fn each_direction_of_two_ends_by_itself() {
    everywhere(|| async {
        let (mut client, mut near) = duplex(16);
        let (mut far, mut server) = duplex(16);
        let proxy = mainspring::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        let question = bytes(1_000);
        let sent = question.clone();
        let asking = mainspring::spawn(async move {
            client.write_all(&sent).await.unwrap();
            client.close().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert!(heard == question, "the end was handed on");
        server.write_all(&bytes(3_000)).await.unwrap();
        drop(server);
        assert!(asking.await.unwrap() == bytes(3_000));
        assert_eq!(proxy.await.unwrap().unwrap(), (1_000, 3_000));
    });
}

#[test]
fn a_copy_that_never_waits_lets_others_run() {
    let runtime = mainspring::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let other = mainspring::spawn(async {});
        // 64 KiB byte by byte: the scripted stream is none of ours, and charges nothing.
        let mut from = Scripted::new(&bytes(65_536), (0..65_536).map(|_| Step::Some(1)));
        let mut to = Scripted::default();
        let mut copying = copy(&mut from, &mut to);
        let polls_until_the_other_ran = poll_fn(|cx| {
            let polled = std::pin::Pin::new(&mut copying).poll(cx);
            if other.is_finished() { Poll::Ready(true) } else { polled.map(|_| false) }
        });
        assert!(polls_until_the_other_ran.await, "the copy was over before the other task was polled");
    });
}

#[test]
fn bulk_in_one_direction_leaves_the_other_its_turns() {
    let runtime = mainspring::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        // As above, so what a poll may do is used up long before the bulk is over.
        let mut bulk = Scripted::new(&bytes(65_536), (0..65_536).map(|_| Step::Some(1)));
        let mut other = Scripted::new(b"answer", []);
        let mut copying = copy_bidirectional(&mut bulk, &mut other);
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            assert!(std::pin::Pin::new(&mut copying).poll(cx).is_pending(), "the bulk takes hundreds of polls");
            if polls < 4 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        drop(copying);
        assert_eq!(bulk.written, b"answer");
    });
}

#[test]
fn our_sockets_are_readers_and_writers_for_everybody_by_reference_too() {
    let runtime = mainspring::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let echo = mainspring::spawn(async move {
            let (mut read, mut write) = server.split();
            let count = copy(&mut read, &mut write).await.unwrap();
            write.close().await.unwrap();
            count
        });
        let data = bytes(300_000);
        let (mut reader, mut writer) = (&client, &client);
        let sending = async {
            writer.write_all(&data).await.unwrap();
            AsyncWriteExt::close(&mut writer).await.unwrap();
        };
        let mut back = Vec::new();
        let ((), read) = mainspring::join!(sending, AsyncReadExt::read_to_end(&mut reader, &mut back));
        assert_eq!(read.unwrap(), data.len());
        assert!(back == data);
        assert_eq!(echo.await.unwrap(), data.len() as u64);
    });
}

#[test]
fn a_pipe_between_descriptors_is_a_reader_and_a_writer() {
    let runtime = mainspring::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (mut sender, mut receiver) = mainspring::net::unix::pipe::pipe().unwrap();
        let data = bytes(200_000);
        let sent = data.clone();
        let sending = mainspring::spawn(async move {
            let mut from = Scripted::new(&sent, []);
            copy(&mut from, &mut sender).await.unwrap()
        });
        let mut to = Scripted::default();
        assert_eq!(copy(&mut receiver, &mut to).await.unwrap(), data.len() as u64);
        assert!(to.written == data);
        sending.await.unwrap();
    });
}
