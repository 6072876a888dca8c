//! Descriptors of other owners.
//!
//! Cases of the catalogue: MIS-05, RCT-04, RCT-05, RCT-07, RCT-14.

use super::kit::{Bell, everywhere, once};
use crate::{PATIENCE, in_child};
use mainspring::net::{AsyncFd, Interest};
use mainspring::runtime::{Builder, Runtime};
use mainspring::time::timeout;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem;
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
fn mis_05_two_may_watch_one_descriptor_and_the_end_of_one_is_not_the_others() {
    everywhere(|| async {
        let (near, mut far) = pair();
        let (first, second) = (AsyncFd::new(near.as_fd()).unwrap(), AsyncFd::new(near.as_fd()).unwrap());
        assert!(once(first.readable()).await.is_none() && once(second.readable()).await.is_none());
        far.write_all(b"x").unwrap();
        let _both = (first.readable().await.unwrap(), second.readable().await.unwrap());
        drop(first);
        (&near).read_exact(&mut [0]).unwrap();
        second.readable().await.unwrap().clear_ready();
        far.write_all(b"y").unwrap();
        let _ready = second.readable().await.unwrap();
    });
}

#[test]
fn mis_05_two_of_one_descriptor_meet_on_one_driver() {
    let (home, other) =
        (Builder::new_current_thread().build().unwrap(), Builder::new_current_thread().build().unwrap());
    let (near, mut far) = pair();
    let watch = |runtime: &Runtime| runtime.block_on(async { AsyncFd::new(near.as_fd()).unwrap() });
    let (first, second) = (watch(&home), watch(&other));
    // A wait in another runtime takes the source there, where the first of them is watched already.
    home.block_on(async {
        assert!(once(first.readable()).await.is_none());
        assert!(once(second.readable()).await.is_none());
        far.write_all(b"x").unwrap();
        let _both = (first.readable().await.unwrap(), second.readable().await.unwrap());
    });
}

#[test]
fn rct_07_another_descriptor_put_in_its_place_leaves_the_next_owner_of_the_number_alone() {
    // In a process of its own: nobody else may be given the number in between.
    in_child(|| {
        everywhere(|| async {
            let (near, _far) = pair();
            let mut watched = AsyncFd::new(near).unwrap();
            let number = watched.as_fd().as_raw_fd();
            drop(mem::replace(watched.get_mut(), pair().0));
            // A stranger is given the number that was free, and is watched by the same worker.
            let (one, two) = mainspring::net::UnixStream::pair().unwrap();
            let numbers = [&one, &two].map(|end| end.try_as_fd().unwrap().as_raw_fd());
            assert!(numbers.contains(&number), "nothing is tested: {numbers:?} are not {number}");
            let (stranger, friend) = if numbers[0] == number { (one, two) } else { (two, one) };
            assert!(once(stranger.read(&mut [0])).await.is_none());
            drop(watched);
            friend.write_all(b"x").await.unwrap();
            let read = timeout(PATIENCE, stranger.read(&mut [0])).await;
            assert_eq!(read.expect("it hears of its data").unwrap(), 1);
        });
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
                mem::forget(near.into_inner()); // it ends its registration, which is gone already
                close(number);
                mem::forget(far);
            }
        });
    });
}

#[test]
#[should_panic(expected = "needs a runtime")]
fn outside_a_runtime_it_says_what_is_missing() {
    let _ = AsyncFd::new(pair().0);
}
