//! Names instead of addresses: looked up on the pool, given up at any time, and several addresses tried side by side.
//!
//! Cases of the catalogue: NET-04, NET-17.

use super::kit::{everywhere, listen, once};
use crate::{PATIENCE, in_child};
use mainspring::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use mainspring::runtime::Builder;
use mainspring::task::spawn_blocking;
use mainspring::time::timeout;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

#[test]
fn net_17_localhost_is_found_and_everything_that_binds_or_connects_takes_its_name() {
    everywhere(|| async {
        let found: Vec<_> = lookup_host("localhost:80").await.unwrap().collect();
        assert!(!found.is_empty() && found.iter().all(|found| found.ip().is_loopback() && found.port() == 80));
        let std: Vec<_> = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").unwrap().collect();
        assert_eq!(found, std, "all that the system knows, in its order");
        let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(format!("localhost:{port}")).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert_eq!(lookup_host(("localhost".to_string(), 7)).await.unwrap().next().unwrap().port(), 7);
    });
}

#[test]
fn net_17_what_is_no_name_or_has_no_address_is_an_error() {
    everywhere(|| async {
        for refused in ["", ":80", "a\0b:80", "localhost", "localhost:", "localhost:65536", "[::1"] {
            assert_eq!(lookup_host(refused).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{refused:?}");
        }
        // By a rule (RFC 6761), or because it is longer than any name, nobody has an address for these.
        for unknown in ["nobody.invalid:80".to_owned(), format!("{}:80", "a".repeat(300))] {
            let error = timeout(PATIENCE, lookup_host(&unknown)).await.expect("it ends").unwrap_err();
            assert!(error.to_string().contains("cannot look"), "{error}");
            let error = TcpStream::connect(&unknown).await.unwrap_err();
            assert!(error.to_string().contains("cannot look"), "{error}");
        }
    });
}

#[test]
fn net_17_a_literal_asks_nobody_and_needs_no_second_poll() {
    everywhere(|| async {
        let addresses = once(lookup_host("127.0.0.1:80")).await.expect("at once").unwrap();
        assert_eq!(addresses.len(), 1);
        assert_eq!(addresses.map(|address| address.ip()).collect::<Vec<_>>(), [IpAddr::from([127, 0, 0, 1])]);
        let list = [SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2))];
        assert_eq!(once(lookup_host(&list[..])).await.expect("at once").unwrap().collect::<Vec<_>>(), list);
        assert!(once(TcpListener::bind("127.0.0.1:0")).await.expect("at once").is_ok());
    });
}

#[test]
fn net_17_a_thousand_at_once_and_a_thousand_given_up_leave_the_pool_as_it_was() {
    in_child(|| {
        for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
            let runtime = builder.max_blocking_threads(4).build().unwrap();
            runtime.block_on(async {
                let all: Vec<_> = (0..1_000).map(|_| mainspring::spawn(lookup_host("localhost:80"))).collect();
                for one in all {
                    assert!(one.await.unwrap().unwrap().len() > 0);
                }
                for _ in 0..1_000 {
                    drop(once(lookup_host("localhost:80")).await); // mostly before the answer is there
                }
                // Those that no thread had begun were taken back, so this need not wait for a thousand answers.
                assert_eq!(spawn_blocking(|| 42).await.unwrap(), 42);
            });
            let report = runtime.shutdown_timeout(PATIENCE);
            assert!(report.is_complete(), "{report:?}");
        }
    });
}

#[test]
fn net_17_in_a_simulation_a_name_is_refused_and_a_literal_is_not() {
    Builder::new_simulated(1).build().unwrap().block_on(async {
        assert_eq!(lookup_host("localhost:80").await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(lookup_host("127.0.0.1:80").await.is_ok());
    });
}

/// An address where nobody answers, not even with a refusal: the queue of the listener is full, and the kernel drops
/// what comes. It lasts as long as what is returned beside it.
fn silent() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    loop {
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        match client.connect_timeout(&address.into(), std::time::Duration::from_millis(200)) {
            Ok(()) => clients.push(client),
            Err(_) => return (address, (listener, clients)),
        }
    }
}

#[test]
fn net_04_an_address_that_does_not_answer_holds_nobody_up() {
    everywhere(|| async {
        let (silent, _guard) = silent();
        let listener = listen().await;
        let open = listener.local_addr().unwrap();
        let closed = super::kit::listen().await.local_addr().unwrap();
        for list in [&[silent, open][..], &[silent, closed, open], &[closed, silent, open], &[open, silent]] {
            let attempt = timeout(PATIENCE, TcpStream::connect(list)).await;
            let stream = attempt.expect("the system's own patience lasts two minutes").unwrap();
            assert_eq!(stream.peer_addr().unwrap(), open);
        }
        // Dropped half way, with several attempts under way: nothing is left but what the next test would find.
        assert!(timeout(std::time::Duration::from_millis(600), TcpStream::connect(&[silent; 4][..])).await.is_err());
    });
}
