//! How connections come about: connecting, listening, accepting, and giving each of them up half way.
//!
//! Cases of the catalogue: NET-04, NET-05, NET-06, NET-07, NET-08.

use super::kit::{everywhere, listen, once};
use crate::in_child;
use mainspring::net::{TcpListener, TcpSocket, TcpStream};
use mainspring::runtime::Builder;
use mainspring::task::yield_now;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

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
    in_child(|| {
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
