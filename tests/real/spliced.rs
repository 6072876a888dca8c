//! `splice`: that the kernel does it, what it costs in descriptors, and what happens where it refuses.
//!
//! Cases of the catalogue: NET-08, RES-01.

use crate::harness::skipped;
use crate::kit::{current_thread, tcp_pair};
use crate::probe::{self, Limit};
use crate::strace::under_strace;
use mainspring::io::splice;
use mainspring::net::TcpStream;
use mainspring::task::yield_now;
use std::time::Duration;

cases! { CASES:
    60 => [
        bulk_is_spliced_and_messages_are_copied,
        where_the_kernel_refuses_the_same_bytes_are_copied,
        res_01_without_descriptors_for_a_pipe_bulk_is_copied,
        two_descriptors_are_held_from_the_first_bulk_until_the_end,
    ],
}

cases! { SCRIPTS:
    60 => [move_bulk, move_messages],
}

/// More than a pipe and all buffers of two connections hold.
const BULK: usize = 24 << 20;

fn byte(at: usize) -> u8 {
    (at * 31 + at / 251) as u8
}

/// Sends all through a mover, and checks each byte at the other side.
async fn pass(total: usize, piece: usize) {
    let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
    let moving = mainspring::spawn(async move { splice(&from, &to).await });
    let feeding = mainspring::spawn(async move {
        for start in (0..total).step_by(piece) {
            let data: Vec<u8> = (start..total.min(start + piece)).map(byte).collect();
            source.write_all(&data).await.expect("it is read");
        }
    });
    expect_bytes(&target, total).await;
    feeding.await.expect("no panic");
    assert_eq!(moving.await.expect("no panic").expect("both ends work"), total as u64);
}

async fn expect_bytes(target: &TcpStream, total: usize) {
    let (mut buf, mut seen) = (vec![0; 100_000], 0);
    loop {
        let count = target.read(&mut buf).await.expect("it is open");
        if count == 0 {
            break;
        }
        assert!(
            buf[..count].iter().enumerate().all(|(at, &is)| is == byte(seen + at)),
            "wrong within {count} behind {seen}"
        );
        seen += count;
    }
    assert_eq!(seen, total);
}

fn move_bulk() {
    current_thread().block_on(pass(BULK, 1 << 20));
}

fn move_messages() {
    current_thread().block_on(async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        for round in 0..100 {
            source.write_all(&[round; 500]).await.expect("it is read");
            let mut buf = [0; 500];
            target.read_exact(&mut buf).await.expect("it comes");
            assert_eq!(buf, [round; 500]);
        }
        drop(source);
        assert_eq!(moving.await.expect("no panic").expect("both ends work"), 50_000);
    });
}

fn bulk_is_spliced_and_messages_are_copied() {
    // Nothing is made to fail: the fault is for the 60,000th call.
    let Some(bulk) = under_strace("move_bulk", "splice:error=EIO:when=60000") else { return };
    assert!(bulk.count("splice(") > 10 || cfg!(mainspring_plain), "only {} calls", bulk.count("splice("));
    let messages = under_strace("move_messages", "splice:error=EIO:when=60000").expect("strace was there a moment ago");
    assert_eq!(messages.count("splice("), 0);
}

fn where_the_kernel_refuses_the_same_bytes_are_copied() {
    if cfg!(mainspring_plain) {
        return skipped("it is never asked here");
    }
    // The first call fills the pipe, the second empties it: what is in the pipe then is not lost.
    for when in 1..=4 {
        for error in ["EINVAL", "ENOSYS", "EPERM"] {
            let Some(traced) = under_strace("move_bulk", &format!("splice:error={error}:when={when}+")) else { return };
            assert_eq!((traced.injected(), traced.count("splice(")), (1, when), "{error}: asked once, and never again");
        }
    }
}

fn res_01_without_descriptors_for_a_pipe_bulk_is_copied() {
    current_thread().block_on(async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        probe::set_limit(Limit::Descriptors, 3);
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let feeding = mainspring::spawn(async move {
            let data: Vec<u8> = (0..BULK).map(byte).collect();
            source.write_all(&data).await.expect("it is read");
        });
        expect_bytes(&target, BULK).await;
        feeding.await.expect("no panic");
        assert_eq!(moving.await.expect("no panic").expect("both ends work"), BULK as u64);
    });
}

fn two_descriptors_are_held_from_the_first_bulk_until_the_end() {
    if cfg!(mainspring_plain) {
        return skipped("no pipe is filled here");
    }
    current_thread().block_on(async {
        let ((source, from), (to, target)) = (tcp_pair().await, tcp_pair().await);
        let moving = mainspring::spawn(async move { splice(&from, &to).await.map(|count| (count, from, to)) });
        source.write_all(b"a message").await.expect("it is read");
        target.read_exact(&mut [0; 9]).await.expect("it comes");
        let before = probe::fds();
        let feeding = mainspring::spawn(async move {
            source.write_all(&vec![1; BULK]).await.expect("it is read");
            source
        });
        target.read_exact(&mut vec![0; BULK]).await.expect("it comes");
        assert_eq!(probe::fds(), before + 2);
        let source = feeding.await.expect("no panic");
        source.shutdown(std::net::Shutdown::Write).expect("it is open");
        let (count, from, to) = moving.await.expect("no panic").expect("both ends work");
        assert_eq!((count, probe::fds()), (BULK as u64 + 9, before));
        drop((from, to));
        // Given up in the middle, with something in the pipe: closed as well.
        let ((source, from), (to, _target)) = (tcp_pair().await, tcp_pair().await);
        let before = probe::fds();
        let moving = mainspring::spawn(async move { splice(&from, &to).await });
        let feeding = mainspring::spawn(async move { source.write_all(&vec![1; BULK]).await });
        while probe::fds() < before + 2 {
            yield_now().await;
        }
        moving.abort();
        assert!(moving.await.is_err_and(|error| error.is_cancelled()));
        feeding.await.expect("no panic").expect_err("nobody reads any more");
        mainspring::time::timeout(Duration::from_secs(30), async {
            while probe::fds() >= before {
                yield_now().await;
            }
        })
        .await
        .expect("both connections' ends and the pipe are closed");
    });
}
