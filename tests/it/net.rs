//! Sockets over the loopback, through the public interface. No test here waits for time to pass or judges by it, but
//! for the one bound from below that accepting without descriptors must keep.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the clock and may panic")]

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mainspring::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use mainspring::net::{TcpListener, TcpSocket, TcpStream};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::yield_now;

static_assertions::assert_impl_all!(TcpStream: Send, Sync, Unpin);
static_assertions::assert_impl_all!(TcpListener: Send, Sync, Unpin);
static_assertions::assert_impl_all!(TcpSocket: Send, Sync);
static_assertions::assert_impl_all!(OwnedReadHalf: Send, Sync);
static_assertions::assert_impl_all!(OwnedWriteHalf: Send, Sync);
static_assertions::assert_impl_all!(ReadHalf<'static>: Send, Sync);
static_assertions::assert_impl_all!(WriteHalf<'static>: Send, Sync);
static_assertions::assert_impl_all!(mainspring::net::tcp::Read<'static>: Send, Sync, Unpin);
static_assertions::assert_impl_all!(mainspring::net::tcp::Accept<'static>: Send, Sync, Unpin);
static_assertions::assert_impl_all!(mainspring::net::tcp::Connect: Send, Sync, Unpin);

/// Runs a test in both flavours.
fn everywhere<F: Future>(test: impl Fn() -> F) {
    Builder::new_current_thread().build().unwrap().block_on(test());
    Builder::new_multi_thread().workers(2).build().unwrap().block_on(test());
}

async fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// Two ends of one connection: who connected, and who accepted.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = listen().await;
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Polls a future once and drops it, as a lost `select!` does.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls a future and counts how often it was polled.
async fn counted<F: Future>(future: F, polls: Arc<AtomicUsize>) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        future.as_mut().poll(cx)
    })
    .await
}

/// Two futures at once, in one task.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|cx| {
        if a_done.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            a_done = Some(output);
        }
        if b_done.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            b_done = Some(output);
        }
        if a_done.is_some() && b_done.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (a_done.unwrap(), b_done.unwrap())
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The bytes that a sender with this seed sends.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

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
fn rct_03_data_wakes_the_reader_alone_and_a_reset_wakes_the_writer_too() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let near = Arc::new(near);
        let (reads, writes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let writer = mainspring::spawn({
            let (near, writes) = (near.clone(), writes.clone());
            async move {
                let flood = vec![0; 1 << 26];
                counted(near.write_all(&flood), writes).await
            }
        });
        let reader = mainspring::spawn({
            let (near, reads) = (near.clone(), reads.clone());
            async move {
                let mut buf = [0; 2];
                counted(near.read(&mut buf[..1]), reads).await.unwrap();
                near.read(&mut buf).await
            }
        });
        // Until the buffers are full and both wait, the writer for room that nobody makes.
        while !format!("{near:?}").contains("waiting_to_read: 1, waiting_to_write: 1") {
            yield_now().await;
        }
        let writes_before = writes.load(Ordering::SeqCst);
        far.write_all(b"x").await.unwrap();
        while reads.load(Ordering::SeqCst) < 2 {
            yield_now().await;
        }
        assert_eq!(writes.load(Ordering::SeqCst), writes_before, "data for the reader woke the writer");
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let (read, written) = (reader.await.unwrap(), writer.await.unwrap());
        // One of the two takes the pending error; the other finds the connection gone.
        assert!(matches!(written.unwrap_err().kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        assert!(read.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |&count| count == 0));
    });
}

#[test]
fn rct_04_of_two_that_poll_read_the_last_is_woken() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let (a, b) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let mut buf = [0; 4];
        for bell in [&a, &b] {
            let waker = Waker::from(bell.clone());
            assert!(near.poll_read(&mut Context::from_waker(&waker), &mut buf).is_pending());
        }
        far.write_all(b"data").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!((a.0.load(Ordering::SeqCst), b.0.load(Ordering::SeqCst)), (0, 1));
        assert_eq!(near.read(&mut buf).await.unwrap(), 4);
    });
}

#[test]
fn rct_05_readable_that_loses_a_hundred_thousand_times_leaves_no_waiter() {
    everywhere(|| async {
        let (near, far) = pair().await;
        for _ in 0..100_000 {
            assert!(once(near.readable()).await.is_none());
            yield_now_sometimes().await;
        }
        assert!(format!("{near:?}").contains("waiting_to_read: 0, waiting_to_write: 0"), "{near:?}");
        far.write_all(b"!").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(near.try_read(&mut [0; 4]).unwrap(), 1);
    });
}

/// A budget that is used up looks like a future that is not ready; this gives it time to be renewed.
async fn yield_now_sometimes() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) {
        yield_now().await;
    }
}

#[test]
fn rct_07_a_descriptor_number_that_is_used_again_is_a_new_source() {
    everywhere(|| async {
        for round in 0..200_u8 {
            let (near, far) = pair().await;
            let mut buf = [0; 4];
            assert!(once(near.read(&mut buf)).await.is_none(), "registered, with nothing to read");
            far.write_all(&[round]).await.unwrap();
            assert_eq!(near.read(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
    });
}

#[test]
fn rct_10_a_stream_goes_to_std_and_back_a_thousand_times() {
    everywhere(|| async {
        let (mut near, far) = pair().await;
        let mut buf = [0; 4];
        for round in 0..1_000_u32 {
            assert!(once(near.read(&mut buf)).await.is_none());
            let std = near.into_std().unwrap();
            assert_eq!(std.peek(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock, "still non-blocking");
            if round % 2 == 0 {
                std.set_nonblocking(false).unwrap(); // from_std sets it again
            }
            near = TcpStream::from_std(std).unwrap();
            assert!(once(near.read(&mut buf)).await.is_none());
            far.write_all(&round.to_le_bytes()).await.unwrap();
            assert_eq!(near.read_exact(&mut buf).await.unwrap(), 4);
            assert_eq!(u32::from_le_bytes(buf), round);
        }
        let listener = TcpListener::from_std(listen().await.into_std().unwrap()).unwrap();
        assert!(TcpStream::connect(listener.local_addr().unwrap()).await.is_ok());
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
fn net_04_a_connect_says_why_it_failed_and_tries_the_next_address() {
    everywhere(|| async {
        let closed = listen().await.local_addr().unwrap();
        let refused = TcpStream::connect(closed).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = listen().await;
        let open = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[closed, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(stream.take_error().unwrap().is_none());
        let nobody: &[SocketAddr] = &[];
        assert_eq!(TcpStream::connect(nobody).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let wrong_family = TcpSocket::new_v4().unwrap().connect((Ipv6Addr::LOCALHOST, 1).into()).await;
        assert!(wrong_family.is_err());
        assert_eq!(TcpListener::bind(open).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let unbound = TcpListener::bind(&[open, ([127, 0, 0, 1], 0).into()][..]).await;
        assert!(unbound.is_ok(), "the second address is free");
    });
}

#[test]
fn net_05_a_connect_that_is_dropped_closes_its_socket() {
    everywhere(|| async {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        for _ in 0..200 {
            drop(TcpStream::connect(address)); // never polled: nothing has happened
            drop(once(TcpStream::connect(address)).await);
        }
        let last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"!").await.unwrap();
        let mut dropped = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            match stream.read(&mut [0; 4]).await {
                Ok(1) => break,
                Ok(0) => dropped += 1, // would hang if a descriptor were still open
                other => assert_eq!(other.unwrap_err().kind(), ErrorKind::ConnectionReset),
            }
        }
        assert!(dropped <= 200, "{dropped} came from futures that were never polled");
    });
}

#[test]
fn net_06_an_accept_that_is_dropped_takes_no_client_with_it() {
    everywhere(|| async {
        const CLIENTS: u32 = 300;
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        let clients = mainspring::spawn(async move {
            for _ in 0..CLIENTS {
                let client = TcpStream::connect(address).await.unwrap();
                let mut buf = [0; 1];
                client.read_exact(&mut buf).await.unwrap();
            }
        });
        let (mut served, mut cancelled) = (0, 0);
        while served < CLIENTS {
            match once(listener.accept()).await {
                Some(accepted) => {
                    accepted.unwrap().0.write_all(b"!").await.unwrap();
                    served += 1;
                }
                None => {
                    cancelled += 1;
                    yield_now().await;
                }
            }
        }
        clients.await.unwrap();
        assert!(cancelled > 0);
        assert!(format!("{listener:?}").contains("waiting_to_read: 0"), "{listener:?}");
    });
}

#[test]
fn net_07_without_descriptors_accepting_reports_it_and_rests_and_then_goes_on() {
    #[allow(unsafe_code, reason = "lowers the limit of descriptors")]
    fn limit_descriptors(limit: u64) {
        let both = libc::rlimit { rlim_cur: limit, rlim_max: 4_096 };
        // SAFETY: the structure lives across the call, which changes a number in the kernel.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const both) }, 0);
    }
    in_a_child("net_07_without_descriptors_accepting_reports_it_and_rests_and_then_goes_on", || {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let listener = listen().await;
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(b"!").await.unwrap();
            let began = std::time::Instant::now();
            limit_descriptors(3); // below what is open already
            for _ in 0..5 {
                let error = listener.accept().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            assert!(began.elapsed() >= Duration::from_millis(60), "it spins");
            limit_descriptors(1_024);
            let (server, _) = listener.accept().await.unwrap();
            assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 1);
        });
    });
}

#[test]
fn net_08_a_client_that_resets_before_it_is_accepted_does_not_stop_the_loop() {
    everywhere(|| async {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            let client = TcpStream::connect(address).await.unwrap();
            client.set_linger(Some(Duration::ZERO)).unwrap();
        }
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"!").await.unwrap();
        loop {
            let (server, _) = listener.accept().await.unwrap();
            if server.read(&mut [0; 4]).await.is_ok_and(|count| count == 1) {
                break;
            }
        }
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
    in_a_child("net_10_writing_to_a_closed_peer_is_an_error_even_where_sigpipe_would_kill", || {
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

/// Runs `body` in a process of its own: this binary, told to run the one test, with a mark in its environment.
fn in_a_child(test: &str, body: impl FnOnce()) {
    const MARK: &str = "MAINSPRING_TEST_CHILD";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("net::{test}"), "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{}\n{said}\n{}", child.status, String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("1 passed"), "the child ran another test: {said}");
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

#[test]
fn net_18_options_are_read_back_as_they_were_set() {
    everywhere(|| async {
        let (near, _far) = pair().await;
        for nodelay in [true, false] {
            near.set_nodelay(nodelay).unwrap();
            assert_eq!(near.nodelay().unwrap(), nodelay);
        }
        near.set_ttl(17).unwrap();
        assert_eq!(near.ttl().unwrap(), 17);
        assert!(near.set_ttl(0).is_err());
        for linger in [Some(Duration::from_secs(3)), Some(Duration::ZERO), None] {
            near.set_linger(linger).unwrap();
            assert_eq!(near.linger().unwrap(), linger);
        }

        let socket = TcpSocket::new_v4().unwrap();
        for on in [true, false] {
            socket.set_reuseaddr(on).unwrap();
            socket.set_reuseport(on).unwrap();
            socket.set_nodelay(on).unwrap();
            socket.set_keepalive(on).unwrap();
            let read = [socket.reuseaddr(), socket.reuseport(), socket.nodelay(), socket.keepalive()];
            assert_eq!(read.map(Result::unwrap), [on; 4]);
        }
        socket.set_linger(Some(Duration::from_secs(1))).unwrap();
        assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(1)));
        socket.set_send_buffer_size(16_384).unwrap();
        socket.set_recv_buffer_size(16_384).unwrap();
        // Linux doubles what it is asked for.
        assert!(socket.send_buffer_size().unwrap() >= 16_384);
        assert!(socket.recv_buffer_size().unwrap() >= 16_384);
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        assert!(socket.take_error().unwrap().is_none());
        let listener = socket.listen(1).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        listener.set_ttl(9).unwrap();
        assert_eq!(listener.ttl().unwrap(), 9);
        assert!(listener.try_as_fd().is_some() && near.try_as_fd().is_some());
        assert!(listener.take_error().unwrap().is_none());
        let socket = TcpSocket::from_std(unconnected()).unwrap();
        assert_eq!(socket.connect(address).await.unwrap().peer_addr().unwrap(), address);
    });
}

/// A socket made elsewhere, not connected, in the only dress that std has for it.
fn unconnected() -> std::net::TcpStream {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap().into()
}

#[test]
fn mis_05_a_descriptor_that_is_no_tcp_socket_is_refused() {
    use std::os::fd::OwnedFd;
    let file = || OwnedFd::from(std::fs::File::open("Cargo.toml").unwrap());
    let udp = || OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let unix = || OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0);
    everywhere(|| async {
        for fd in [file(), udp(), unix()] {
            assert!(TcpStream::from_std(fd.into()).is_err());
        }
        for fd in [file(), udp(), unix()] {
            assert!(TcpListener::from_std(fd.into()).is_err());
        }
        for fd in [file(), udp(), unix()] {
            assert!(TcpSocket::from_std(fd.into()).is_err());
        }
    });
}

#[test]
fn mis_06_what_is_no_literal_address_is_an_error_that_says_so() {
    everywhere(|| async {
        for address in ["", "127.0.0.1", "127.0.0.1:65536", "bücher:80", "localhost:80", "[::1", "fe80::1%lo:80"] {
            let error = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("{address:?}")), "{error}");
            assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let error = TcpStream::connect(("example.org", 80)).await.unwrap_err();
        assert!(error.to_string().contains("host names are not looked up yet"), "{error}");
        let listener = TcpListener::bind("127.0.0.1:0".to_string()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    });
}

#[test]
fn shd_05_a_socket_whose_runtime_is_gone_says_so_and_one_that_never_waited_lives_on() {
    let first = Builder::new_current_thread().build().unwrap();
    let (waited, fresh, listener) = first.block_on(async {
        let (near, _far) = pair().await;
        let mut buf = [0; 4];
        assert!(once(near.read(&mut buf)).await.is_none());
        let listener = listen().await;
        assert!(once(listener.accept()).await.is_none());
        // Connecting waits, and so registers its end; the accepted end has not waited for anything.
        (near, pair().await, listener)
    });
    drop(first);
    Builder::new_current_thread().build().unwrap().block_on(async {
        let gone = |error: io::Error| {
            assert_eq!(error.to_string(), "the runtime this socket was registered with has shut down");
        };
        let mut buf = [0; 4];
        gone(waited.read(&mut buf).await.unwrap_err());
        gone(waited.write(b"x").await.unwrap_err());
        gone(waited.try_read(&mut buf).unwrap_err());
        gone(waited.readable().await.unwrap_err());
        gone(listener.accept().await.unwrap_err());
        assert!(waited.local_addr().is_ok());
        // Its descriptor is good for a new registration.
        let again = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
        let address = again.local_addr().unwrap();
        let (accepted, connected) = both(again.accept(), TcpStream::connect(address)).await;
        assert!(accepted.is_ok() && connected.is_ok());
        let (connected, accepted) = fresh;
        gone(connected.read(&mut buf).await.unwrap_err());
        assert_eq!(accepted.write(b"ok").await.unwrap(), 2);
        let connected = TcpStream::from_std(connected.into_std().unwrap()).unwrap();
        let (read, written) = both(accepted.read(&mut buf), connected.write(b"yes")).await;
        assert_eq!((read.unwrap(), written.unwrap()), (3, 3));
    });
}

#[test]
fn shd_04_a_read_that_waits_elsewhere_hears_of_the_end_of_its_runtime() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (near, _far) = runtime.block_on(async {
        let (near, far) = pair().await;
        assert!(once(near.readable()).await.is_none()); // registered here
        (near, far)
    });
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut buf = [0; 4];
    assert!(near.poll_read(&mut Context::from_waker(&waker), &mut buf).is_pending());
    drop(runtime);
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert!(matches!(near.poll_read(&mut Context::from_waker(&waker), &mut buf), Poll::Ready(Err(_))));
}

#[test]
fn a_simulated_runtime_has_no_real_sockets() {
    Builder::new_simulated(1).build().unwrap().block_on(async {
        let error = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(TcpStream::connect("127.0.0.1:9").await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(TcpSocket::new_v4().unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn a_stream_that_is_used_on_another_worker_goes_on_working_there() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    runtime.block_on(async {
        // Many tasks that yield a lot are stolen now and then, and take their sockets to the thief.
        let tasks: Vec<_> = (0..8_u8)
            .map(|number| {
                mainspring::spawn(async move {
                    let (near, far) = pair().await;
                    for round in 0..200_u8 {
                        let (mut to, mut fro) = ([0; 1], [0; 1]);
                        let (read, written) = both(far.read_exact(&mut to), async {
                            yield_now().await;
                            near.write_all(&[round ^ number]).await
                        })
                        .await;
                        assert_eq!((read.unwrap(), written.unwrap(), to[0]), (1, (), round ^ number));
                        let (read, written) = both(near.read_exact(&mut fro), far.write_all(&to)).await;
                        assert_eq!((read.unwrap(), written.unwrap(), fro), (1, (), to));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}
