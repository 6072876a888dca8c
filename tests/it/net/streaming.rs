//! Bytes: all of them arrive, in order, in both directions at once, until either side ends the stream.
//!
//! Cases of the catalogue: NET-01, NET-02, NET-03, NET-09, NET-10, NET-13, RCT-01.

use super::kit::{both, bytes, everywhere, listen, once, pair};
use crate::in_child;
use mainspring::net::TcpStream;
use mainspring::runtime::Runtime;
use mainspring::task::yield_now;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::time::Duration;

#[test]
fn rct_01_every_byte_arrives_whatever_the_size_of_the_reads_and_the_pauses_between_them() {
    everywhere(|| async {
        for size in [1, 7, 1_000, 65_536] {
            let (client, server) = pair().await;
            let sent = bytes(size as u64, 65_536);
            let expected = sent.clone();
            let sender = mainspring::spawn(async move {
                for chunk in sent.chunks(20_000) {
                    client.write_all(chunk).await.unwrap();
                    yield_now().await;
                }
            });
            let (mut received, mut buf, mut reads) = (Vec::new(), vec![0; size], 0);
            loop {
                let count = server.read(&mut buf).await.unwrap();
                if count == 0 {
                    break;
                }
                received.extend_from_slice(&buf[..count]);
                reads += 1;
                if reads == 5 {
                    reads = 0;
                    yield_now().await;
                }
            }
            assert!(received == expected);
            sender.await.unwrap();
        }
    });
}

#[test]
fn net_01_an_echo_gives_back_what_it_got_while_both_directions_are_busy() {
    everywhere(|| async {
        for len in [1, 100, 65_537, 3 << 20] {
            let (client, server) = pair().await;
            let echo = mainspring::spawn(async move {
                let mut buf = vec![0; 70_000];
                loop {
                    match server.read(&mut buf).await.unwrap() {
                        0 => break,
                        count => server.write_all(&buf[..count]).await.unwrap(),
                    }
                }
            });
            let sent = bytes(len as u64, len);
            let sizes = bytes(7, 64);
            let send = async {
                let (mut left, mut turn) = (&sent[..], 0);
                while !left.is_empty() {
                    let size = (usize::from(sizes[turn % 64]) * 300 + 1).min(left.len());
                    client.write_all(&left[..size]).await.unwrap();
                    (left, turn) = (&left[size..], turn + 1);
                }
                client.shutdown(Shutdown::Write).unwrap();
            };
            let receive = async {
                let (mut received, mut buf, mut turn) = (Vec::with_capacity(len), vec![0; 80_000], 0);
                loop {
                    let size = usize::from(sizes[turn % 64]) * 300 + 1;
                    turn += 3;
                    match client.read(&mut buf[..size]).await.unwrap() {
                        0 => break received,
                        count => received.extend_from_slice(&buf[..count]),
                    }
                }
            };
            let ((), received) = both(send, receive).await;
            assert!(received == sent);
            echo.await.unwrap();
        }
    });
}

#[test]
fn net_02_after_a_half_close_the_other_direction_keeps_its_data() {
    everywhere(|| async {
        let (client, server) = pair().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // Data and end of stream arrive as one edge; the reads that follow must find both.
        server.readable().await.unwrap();
        let mut buf = [0; 5];
        assert_eq!(server.read(&mut buf).await.unwrap(), 5);
        assert_eq!(server.read(&mut buf).await.unwrap(), 3);
        for _ in 0..3 {
            assert_eq!(server.read(&mut buf).await.unwrap(), 0);
        }
        assert_eq!(server.read_exact(&mut buf).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut buf = [0; 6];
        client.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"answer");
        assert_eq!(client.read(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn net_03_a_reset_ends_a_read_a_write_and_a_connection_that_nobody_accepted() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let mut buf = [0; 4];
        let reset = async {
            yield_now().await;
            far.set_linger(Some(Duration::ZERO)).unwrap();
            drop(far);
        };
        let (read, ()) = both(near.read(&mut buf), reset).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(near.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);

        let (near, far) = pair().await;
        let reset = async {
            yield_now().await;
            far.set_linger(Some(Duration::ZERO)).unwrap();
            drop(far);
        };
        let flood = vec![0; 1 << 26];
        let (written, ()) = both(near.write_all(&flood), reset).await;
        assert!(matches!(written.unwrap_err().kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));

        let listener = listen().await;
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        drop(listener);
        assert_eq!(near.read(&mut buf).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn net_09_halves_work_in_two_tasks_and_close_the_socket_once_in_every_order() {
    everywhere(|| async {
        for reader_first in [true, false] {
            let (client, server) = pair().await;
            let (read, write) = client.into_split();
            let writer = mainspring::spawn(async move {
                write.write_all(b"ping").await.unwrap();
                write
            });
            let mut buf = [0; 4];
            server.read_exact(&mut buf).await.unwrap();
            let write = writer.await.unwrap();
            if reader_first {
                drop(read);
                assert_eq!(once(server.read(&mut buf)).await.map(Result::unwrap), None, "still open for writing");
                drop(write);
                assert_eq!(server.read(&mut buf).await.unwrap(), 0);
            } else {
                drop(write);
                assert_eq!(server.read(&mut buf).await.unwrap(), 0, "the direction is shut down");
                server.write_all(b"pong").await.unwrap();
                assert_eq!(read.read_exact(&mut buf).await.unwrap(), 4);
                drop(read);
            }
        }
        let ((a, _a_peer), (b, _b_peer)) = (pair().await, pair().await);
        let ((a_read, a_write), (b_read, b_write)) = (a.into_split(), b.into_split());
        let error = a_read.reunite(b_write).unwrap_err();
        assert_eq!(error.to_string(), "the two halves are not of the same stream");
        let a = error.0.reunite(a_write).unwrap();
        let b = error.1.reunite(b_read).unwrap();
        assert_eq!(once(_a_peer.read(&mut [0; 4])).await.map(Result::unwrap), None, "reunited, not shut down");
        let (b_read, write) = b.into_split();
        write.forget();
        assert_eq!(once(_b_peer.read(&mut [0; 4])).await.map(Result::unwrap), None, "forgotten, not shut down");
        _b_peer.write_all(b"x").await.unwrap();
        assert_eq!(b_read.read(&mut [0; 4]).await.unwrap(), 1);
        let mut a = a;
        let (read, write) = a.split();
        _a_peer.write_all(b"abc").await.unwrap();
        let mut buf = [0; 3];
        let (count, written) = both(read.read_exact(&mut buf), write.write(b"d")).await;
        assert_eq!((count.unwrap(), written.unwrap()), (3, 1));
    });
}

#[test]
fn net_10_writing_to_a_closed_peer_is_an_error_even_where_sigpipe_would_kill() {
    #[allow(unsafe_code, reason = "gives SIGPIPE its default back, which Rust's start-up code has taken away")]
    fn die_of_sigpipe() {
        // SAFETY: the default disposition is no handler, so there is no code that it could run.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    in_child(|| {
        die_of_sigpipe();
        Runtime::new().unwrap().block_on(async {
            let (near, far) = pair().await;
            drop(far);
            let error = loop {
                match near.write(b"x").await {
                    Ok(_) => yield_now().await,
                    Err(error) => break error,
                }
            };
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
            assert_eq!(near.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            if cfg!(not(mainspring_plain)) {
                let error = near.write_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
        });
    });
}

#[test]
fn net_13_vectored_and_empty_reads_and_writes_are_as_in_std() {
    everywhere(|| async {
        let (near, far) = pair().await;
        // Neither waits, and a read of nothing is not the end of the stream.
        assert_eq!(near.read(&mut []).await.unwrap(), 0);
        assert_eq!(near.read_exact(&mut []).await.unwrap(), 0);
        assert_eq!(near.read_vectored(&mut []).await.unwrap(), 0);
        assert_eq!(near.read_vectored(&mut [IoSliceMut::new(&mut [])]).await.unwrap(), 0);
        assert_eq!(near.peek(&mut []).await.unwrap(), 0);
        assert_eq!(near.try_read(&mut []).unwrap(), 0);
        assert_eq!(near.write(&[]).await.unwrap(), 0);
        assert_eq!(near.write_vectored(&[]).await.unwrap(), 0);
        assert_eq!(near.try_write(&[]).unwrap(), 0);
        near.write_all(&[]).await.unwrap();
        assert_eq!(near.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);

        let count = far.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]).await.unwrap();
        assert_eq!(count, 5);
        let mut seen = [0; 9];
        assert_eq!(near.peek(&mut seen).await.unwrap(), 5);
        assert_eq!(near.peek(&mut seen).await.unwrap(), 5, "peeking takes nothing");
        let (mut a, mut b) = ([0; 3], [0; 9]);
        let count = near.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).await.unwrap();
        assert_eq!((count, &a, &b[..2]), (5, b"abc", &b"de"[..]));

        let many = vec![IoSlice::new(b"z"); 3_000]; // more than one call may carry
        let count = far.write_vectored(&many).await.unwrap();
        assert!((1..=3_000).contains(&count));
        assert_eq!(near.read_exact(&mut vec![0; count]).await.unwrap(), count);
        assert_eq!(far.try_write_vectored(&[IoSlice::new(b"q")]).unwrap(), 1);
        near.readable().await.unwrap();
        assert_eq!(near.try_read_vectored(&mut [IoSliceMut::new(&mut b)]).unwrap(), 1);

        // With the stream full an empty write still does not wait.
        while far.try_write(&[0; 65_536]).is_ok() {}
        assert_eq!(far.write(&[]).await.unwrap(), 0);
        assert!(once(far.writable()).await.is_none());
    });
}
