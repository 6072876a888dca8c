//! Servers in bad times: no descriptors left, peers that are gone, clients that come and go.
//!
//! Cases of the catalogue: NET-07, NET-10, NET-14, NET-15, NET-16, RES-01.

use crate::kit::{echo, everywhere, in_block_on, join_all, listen, multi_thread, tcp_pair};
use crate::probe::{self, Holdings, Limit, cpu_time_during, eventually};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Runtime;
use mainspring::sync::Semaphore;
use mainspring::task::yield_now;
use mainspring::time::{sleep, timeout};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

cases! { CASES:
    120 => [
        net_07_without_descriptors_a_server_reports_it_and_rests_and_goes_on_when_there_are_some,
        net_10_writing_to_closed_peers_is_an_error_where_sigpipe_has_its_default,
        net_14_who_writes_to_a_reader_that_has_stalled_waits_and_takes_no_memory,
        net_15_five_thousand_clients_that_dribble_do_not_hold_up_the_others,
        res_01_a_thousand_tasks_that_share_64_descriptors_get_errors_and_recover,
    ],
    // Ten million in each flavour, where the size of a night is asked for.
    7_200 => [net_16_thousands_of_connections_come_and_go_and_leave_nothing_behind],
}

/// The catalogue's sizes, where `MAINSPRING_FULL` is set.
fn is_full() -> bool {
    std::env::var_os("MAINSPRING_FULL").is_some()
}

/// Those of a night, where it is set to that.
fn is_night() -> bool {
    std::env::var_os("MAINSPRING_FULL").is_some_and(|value| value == "night")
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

fn net_16_thousands_of_connections_come_and_go_and_leave_nothing_behind() {
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
            clients(
                address,
                if is_night() {
                    10_000_000
                } else if is_full() {
                    100_000
                } else {
                    2_500
                },
            )
            .await;
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

fn net_14_who_writes_to_a_reader_that_has_stalled_waits_and_takes_no_memory() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let (near, far) = tcp_pair().await;
            let written = Arc::new(AtomicUsize::new(0));
            let count = written.clone();
            let writer = mainspring::spawn(async move {
                let chunk = vec![7; 64 << 10];
                // Until the reader has gone.
                while let Ok(some) = near.write(&chunk).await {
                    count.fetch_add(some, Ordering::SeqCst);
                }
            });
            let mut before = written.load(Ordering::SeqCst);
            loop {
                sleep(Duration::from_millis(50)).await;
                let now = written.load(Ordering::SeqCst);
                if now == before && now > 0 {
                    break;
                }
                before = now;
            }
            let held = Holdings::now();
            sleep(Duration::from_secs(if is_full() { 30 } else { 1 })).await;
            assert_eq!(written.load(Ordering::SeqCst), before, "the kernel took more although nobody reads");
            held.assert_flat(512);
            assert!(!writer.is_finished());
            // The reader goes on: all of it is there, and then more comes.
            let (mut got, mut buf) = (0, vec![0; 64 << 10]);
            while got <= before {
                got += far.read(&mut buf).await.expect("the writer waits");
            }
            drop(far);
            writer.await.expect("it ends with the connection");
        });
    });
}

/// So many clients that dribble, and so often: each a byte in ten seconds.
const SLOW: usize = 5_000;
const EVERY: Duration = Duration::from_secs(10);

fn net_15_five_thousand_clients_that_dribble_do_not_hold_up_the_others() {
    probe::set_limit(Limit::Descriptors, 2 * SLOW as u64 + 100);
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let listener = listen().await;
            let address = listener.local_addr().expect("it is bound");
            let server = mainspring::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("descriptors are to be had");
                    drop(mainspring::spawn(echo(stream)));
                }
            });
            let (dribbled, door) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(64)));
            let slow = (0..SLOW).map(|n| mainspring::spawn(dribble(address, n, dribbled.clone(), door.clone())));
            let slow: Vec<_> = slow.collect();
            while dribbled.load(Ordering::SeqCst) < SLOW {
                sleep(Duration::from_millis(1)).await;
            }
            let fast = TcpStream::connect(address).await.expect("it listens");
            let first = dribbled.load(Ordering::SeqCst);
            // How many were served before each of these: no matter how slow the machine is, whoever is not held up by the
            // others sees few of them go by. A thousand at least, and until somebody has dribbled.
            let mut overtaken = Vec::new();
            while overtaken.len() < 1_000 || dribbled.load(Ordering::SeqCst) - first < 50 {
                let (round, before) = (overtaken.len() as u32, dribbled.load(Ordering::SeqCst));
                fast.write_all(&round.to_be_bytes()).await.expect("the server reads it");
                let mut back = [0; 4];
                fast.read_exact(&mut back).await.expect("the server answers");
                assert_eq!(back, round.to_be_bytes());
                overtaken.push(dribbled.load(Ordering::SeqCst) - before);
            }
            overtaken.sort_unstable();
            let at = |part: usize| overtaken[overtaken.len() * part / 100];
            assert!(at(50) <= 10 && at(99) <= SLOW / 10, "{} and {} went first", at(50), at(99));
            slow.iter().chain([&server]).for_each(|task| task.abort());
        });
    });
}

/// Sends a byte now and then, for ever, and takes what comes back. They begin one after the other.
async fn dribble(address: SocketAddr, n: usize, dribbled: Arc<AtomicUsize>, door: Arc<Semaphore>) {
    let at_the_door = door.acquire().await.expect("nobody closes it");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let exchange = async || {
        stream.write_all(b".").await.expect("the server reads it");
        stream.read_exact(&mut [0]).await.expect("the server answers");
        dribbled.fetch_add(1, Ordering::SeqCst);
    };
    exchange().await;
    drop(at_the_door);
    sleep(EVERY * n as u32 / SLOW as u32).await;
    loop {
        exchange().await;
        sleep(EVERY).await;
    }
}

/// What came of some exchanges: served, refused for want of descriptors, and given up.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    refused: usize,
    given_up: usize,
}

fn res_01_a_thousand_tasks_that_share_64_descriptors_get_errors_and_recover() {
    everywhere(&[2], |runtime| {
        let usual = probe::set_limit(Limit::Descriptors, 64);
        let errors = Arc::new(AtomicUsize::new(0));
        let fds = probe::fds();
        runtime.block_on(async {
            let listener = listen().await;
            let address = listener.local_addr().expect("it is bound");
            let server = mainspring::spawn(serve(listener, errors.clone()));
            let crowd = exchanges(address, 1_000).await;
            assert_eq!(crowd.served + crowd.refused + crowd.given_up, 1_000);
            assert!(crowd.refused > 0 && errors.load(Ordering::SeqCst) > 0, "there were enough descriptors: {crowd:?}");
            assert!(crowd.served > 0, "{crowd:?}");
            // The listener may have a rest of 20 ms left. Then all is as if nothing had been.
            sleep(Duration::from_millis(50)).await;
            let few = exchanges(address, 10).await;
            assert_eq!((few.served, few.refused, few.given_up), (10, 0, 0), "it does not recover from {crowd:?}");
            server.abort();
            assert!(server.await.expect_err("it was aborted").is_cancelled());
        });
        eventually("all descriptors are closed", || probe::fds() == fds);
        probe::set_limit(Limit::Descriptors, usual.max(1_024));
    });
}

/// So many clients, one a millisecond, who have little patience, and who stay for a while: so that there are some two hundred
/// at a time, each with a descriptor, while the server needs one for each as well.
async fn exchanges(address: SocketAddr, count: usize) -> Tally {
    let clients = (0..count).map(|n| {
        mainspring::spawn(async move {
            sleep(Duration::from_millis(n as u64)).await;
            let visit = timeout(Duration::from_millis(200), async move {
                let stream = TcpStream::connect(address).await?;
                stream.read_exact(&mut [0]).await?;
                Ok(stream)
            });
            let outcome: Result<std::io::Result<TcpStream>, _> = visit.await;
            if let Ok(Ok(_open)) = &outcome {
                sleep(Duration::from_millis(200)).await;
            }
            outcome.map(|visited| visited.map(drop))
        })
    });
    let mut tally = Tally::default();
    for outcome in join_all(clients.collect::<Vec<_>>()).await {
        match outcome {
            Ok(Ok(_)) => tally.served += 1,
            Ok(Err(error)) if error.raw_os_error() == Some(libc::EMFILE) => tally.refused += 1,
            Ok(Err(error)) => panic!("{error}"),
            // The server had no descriptor for it in time.
            Err(_) => tally.given_up += 1,
        }
    }
    tally
}
