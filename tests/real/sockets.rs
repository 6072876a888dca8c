//! Servers in bad times: no descriptors left, peers that are gone, clients that come and go.
//!
//! Cases of the catalogue: NET-07, NET-10, NET-16.

use crate::kit::{everywhere, in_block_on, join_all, listen, multi_thread, tcp_pair};
use crate::probe::{self, Holdings, Limit, cpu_time_during, eventually};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Runtime;
use mainspring::task::yield_now;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

cases! { CASES:
    60 => [
        net_07_without_descriptors_a_server_reports_it_and_rests_and_goes_on_when_there_are_some,
        net_10_writing_to_closed_peers_is_an_error_where_sigpipe_has_its_default,
        net_16_five_thousand_connections_come_and_go_and_leave_nothing_behind,
    ],
}

/// A server as users write it: reports an error and goes on. It greets each client with a byte and hangs up.
async fn serve(listener: TcpListener, errors: Arc<AtomicUsize>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => stream.write_all(b"!").await.expect("the client waits for it"),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                errors.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

fn without_descriptors(runtime: &Runtime) {
    let errors = Arc::new(AtomicUsize::new(0));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
    let address = listener.local_addr().expect("it is bound");
    let server = runtime.spawn(serve(TcpListener::from_std(listener).expect("it is TCP"), errors.clone()));
    let connect = || std::net::TcpStream::connect(address).expect("it listens");
    assert_eq!(connect().read(&mut [0; 2]).expect("it greets"), 1);
    // Sockets for the clients are made first, and then there is no descriptor for the server's ends.
    let clients: Vec<_> =
        (0..10).map(|_| socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)).collect();
    let usual = probe::set_limit(Limit::Descriptors, 3);
    let clients: Vec<std::net::TcpStream> = clients
        .into_iter()
        .map(|client| {
            let client = client.expect("descriptors were to be had");
            client.connect(&SocketAddr::into(address)).expect("the kernel answers for the server");
            client.into()
        })
        .collect();
    eventually("the server hears that there are no descriptors", || errors.load(Ordering::SeqCst) > 0);
    let before = errors.load(Ordering::SeqCst);
    let used = cpu_time_during(Duration::from_secs(2));
    let more = errors.load(Ordering::SeqCst) - before;
    probe::set_limit(Limit::Descriptors, usual.max(1_024));
    assert!(used < Duration::from_millis(400), "{used:?} of processor time in two seconds without descriptors");
    assert!((1..2_000).contains(&more), "{more} errors in two seconds");
    for mut client in clients {
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("it can have one");
        assert_eq!(client.read(&mut [0; 2]).expect("the server goes on"), 1);
    }
    assert!(!server.is_finished());
    server.abort();
}

fn net_07_without_descriptors_a_server_reports_it_and_rests_and_goes_on_when_there_are_some() {
    without_descriptors(&multi_thread(2));
    in_block_on(without_descriptors);
}

fn net_10_writing_to_closed_peers_is_an_error_where_sigpipe_has_its_default() {
    probe::die_of_sigpipe();
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let tasks = (0..50).map(|_| {
                mainspring::spawn(async {
                    let (near, far) = tcp_pair().await;
                    drop(far);
                    let error = loop {
                        match near.write(b"x").await {
                            Ok(_) => yield_now().await,
                            Err(error) => break error.kind(),
                        }
                    };
                    assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error), "{error}");
                    near.try_write(b"x").expect_err("it stays closed").kind()
                })
            });
            let kinds = join_all(tasks.collect::<Vec<_>>()).await;
            assert_eq!(kinds, vec![ErrorKind::BrokenPipe; 50]);
        });
    });
}

fn net_16_five_thousand_connections_come_and_go_and_leave_nothing_behind() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let listener = listen().await;
            let address = listener.local_addr().expect("it is bound");
            let server = mainspring::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("clients come");
                    drop(mainspring::spawn(async move {
                        let mut buf = [0; 4];
                        stream.read_exact(&mut buf).await.expect("the client writes as much");
                        stream.write_all(&buf).await.expect("the client reads it");
                    }));
                }
            });
            clients(address, 500).await;
            let before = Holdings::now();
            clients(address, 2_500).await;
            before.assert_flat(2_048);
            server.abort();
        });
    });
}

/// So many clients, ten at a time.
async fn clients(address: SocketAddr, count: u32) {
    let lanes = (0..10).map(|lane| {
        mainspring::spawn(async move {
            for number in (lane..count).step_by(10) {
                let stream = TcpStream::connect(address).await.expect("it listens");
                stream.write_all(&number.to_be_bytes()).await.expect("the server reads it");
                let mut back = [0; 4];
                stream.read_exact(&mut back).await.expect("the server answers");
                assert_eq!(back, number.to_be_bytes());
            }
        })
    });
    join_all(lanes.collect::<Vec<_>>()).await;
}
