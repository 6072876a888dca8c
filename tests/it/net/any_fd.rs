//! Descriptors of other owners.
//!
//! Cases of the catalogue: MIS-05, RCT-04, RCT-05, RCT-14.

use super::kit::{Bell, everywhere, once};
use crate::in_child;
use mainspring::net::{AsyncFd, Interest};
use mainspring::runtime::Builder;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, far)
}

#[test]
fn a_guard_clears_what_it_saw_and_nothing_newer() {
    everywhere(|| async {
        let (near, mut far) = pair();
        let near = AsyncFd::with_interest(near, Interest::READABLE).unwrap();
        assert!(once(near.readable()).await.is_none());
        far.write_all(b"one").unwrap();
        let mut buf = [0; 8];
        let mut guard = near.readable().await.unwrap();
        assert_eq!(guard.try_io(|near| near.get_ref().read(&mut buf)).unwrap().unwrap(), 3);
        assert!(once(near.readable()).await.is_some(), "nobody has said that it is empty");
        assert!(guard.try_io(|near| near.get_ref().read(&mut buf)).is_err());
        assert!(once(near.readable()).await.is_none());
        far.write_all(b"two").unwrap();
        let mut old = near.readable().await.unwrap();
        assert_eq!(old.get_inner().read(&mut buf).unwrap(), 3);
        far.write_all(b"three").unwrap();
        // The event of "three" may come before or after the clear, and is not undone by it in either case.
        old.clear_ready();
        near.readable().await.unwrap().clear_ready();
        assert_eq!(
            near.try_io(Interest::READABLE, |mut near| near.read(&mut buf)).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(old.get_ref().get_ref().read(&mut buf).unwrap(), 5);
        let write = near.async_io(Interest::WRITABLE, |mut near| near.write(b"back"));
        drop(write);
        let mut near = near;
        let inner = near.get_mut().as_raw_fd();
        assert_eq!(near.as_fd().as_raw_fd(), inner);
        drop(near.into_inner());
        assert_eq!(far.read(&mut buf).unwrap(), 0, "closed once, and now");
    });
}

#[test]
fn async_io_waits_in_both_directions_and_rct_05_leaves_no_waiter() {
    everywhere(|| async {
        let (near, mut far) = pair();
        let near = Arc::new(AsyncFd::new(near).unwrap());
        for _ in 0..10_000 {
            assert!(once(near.async_io(Interest::READABLE, |mut near| near.read(&mut [0; 8]))).await.is_none());
        }
        assert!(format!("{near:?}").contains("waiting_to_read: 0"), "{near:?}");
        let writer = mainspring::spawn({
            let near = near.clone();
            async move {
                let mut left = 1 << 20;
                while left > 0 {
                    let zeros = vec![0; left];
                    left -= near.async_io(Interest::WRITABLE, |mut near| near.write(&zeros)).await.unwrap();
                }
            }
        });
        let reader = std::thread::spawn(move || {
            far.read_exact(&mut vec![0; 1 << 20]).unwrap();
            far.write_all(b"thanks").unwrap();
            far
        });
        let mut buf = [0; 8];
        assert_eq!(near.async_io(Interest::READABLE, |mut near| near.read(&mut buf)).await.unwrap(), 6);
        writer.await.unwrap();
        let _ready = near.writable().await.unwrap();
        drop(reader.join().unwrap());
        assert_eq!(near.async_io(Interest::READABLE, |mut near| near.read(&mut buf)).await.unwrap(), 0);
    });
}

#[test]
fn rct_04_all_who_poll_are_woken() {
    everywhere(|| async {
        let (near, mut far) = pair();
        let near = AsyncFd::new(near).unwrap();
        let bells: Vec<Arc<Bell>> = (0..4).map(|_| Arc::default()).collect();
        for bell in bells.iter().chain(&bells) {
            let waker = Waker::from(bell.clone());
            assert!(near.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        }
        far.write_all(b"x").unwrap();
        let _ready = near.readable().await.unwrap();
        assert!(bells.iter().all(|bell| bell.0.load(Ordering::SeqCst) == 1));
        assert!(near.poll_write_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    });
}

#[test]
fn mis_05_and_rct_14_what_cannot_be_waited_for_is_refused_with_a_reason() {
    everywhere(|| async {
        use std::os::unix::fs::OpenOptionsExt;
        let open = |path| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
        for path in ["Cargo.toml", "src", "/dev/null"] {
            let error = AsyncFd::with_interest(open(path), Interest::READABLE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{path}");
            assert!(error.to_string().contains("always ready"), "{error}");
        }
        let (blocking, _far) = UnixStream::pair().unwrap();
        let error = AsyncFd::new(blocking).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("O_NONBLOCK"), "{error}");
        // Somebody else watches it already: the second is told, and the first goes on.
        let (near, mut far) = pair();
        let first = AsyncFd::new(near.as_fd()).unwrap();
        assert_eq!(AsyncFd::new(near.as_fd()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        far.write_all(b"x").unwrap();
        let _ready = first.readable().await.unwrap();
    });
    let simulated = Builder::new_simulated(1).build().unwrap();
    simulated.block_on(async {
        assert_eq!(AsyncFd::new(pair().0).unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn mis_05_a_descriptor_that_was_closed_behind_our_back_is_an_error_and_no_more() {
    in_child(|| {
        #[allow(unsafe_code, reason = "the misuse that is tested")]
        fn close(fd: i32) {
            // SAFETY: nobody in this process uses the descriptor afterwards but by its number, in calls that then fail.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
        Builder::new_current_thread().build().unwrap().block_on(async {
            for _ in 0..1_000 {
                let (near, far) = pair();
                let number = far.as_raw_fd();
                let near = AsyncFd::new(near).unwrap();
                assert!(once(near.readable()).await.is_none());
                close(near.as_fd().as_raw_fd());
                std::mem::forget(near.into_inner()); // it ends its registration, which is gone already
                close(number);
                std::mem::forget(far);
            }
        });
    });
}

#[test]
#[should_panic(expected = "needs a runtime")]
fn outside_a_runtime_it_says_what_is_missing() {
    let _ = AsyncFd::new(pair().0);
}
