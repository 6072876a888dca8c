//! What the reactor makes of descriptors: cancelled waits, numbers that are used again, duplicates, and many at once.
//!
//! Cases of the catalogue: MIS-05, RCT-05, RCT-06, RCT-08, RCT-09, RCT-17, RES-01.

use crate::harness::skipped;
use crate::kit::{Token, current_thread, everywhere, in_block_on, join_all, listen, multi_thread, once, tcp_pair};
use crate::probe::{self, Holdings, Limit, cpu_time_during, eventually};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::yield_now;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

cases! { CASES:
    60 => [
        rct_05_a_million_waits_that_are_given_up_leave_nothing_behind,
        rct_06_a_new_connection_on_an_old_number_hears_nothing_of_the_old_one,
        rct_08_a_duplicate_that_outlives_its_socket_wakes_nobody,
        rct_09_descriptors_replaced_behind_our_back_leave_nothing_behind,
        rct_17_two_thousand_sockets_that_are_ready_at_once_are_all_served,
        mis_05_a_descriptor_that_is_no_socket_of_ours_is_an_error_and_is_closed,
        mis_05_a_blocking_socket_is_made_non_blocking,
        res_01_without_descriptors_building_is_an_error_that_leaves_nothing_behind,
    ],
}

fn rct_05_a_million_waits_that_are_given_up_leave_nothing_behind() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let (near, far) = tcp_pair().await;
            // The first round fills what stays filled: caches, the registration.
            let mut before = Holdings::now();
            for round in 0..=10 {
                for _ in 0..50_000 {
                    assert!(once(near.readable()).await.is_none());
                    assert!(once(near.read(&mut [0])).await.is_none());
                    if round == 5 {
                        yield_now().await;
                    }
                }
                if round == 0 {
                    before = Holdings::now();
                }
            }
            before.assert_flat(1_024);
            let shown = format!("{near:?}");
            assert!(shown.contains("waiting_to_read: 0"), "{shown}");
            far.write_all(b"x").await.expect("both ends are open");
            near.readable().await.expect("a wait still works");
        });
    });
}

fn rct_06_a_new_connection_on_an_old_number_hears_nothing_of_the_old_one() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let (mut old, mut peer) = tcp_pair().await;
            for round in 0..500 {
                // The old one has an event under way when it is closed, and the new one gets its number and its slot.
                assert!(once(old.readable()).await.is_none(), "round {round}: a stale event reached a new socket");
                let number = old.try_as_fd().map(|fd| fd.as_raw_fd());
                let parked = mainspring::spawn(async move {
                    let _ = old.read(&mut [0]).await;
                    old
                });
                yield_now().await;
                peer.write_all(b"x").await.expect("both ends are open");
                drop(parked.await.expect("no panic"));
                peer.write_all(b"for nobody").await.expect("the kernel takes it");
                let (near, far) = tcp_pair().await;
                let same = near.try_as_fd().map(|fd| fd.as_raw_fd()) == number;
                assert!(same || round < 400, "the numbers are never used again, so nothing is tested");
                (old, peer) = (near, far);
            }
        });
    });
}

fn rct_08_a_duplicate_that_outlives_its_socket_wakes_nobody() {
    let test = |runtime: &Runtime| {
        let ends = runtime.spawn(async {
            let (near, far) = tcp_pair().await;
            assert!(once(near.readable()).await.is_none());
            let duplicate = near.try_as_fd().expect("it is real").try_clone_to_owned();
            (duplicate.expect("descriptors are to be had"), far.into_std().expect("it is real"))
        });
        eventually("both ends are there", || ends.is_finished());
        let (duplicate, mut peer) = current_thread().block_on(ends).expect("no panic");
        // The description lives on in the duplicate, and events come for it that nobody asked for.
        (0..100).for_each(|_| peer.write_all(b"x").expect("the duplicate is open"));
        let used = cpu_time_during(Duration::from_secs(1));
        assert!(used < Duration::from_millis(100), "{used:?} of processor time for events that concern nobody");
        let mut duplicate = std::net::TcpStream::from(duplicate);
        duplicate.set_nonblocking(false).expect("it is open");
        duplicate.read_exact(&mut [0; 100]).expect("its data are still there");
    };
    test(&multi_thread(2));
    in_block_on(test);
}

fn rct_09_descriptors_replaced_behind_our_back_leave_nothing_behind() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let mut before = Holdings::now();
            for round in 0..4_000 {
                let (near, far) = tcp_pair().await;
                assert!(once(near.readable()).await.is_none());
                probe::replace_by_dev_null(near.try_as_fd().expect("it is a real socket").as_raw_fd());
                drop(near);
                // The peer sees that the socket is gone, so it was not kept open by us.
                assert_eq!(far.read(&mut [0]).await.expect("a clean end"), 0);
                if round == 500 {
                    before = Holdings::now();
                }
            }
            before.assert_flat(1_024);
        });
    });
}

fn rct_17_two_thousand_sockets_that_are_ready_at_once_are_all_served() {
    let limit = probe::set_limit(Limit::Descriptors, 5_000);
    let sockets = usize::try_from((limit - 200) / 2).expect("it is small").min(2_000);
    if sockets < 2_000 {
        skipped(&format!("only {limit} descriptors are allowed, so {sockets} sockets were ready at once, not 2,000"));
    }
    everywhere(&[1, 2], |runtime| {
        let (pairs, served) = runtime.block_on(async {
            let listener = listen().await;
            let address = listener.local_addr().expect("it is bound");
            let served = Arc::new(AtomicUsize::new(0));
            let mut peers = Vec::new();
            for _ in 0..sockets {
                let near = TcpStream::connect(address).await.expect("it listens");
                peers.push(listener.accept().await.expect("one has connected").0.into_std().expect("it is real"));
                let served = served.clone();
                drop(mainspring::spawn(async move {
                    for _ in 0..3 {
                        near.read_exact(&mut [0]).await.expect("the peer is open");
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                }));
            }
            (peers, served)
        });
        for round in 1..=3 {
            // Everybody waits before the first byte is written; all are ready before anybody is served.
            eventually_in(runtime, || served.load(Ordering::SeqCst) == sockets * (round - 1));
            runtime.block_on(yield_now());
            pairs.iter().for_each(|mut peer| peer.write_all(b"x").expect("the task is open"));
            eventually_in(runtime, || served.load(Ordering::SeqCst) == sockets * round);
        }
    });
}

/// As `eventually`, from inside `block_on`, for runtimes that do nothing outside of it.
fn eventually_in(runtime: &Runtime, holds: impl Fn() -> bool) {
    runtime.block_on(async {
        let limit = mainspring::time::Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(mainspring::time::Instant::now() < limit, "some were never served");
            mainspring::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

fn mis_05_a_descriptor_that_is_no_socket_of_ours_is_an_error_and_is_closed() {
    let strangers = || -> [OwnedFd; 4] {
        [
            std::fs::File::open("/dev/null").expect("every Linux has it").into(),
            std::fs::File::open("/").expect("every Linux has it").into(),
            std::net::UdpSocket::bind("127.0.0.1:0").expect("the loopback is up").into(),
            std::os::unix::net::UnixStream::pair().expect("descriptors are to be had").0.into(),
        ]
    };
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let before = probe::fds();
            for fd in strangers() {
                let error = TcpStream::from_std(fd.into()).expect_err("no TCP socket");
                assert_ne!(error.kind(), ErrorKind::WouldBlock);
            }
            for fd in strangers() {
                assert!(TcpListener::from_std(fd.into()).is_err());
            }
            assert_eq!(probe::fds(), before, "who refuses a descriptor still closes it");
        });
    });
    // Two runtimes watch one description by two descriptors: neither disturbs the other.
    let (a, b) = (current_thread(), multi_thread(2));
    let (near, far) = a.block_on(tcp_pair());
    let duplicate = near.try_as_fd().expect("it is real").try_clone_to_owned().expect("descriptors are to be had");
    let other = TcpStream::from_std(duplicate.into()).expect("it is a TCP socket");
    assert!(a.block_on(once(near.readable())).is_none());
    assert!(b.block_on(once(other.readable())).is_none());
    a.block_on(far.write_all(b"xy")).expect("both ends are open");
    a.block_on(near.read_exact(&mut [0])).expect("a byte for the one");
    b.block_on(other.read_exact(&mut [0])).expect("a byte for the other");
}

fn mis_05_a_blocking_socket_is_made_non_blocking() {
    everywhere(&[2], |runtime| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
        let mut near = std::net::TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let far = listener.accept().expect("one has connected").0;
        runtime.block_on(async {
            let far = TcpStream::from_std(far).expect("it is a TCP socket");
            let listener = TcpListener::from_std(listener).expect("it is a TCP socket");
            // A blocking one would hang here, and the watchdog would end it.
            assert!(once(far.read(&mut [0])).await.is_none());
            assert!(once(listener.accept()).await.is_none());
            near.write_all(b"x").expect("both ends are open");
            far.read_exact(&mut [0]).await.expect("a byte has come");
        });
    });
}

fn res_01_without_descriptors_building_is_an_error_that_leaves_nothing_behind() {
    let usual = probe::set_limit(Limit::Descriptors, 1_024);
    drop(multi_thread(4));
    eventually("the first runtime's threads are gone", || probe::threads() == 1);
    let before = Holdings::now();
    let open = u64::try_from(probe::fds()).expect("it is small");
    let mut refused = 0;
    // A runtime of four workers needs some number of descriptors: every lower limit is an error.
    for spare in 0..40 {
        let (builder, token) = Token::put_into(Builder::new_multi_thread().workers(4));
        probe::set_limit(Limit::Descriptors, open + spare);
        match builder.build() {
            Ok(runtime) => assert_eq!(runtime.block_on(join_all([runtime.spawn(async { 1 })])), [1]),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                refused += 1;
            }
        }
        probe::set_limit(Limit::Descriptors, usual);
        token.assert_freed();
        before.assert_flat(4_096);
    }
    assert!((4..40).contains(&refused), "{refused} limits were too low");
}
