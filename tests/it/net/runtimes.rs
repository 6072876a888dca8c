//! A socket and the runtime it was used in: what is left of the one when the other is gone, or is a simulation.
//!
//! Cases of the catalogue: SHD-04, SHD-05.

use super::kit::{Bell, both, listen, once, pair};
use mainspring::net::{TcpListener, TcpSocket, TcpStream};
use mainspring::runtime::Builder;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

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
