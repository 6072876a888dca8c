//! Unix sockets: streams, listeners, datagrams, their names, and descriptors in messages.
//!
//! Cases of the catalogue: MIS-05, NET-01, NET-02, NET-06, NET-09, NET-10, NET-12, NET-13, RCT-10.

use super::kit::{both, bytes, everywhere, once};
use crate::PATIENCE;
use mainspring::net::unix::ReuniteError;
use mainspring::net::{UnixDatagram, UnixListener, UnixStream};
use mainspring::task::yield_now;
use mainspring::time::timeout;
use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{env, process};

/// A path where nothing is; what is there at the end is removed.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        Self(env::temp_dir().join(format!("mainspring-it-{}-{number}", process::id())))
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn net_01_an_echo_gives_back_what_it_got_while_both_directions_are_busy() {
    everywhere(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        let server = mainspring::spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            assert!(peer.is_unnamed());
            let mut buf = vec![0; 10_000];
            loop {
                match stream.read(&mut buf).await.unwrap() {
                    0 => return,
                    count => stream.write_all(&buf[..count]).await.unwrap(),
                }
            }
        });
        let client = UnixStream::connect(&place).await.unwrap();
        let (sent, mut got) = (bytes(1, 3 << 20), vec![0; 3 << 20]);
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        both(send, client.read_exact(&mut got)).await.1.unwrap();
        assert!(sent == got);
        assert_eq!(client.read(&mut got).await.unwrap(), 0);
        server.await.unwrap();
    });
}

#[test]
fn net_12_a_full_backlog_is_waited_for_and_connected_means_connected() {
    everywhere(|| async {
        let place = Place::new();
        let raw = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        raw.bind(&socket2::SockAddr::unix(&place).unwrap()).unwrap();
        raw.listen(0).unwrap();
        let listener = UnixListener::from_std(raw.into()).unwrap();
        let mut clients = Vec::new();
        while let Some(client) = once(UnixStream::connect(&place)).await {
            clients.push(client.unwrap());
        }
        assert!(!clients.is_empty() && clients.len() < 10, "{}", clients.len());
        assert!(timeout(Duration::from_millis(20), UnixStream::connect(&place)).await.is_err());
        let late = mainspring::spawn(UnixStream::connect(place.0.clone()));
        let mut servers = Vec::new();
        for _ in 0..=clients.len() {
            servers.push(timeout(PATIENCE, listener.accept()).await.expect("all come").unwrap().0);
        }
        clients.push(late.await.unwrap().unwrap());
        for (client, server) in clients.iter().zip(&servers) {
            assert!(client.peer_addr().unwrap().as_pathname().is_some());
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 1);
        }
        assert!(once(listener.accept()).await.is_none(), "those who gave up left nothing behind");
    });
}

#[test]
fn net_12_names_that_are_too_long_stale_taken_empty_or_unknown() {
    everywhere(|| async {
        let place = Place::new();
        let kind = |error: std::io::Error| error.kind();
        assert_eq!(UnixStream::connect(&place).await.map_err(kind).unwrap_err(), ErrorKind::NotFound);
        drop(UnixListener::bind(&place).unwrap());
        assert_eq!(UnixStream::connect(&place).await.map_err(kind).unwrap_err(), ErrorKind::ConnectionRefused);
        assert_eq!(UnixListener::bind(&place).map_err(kind).unwrap_err(), ErrorKind::AddrInUse);
        fs::remove_file(&place).unwrap();
        let _listener = UnixListener::bind(&place).unwrap();
        assert!(UnixDatagram::unbound().unwrap().connect(&place).is_err(), "it takes no datagrams");
        let long = format!("/tmp/{}", "a".repeat(200));
        for name in [long.as_str(), "", "/tmp/a\0b"] {
            assert_eq!(UnixListener::bind(name).map_err(kind).unwrap_err(), ErrorKind::InvalidInput, "{name:?}");
            assert_eq!(UnixDatagram::bind(name).map_err(kind).unwrap_err(), ErrorKind::InvalidInput, "{name:?}");
            assert_eq!(UnixStream::connect(name).await.map_err(kind).unwrap_err(), ErrorKind::InvalidInput);
            let socket = UnixDatagram::unbound().unwrap();
            assert_eq!(socket.send_to(b"x", name).await.map_err(kind).unwrap_err(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn net_12_names_outside_the_file_system() {
    everywhere(|| async {
        let name = format!("\0mainspring-it-{}", process::id());
        if cfg!(mainspring_plain) {
            assert_eq!(UnixListener::bind(&name).unwrap_err().kind(), ErrorKind::Unsupported);
            return;
        }
        let listener = UnixListener::bind(&name).unwrap();
        assert_eq!(UnixListener::bind(&name).unwrap_err().kind(), ErrorKind::AddrInUse);
        let address = listener.local_addr().unwrap();
        assert!(address.as_pathname().is_none() && !address.is_unnamed());
        for client in [UnixStream::connect(&name).await.unwrap(), UnixStream::connect_addr(&address).await.unwrap()] {
            let server = listener.accept().await.unwrap().0;
            server.write_all(b"hi").await.unwrap();
            assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 2);
        }
        drop(listener);
        assert_eq!(UnixStream::connect(&name).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        UnixListener::bind_addr(&address).expect("such a name is free when its socket is gone");
        let nameless = UnixDatagram::unbound().unwrap().local_addr().unwrap();
        assert_eq!(UnixListener::bind_addr(&nameless).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn net_12_descriptors_arrive_with_their_byte_and_are_closed_on_exec() {
    everywhere(|| async {
        let (near, far) = UnixStream::pair().unwrap();
        let place = Place::new();
        let mut file = File::options().read(true).write(true).create_new(true).open(&place).unwrap();
        let (mut buf, mut fds) = ([0; 16], Vec::new());
        if cfg!(mainspring_plain) {
            let error = near.send_fds(b"x", &[file.as_fd()]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            return;
        }
        assert_eq!(near.peer_cred().unwrap().pid(), i32::try_from(process::id()).ok());
        assert_eq!(near.peer_cred().unwrap(), far.peer_cred().unwrap());
        near.write_all(b"before").await.unwrap();
        assert_eq!(near.send_fds(b"with", &[file.as_fd(), near.try_as_fd().unwrap()]).await.unwrap(), 4);
        near.write_all(b"after").await.unwrap();
        // The first one stops short after the byte's message, with more behind: who took that for "empty" would wait for ever.
        assert_eq!(far.recv_fds(&mut buf, &mut fds).await.unwrap(), 10);
        assert_eq!((&buf[..10], fds.len()), (&b"beforewith"[..], 2));
        assert_eq!(timeout(PATIENCE, far.read(&mut buf)).await.expect("no byte is lost").unwrap(), 5);
        assert_eq!(&buf[..5], b"after");
        for fd in &fds {
            let flags = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
            let octal = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
            assert!(i32::from_str_radix(octal, 8).unwrap() & libc::O_CLOEXEC != 0, "{flags}");
        }
        File::from(fds.remove(0)).write_all(b"by the other").unwrap();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "by the other");
        // A plain read takes the byte, and the system closes the descriptor.
        near.send_fds(b"x", &[file.as_fd()]).await.unwrap();
        assert_eq!(far.read(&mut buf).await.unwrap(), 1);
        assert_eq!(near.send_fds(b"", &[file.as_fd()]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(near.send_fds(b"x", &[file.as_fd(); 254]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(near.send_fds(b"x", &[file.as_fd(); 253]).await.unwrap(), 1);
        fds.clear();
        assert_eq!(far.recv_fds(&mut buf, &mut fds).await.unwrap(), 1);
        assert_eq!(fds.len(), 253);
        assert_eq!(near.send_fds(b"none", &[]).await.unwrap(), 4);
        assert_eq!(far.recv_fds(&mut [], &mut fds).await.unwrap(), 0);
        assert_eq!(far.recv_fds(&mut buf, &mut fds).await.unwrap(), 4);
        drop(near);
        assert_eq!(far.recv_fds(&mut buf, &mut fds).await.unwrap(), 0, "the end");
        assert_eq!(fds.len(), 253);
    });
}

#[test]
fn net_12_a_datagram_waits_for_room_with_and_without_a_connection_and_none_is_lost() {
    everywhere(|| async {
        let (server_place, client_place) = (Place::new(), Place::new());
        let server = UnixDatagram::bind(&server_place).unwrap();
        let client = UnixDatagram::bind(&client_place).unwrap();
        let mut buf = [0; 16];
        for connected in [false, true] {
            if connected {
                client.connect(&server_place).unwrap();
            }
            let mut sent = 0_u32;
            loop {
                let message = sent.to_le_bytes();
                let outcome =
                    if connected { client.try_send(&message) } else { client.try_send_to(&message, &server_place) };
                match outcome {
                    Ok(_) => sent += 1,
                    Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert!(sent > 0);
            let more = async {
                for number in sent..sent + 50 {
                    let message = number.to_le_bytes();
                    let count = if connected {
                        client.send(&message).await
                    } else {
                        client.send_to(&message, &server_place).await
                    };
                    assert_eq!(count.unwrap(), 4);
                }
            };
            let receive = async {
                for number in 0..sent + 50 {
                    let (count, peer) = server.recv_from(&mut buf).await.unwrap();
                    assert_eq!(
                        (&buf[..count], peer.as_pathname()),
                        (&number.to_le_bytes()[..], Some(&*client_place.0))
                    );
                }
            };
            timeout(PATIENCE, both(more, receive)).await.expect("whoever waits for room hears of it");
        }
        // An answer to whoever sent, by the address; and one who has a peer can wait for room.
        let peer = client.local_addr().unwrap();
        server.send_to_addr(b"answer", &peer).await.unwrap();
        assert_eq!(client.recv(&mut buf).await.unwrap(), 6);
        client.writable().await.unwrap();
        assert_eq!(client.try_send(b"").unwrap(), 0);
        server.readable().await.unwrap();
        assert_eq!(server.try_recv(&mut buf).unwrap(), 0);
        drop(server);
        assert!(client.send(b"x").await.is_err());
        assert_eq!(UnixDatagram::unbound().unwrap().send(b"x").await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn net_12_a_pair_of_datagram_sockets_keeps_the_bounds_of_messages() {
    everywhere(|| async {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut buf = vec![0; 100_000];
        for len in [0, 1, 70_000, 0] {
            let sent = bytes(7, len);
            assert_eq!(near.send(&sent).await.unwrap(), len);
            assert_eq!(std::future::poll_fn(|cx| far.poll_recv(cx, &mut buf)).await.unwrap(), len);
            assert_eq!(buf[..len], sent);
        }
        assert!(once(far.recv(&mut buf)).await.is_none(), "an empty message is no end");
        near.send(b"too long").await.unwrap();
        assert_eq!(far.recv(&mut buf[..3]).await.unwrap(), 3);
        assert_eq!(far.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.shutdown(Shutdown::Both).unwrap();
        assert!(near.send(b"x").await.is_err());
    });
}

#[test]
fn net_12_a_datagram_socket_whose_reading_was_shut_down_gives_what_came_before_and_then_the_end() {
    everywhere(|| async {
        let (near, far) = UnixDatagram::pair().unwrap();
        let near = Arc::new(near);
        // Shut down while somebody waits.
        let waiting = mainspring::spawn({
            let near = near.clone();
            async move { near.recv(&mut [0; 8]).await }
        });
        yield_now().await;
        near.shutdown(Shutdown::Read).unwrap();
        assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap(), 0);
        // And asked for in every way afterwards.
        let mut buf = [0; 8];
        assert_eq!(near.recv(&mut buf).await.unwrap(), 0);
        let (count, from) = near.recv_from(&mut buf).await.unwrap();
        assert!(count == 0 && from.is_unnamed());
        near.readable().await.unwrap();
        assert_eq!(near.try_recv(&mut buf).unwrap(), 0);
        assert_eq!(near.try_recv_from(&mut buf).unwrap().0, 0);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(near.poll_recv(&mut cx, &mut buf), Poll::Ready(Ok(0))));
        assert!(near.poll_recv_from(&mut cx, &mut buf).is_ready());
        assert_eq!(far.send(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // Shut down with a message in the queue, before anybody has waited.
        let (near, far) = UnixDatagram::pair().unwrap();
        far.send(b"early").await.unwrap();
        near.shutdown(Shutdown::Both).unwrap();
        assert_eq!(near.recv(&mut buf).await.unwrap(), 5);
        assert_eq!(timeout(PATIENCE, near.recv(&mut buf)).await.unwrap().unwrap(), 0);
        assert_eq!(near.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // A peer that has gone is an error of sending, and no end.
        let (near, far) = UnixDatagram::pair().unwrap();
        assert!(once(near.recv(&mut buf)).await.is_none());
        drop(far);
        assert_eq!(near.send(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(once(near.recv(&mut buf)).await.is_none());
    });
}

#[test]
fn net_09_and_net_02_halves_close_the_stream_once_and_find_each_other_again() {
    everywhere(|| async {
        let ((a, b), (c, d)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let ((a_read, a_write), (c_read, c_write)) = (a.into_split(), c.into_split());
        let ReuniteError(a_read, c_write) = a_read.reunite(c_write).unwrap_err();
        let mut a = a_read.reunite(a_write).unwrap();
        let (read, write) = a.split();
        write.write_all(b"ping").await.unwrap();
        b.write_all(b"pong").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(read.read_exact(&mut buf).await.unwrap(), 4);
        drop(c_write);
        assert_eq!(d.read(&mut buf).await.unwrap(), 0, "dropping the writing half ends that direction");
        d.write_all(b"kept").await.unwrap();
        assert_eq!(c_read.read(&mut buf).await.unwrap(), 4);
        drop(c_read);
        assert_eq!(d.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn net_13_vectored_and_empty_reads_and_writes_are_as_in_std() {
    everywhere(|| async {
        let (near, far) = UnixStream::pair().unwrap();
        assert_eq!(near.read(&mut []).await.unwrap(), 0);
        assert_eq!(near.write(&[]).await.unwrap(), 0);
        assert_eq!(near.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]).await.unwrap(), 5);
        let (mut one, mut two) = ([0; 3], [0; 3]);
        let count = far.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).await.unwrap();
        assert_eq!((count, &one, &two[..2]), (5, b"abc", &b"de"[..]));
        assert_eq!(far.try_read(&mut one).unwrap_err().kind(), ErrorKind::WouldBlock);
        while near.try_write(&[0; 65_536]).is_ok() {}
        assert!(once(near.writable()).await.is_none());
        assert_eq!(near.write(&[]).await.unwrap(), 0);
        drop(far);
        assert_eq!(near.write_vectored(&[IoSlice::new(b"x")]).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(near.try_write_vectored(&[IoSlice::new(b"x")]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn rct_10_and_mis_05_to_std_and_back_and_what_is_no_unix_socket() {
    everywhere(|| async {
        let (mut near, far) = UnixStream::pair().unwrap();
        for _ in 0..100 {
            assert!(once(near.readable()).await.is_none());
            let std = near.into_std().unwrap();
            std.set_nonblocking(false).unwrap();
            near = UnixStream::from_std(std).unwrap();
            far.write_all(b"x").await.unwrap();
            assert_eq!(near.read(&mut [0; 4]).await.unwrap(), 1);
        }
        let file = || OwnedFd::from(File::open("Cargo.toml").unwrap());
        let tcp = || OwnedFd::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let stream = || OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0);
        let datagram = || OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
        for fd in [file(), tcp(), datagram()] {
            assert!(UnixStream::from_std(fd.into()).is_err());
        }
        for fd in [file(), tcp(), datagram()] {
            assert!(UnixListener::from_std(fd.into()).is_err());
        }
        for fd in [file(), tcp(), stream()] {
            assert!(UnixDatagram::from_std(fd.into()).is_err());
        }
    });
}
