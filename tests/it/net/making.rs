//! What a socket is made of: its options, its way from std and back, and what is refused as an address or a socket.
//!
//! Cases of the catalogue: MIS-05, MIS-06, NET-18, RCT-10.

use super::kit::{everywhere, listen, once, pair};
use mainspring::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use mainspring::net::{TcpListener, TcpSocket, TcpStream};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

static_assertions::assert_impl_all!(TcpStream: Send, Sync, Unpin);
static_assertions::assert_impl_all!(TcpListener: Send, Sync, Unpin);
static_assertions::assert_impl_all!(TcpSocket: Send, Sync);
static_assertions::assert_impl_all!(OwnedReadHalf: Send, Sync);
static_assertions::assert_impl_all!(OwnedWriteHalf: Send, Sync);
static_assertions::assert_impl_all!(ReadHalf<'static>: Send, Sync);
static_assertions::assert_impl_all!(WriteHalf<'static>: Send, Sync);
static_assertions::assert_impl_all!(mainspring::net::tcp::Read<'static, TcpStream>: Send, Sync, Unpin);
static_assertions::assert_impl_all!(mainspring::net::tcp::Accept<'static>: Send, Sync, Unpin);
static_assertions::assert_impl_all!(mainspring::net::tcp::Connect: Send, Sync, Unpin);

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
fn mis_06_what_is_no_address_is_an_error_that_says_so() {
    everywhere(|| async {
        for address in ["", "127.0.0.1", "127.0.0.1:65536", "1.2.3:80", "[::1", "fe80::1%lo:80"] {
            let error = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("{address:?}")), "{error}");
            assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let listener = TcpListener::bind("127.0.0.1:0".to_string()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    });
}
