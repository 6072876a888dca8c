//! UDP: messages of every length, errors that pass, several who wait, groups.
//!
//! Cases of the catalogue: MIS-05, NET-11, NET-18, RCT-04, RCT-05, RCT-10.

use super::kit::{Bell, bytes, everywhere, once};
use crate::PATIENCE;
use mainspring::net::UdpSocket;
use mainspring::task::yield_now;
use mainspring::time::timeout;
use socket2::SockRef;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// Two sockets, each the other's peer.
async fn pair() -> (UdpSocket, UdpSocket) {
    let (near, far) = (socket().await, socket().await);
    near.connect(far.local_addr().unwrap()).await.unwrap();
    far.connect(near.local_addr().unwrap()).await.unwrap();
    (near, far)
}

#[test]
fn net_11_a_socket_whose_reading_was_shut_down_gives_0_bytes_as_a_blocking_one_does() {
    everywhere(|| async {
        let near = socket().await;
        near.connect(near.local_addr().unwrap()).await.unwrap();
        let mut buf = [0; 8];
        assert!(once(near.recv(&mut buf)).await.is_none());
        SockRef::from(&near.try_as_fd().unwrap()).shutdown(Shutdown::Read).unwrap();
        assert_eq!(timeout(PATIENCE, near.recv(&mut buf)).await.unwrap().unwrap(), 0);
        assert_eq!(near.recv_from(&mut buf).await.unwrap(), (0, near.local_addr().unwrap()));
        assert_eq!(near.peek(&mut buf).await.unwrap(), 0);
        assert_eq!(near.peek_from(&mut buf).await.unwrap().0, 0);
        assert_eq!(near.try_recv(&mut buf).unwrap(), 0);
        assert_eq!(near.try_recv_from(&mut buf).unwrap().0, 0);
        assert_eq!(near.try_peek_from(&mut buf).unwrap().0, 0);
    });
}

#[test]
fn net_11_messages_keep_their_bounds_and_what_is_too_long_is_cut() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let mut buf = vec![0; 70_000];
        for len in [1, 0, 7, 1_500, 0, 65_507] {
            let sent = bytes(len as u64, len);
            assert_eq!(near.send(&sent).await.unwrap(), len);
            assert_eq!(far.recv(&mut buf).await.unwrap(), len);
            assert_eq!(buf[..len], sent);
        }
        assert_eq!(near.send(&buf[..65_508]).await.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        near.send(b"too long").await.unwrap();
        near.send(b"next").await.unwrap();
        assert_eq!(far.recv(&mut buf[..3]).await.unwrap(), 3, "cut");
        assert_eq!(far.recv(&mut []).await.unwrap(), 0, "an empty buffer takes a message too");
        near.send(b"").await.unwrap();
        assert_eq!(far.recv_from(&mut buf).await.unwrap(), (0, near.local_addr().unwrap()));
        assert!(once(far.recv(&mut buf)).await.is_none(), "an empty message is no end");
    });
}

#[test]
fn net_11_without_a_peer_each_message_has_its_own() {
    everywhere(|| async {
        let (server, a, b) = (socket().await, socket().await, socket().await);
        let address = server.local_addr().unwrap();
        assert_eq!(server.send(b"x").await.unwrap_err().raw_os_error(), Some(libc::EDESTADDRREQ));
        assert_eq!(server.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        let mut buf = [0; 8];
        for client in [&a, &b, &a] {
            client.send_to(b"me", address).await.unwrap();
            server.readable().await.unwrap();
            assert_eq!(server.try_peek_from(&mut buf).unwrap(), (2, client.local_addr().unwrap()));
            assert_eq!(server.peek_from(&mut buf).await.unwrap(), (2, client.local_addr().unwrap()));
            assert_eq!(server.peek(&mut buf).await.unwrap(), 2);
            let (count, peer) = server.recv_from(&mut buf).await.unwrap();
            assert_eq!((count, peer), (2, client.local_addr().unwrap()));
            server.send_to(b"you", peer).await.unwrap();
            assert_eq!(client.recv(&mut buf).await.unwrap(), 3);
        }
        let named = format!("localhost:{}", address.port());
        if mainspring::net::lookup_host(&named).await.unwrap().next().unwrap().is_ipv4() {
            a.send_to(b"by name", &named).await.unwrap();
            assert_eq!(server.recv(&mut buf).await.unwrap(), 7);
        }
        let nobody: &[SocketAddr] = &[];
        assert_eq!(a.send_to(b"x", nobody).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        // With a peer, only that one is heard.
        server.connect(a.local_addr().unwrap()).await.unwrap();
        b.send_to(b"unheard", address).await.unwrap();
        a.send_to(b"heard", address).await.unwrap();
        assert_eq!(server.recv(&mut buf).await.unwrap(), 5);
    });
}

#[test]
fn net_11_that_nobody_is_there_is_reported_once_and_then_the_socket_goes_on() {
    everywhere(|| async {
        let near = socket().await;
        let gone = socket().await.local_addr().unwrap();
        near.connect(gone).await.unwrap();
        let mut buf = [0; 8];
        for round in 0..3 {
            assert!(once(near.recv(&mut buf)).await.is_none(), "round {round}");
            near.send(b"anybody?").await.unwrap();
            assert_eq!(near.recv(&mut buf).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
        // An error that is over is no readiness: who waits for that, in a loop with `try_recv`, does not spin.
        assert_eq!(near.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(once(near.readable()).await.is_none());
        let far = UdpSocket::bind(gone).await.unwrap();
        far.send_to(b"yes", near.local_addr().unwrap()).await.unwrap();
        assert_eq!(near.recv(&mut buf).await.unwrap(), 3);
        assert!(near.take_error().unwrap().is_none());
    });
}

#[test]
fn rct_04_all_who_poll_are_woken_and_each_has_one_place() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let bells: Vec<Arc<Bell>> = (0..8).map(|_| Arc::default()).collect();
        let mut buf = [0; 8];
        for _ in 0..3 {
            for bell in &bells {
                let waker = Waker::from(bell.clone());
                let mut cx = Context::from_waker(&waker);
                assert!(near.poll_recv_from(&mut cx, &mut buf).is_pending());
                assert!(near.poll_recv_ready(&mut cx).is_pending());
                assert!(near.poll_recv(&mut cx, &mut buf).is_pending());
                assert!(near.poll_peek_from(&mut cx, &mut buf).is_pending());
            }
        }
        assert!(format!("{near:?}").contains("waiting_to_read: 8"), "{near:?}");
        far.send(b"for one").await.unwrap();
        near.readable().await.unwrap();
        for bell in &bells {
            assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        }
        assert_eq!(poll_fn(|cx| near.poll_recv(cx, &mut buf)).await.unwrap(), 7);
        // Tasks without number: who makes room is woken, and then there is room for twice as many, until the next event.
        for count in 0..1_000 {
            let waker = Waker::from(bells[count % 8].clone());
            let many = Waker::from(Arc::new(Bell::default()));
            assert!(near.poll_recv(&mut Context::from_waker(&waker), &mut buf).is_pending());
            assert!(near.poll_recv(&mut Context::from_waker(&many), &mut buf).is_pending());
        }
        let woken: usize = bells.iter().map(|bell| bell.0.load(Ordering::SeqCst)).sum();
        assert!((9..=40).contains(&woken), "seldom, and not never: {woken}");
        poll_fn(|cx| near.poll_send_ready(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| near.poll_send(cx, b"a")).await.unwrap(), 1);
        let peer = far.local_addr().unwrap();
        assert_eq!(poll_fn(|cx| near.poll_send_to(cx, b"bc", peer)).await.unwrap(), 2);
        assert_eq!((far.recv(&mut buf).await.unwrap(), far.recv(&mut buf).await.unwrap()), (1, 2));
    });
}

#[test]
fn rct_05_recv_that_loses_leaves_no_waiter_and_many_receivers_share_the_messages() {
    everywhere(|| async {
        let (near, far) = pair().await;
        for _ in 0..10_000 {
            assert!(once(near.recv(&mut [0; 8])).await.is_none());
        }
        assert!(format!("{near:?}").contains("waiting_to_read: 0"), "{near:?}");
        let near = Arc::new(near);
        let receivers: Vec<_> = (0..10)
            .map(|_| {
                let near = near.clone();
                mainspring::spawn(async move { near.recv(&mut [0; 8]).await.unwrap() })
            })
            .collect();
        for _ in 0..10 {
            far.send(b"one").await.unwrap();
            yield_now().await;
        }
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), 3);
        }
        assert_eq!(near.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(far.try_send(b"again").unwrap(), 5);
        near.readable().await.unwrap();
        assert_eq!(near.try_recv_from(&mut [0; 8]).unwrap(), (5, far.local_addr().unwrap()));
        far.writable().await.unwrap();
        assert_eq!(far.try_send_to(b"", near.local_addr().unwrap()).unwrap(), 0);
        assert_eq!(near.recv(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn net_18_options_and_groups() {
    everywhere(|| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for on in [true, false] {
            socket.set_broadcast(on).unwrap();
            socket.set_multicast_loop_v4(on).unwrap();
            assert_eq!((socket.broadcast().unwrap(), socket.multicast_loop_v4().unwrap()), (on, on));
        }
        socket.set_ttl(9).unwrap();
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!((socket.ttl().unwrap(), socket.multicast_ttl_v4().unwrap()), (9, 3));
        let group = Ipv4Addr::new(224, 0, 0, 124);
        assert!(socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err(), "it was not joined");
        socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        socket.set_multicast_loop_v4(true).unwrap();
        // Sent on the loopback alone, by a socket that is bound there.
        let sender = super::datagrams::socket().await;
        sender.set_multicast_loop_v4(true).unwrap();
        sender.send_to(b"all", (group, socket.local_addr().unwrap().port())).await.unwrap();
        assert_eq!(socket.recv_from(&mut [0; 8]).await.unwrap(), (3, sender.local_addr().unwrap()));
        socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        let broadcast = (Ipv4Addr::BROADCAST, 9);
        let refused = sender.send_to(b"x", broadcast).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "it was not allowed to");
        assert!(sender.try_as_fd().is_some());
    });
}

#[test]
fn rct_10_and_mis_05_to_std_and_back_and_what_is_no_udp_socket() {
    everywhere(|| async {
        let (mut near, far) = pair().await;
        for round in 0..100_u8 {
            assert!(once(near.recv(&mut [0; 4])).await.is_none());
            let std = near.into_std().unwrap();
            assert_eq!(std.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
            std.set_nonblocking(false).unwrap();
            near = UdpSocket::from_std(std).unwrap();
            far.send(&[round]).await.unwrap();
            assert_eq!(near.recv(&mut [0; 4]).await.unwrap(), 1);
        }
        use std::os::fd::OwnedFd;
        let file = OwnedFd::from(std::fs::File::open("Cargo.toml").unwrap());
        let tcp = OwnedFd::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let unix = OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
        for fd in [file, tcp, unix] {
            assert!(UdpSocket::from_std(fd.into()).is_err());
        }
        assert_eq!(UdpSocket::bind("127.0.0.1").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UdpSocket::bind(near.local_addr().unwrap()).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(UdpSocket::bind("localhost:0").await.is_ok());
    });
}

#[test]
fn rct_04_a_hundred_tasks_that_poll_one_silent_socket_come_to_rest() {
    everywhere(|| async {
        let near = Arc::new(pair().await.0);
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let (near, polls) = (near.clone(), polls.clone());
            drop(mainspring::spawn(poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::SeqCst);
                near.poll_recv(cx, &mut [0; 8]).map(drop)
            })));
        }
        for _ in 0..1_000 {
            mainspring::task::yield_now().await;
        }
        let settled = polls.load(Ordering::SeqCst);
        for _ in 0..1_000 {
            mainspring::task::yield_now().await;
        }
        let polls = polls.load(Ordering::SeqCst) - settled;
        assert!(settled < 2_000 && polls < 100, "they crowd each other out: {settled}, then {polls} more");
    });
}
