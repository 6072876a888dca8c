//! Readiness that promises too much or comes all at once.
//!
//! Cases of the catalogue: RCT-11, RCT-21.

#![allow(unsafe_code, reason = "sends urgent data and reads behind the runtime, as no safe call can")]

use super::kit::{everywhere, once, pair};
use mainspring::task::yield_now;
use std::net::Shutdown;
use std::os::fd::AsRawFd;

#[test]
fn rct_11_readiness_without_data_is_taken_back_and_the_reader_sleeps_again() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let mut buf = [0; 8];
        assert!(once(near.read(&mut buf)).await.is_none(), "registered, and waiting");
        far.write_all(b"tick").await.unwrap();
        near.readable().await.unwrap();
        // The data is taken behind the runtime's back: what the word promises is no longer so.
        let stolen = near.try_as_fd().expect("a real socket").as_raw_fd();
        let mut other = [0_u8; 8];
        // SAFETY: the descriptor is open for as long as `near` lives, and the buffer is ours.
        let taken = unsafe { libc::recv(stolen, other.as_mut_ptr().cast(), other.len(), libc::MSG_DONTWAIT) };
        assert_eq!(taken, 4);
        for _ in 0..3 {
            assert!(once(near.read(&mut buf)).await.is_none(), "no error and no data: it waits");
            yield_now().await;
        }
        far.write_all(b"tock!").await.unwrap();
        assert_eq!(near.read(&mut buf).await.unwrap(), 5);
        assert_eq!(&buf[..5], b"tock!");
    });
}

#[test]
fn rct_21_urgent_data_plain_data_and_the_end_in_one_event_are_each_seen_once() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let mut buf = [0; 8];
        assert!(once(near.read(&mut buf)).await.is_none(), "registered, and waiting");
        far.write_all(b"plain").await.unwrap();
        let fd = far.try_as_fd().expect("a real socket").as_raw_fd();
        // SAFETY: the descriptor is open for as long as `far` lives, and one byte is read from a literal.
        let sent = unsafe { libc::send(fd, b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
        assert_eq!(sent, 1);
        far.shutdown(Shutdown::Write).unwrap();
        let mut read = Vec::new();
        loop {
            match near.read(&mut buf).await.unwrap() {
                0 => break,
                n => read.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!(read, b"plain", "the urgent byte is out of band");
        assert_eq!(near.read(&mut buf).await.unwrap(), 0, "the end stays the end");
    });
}
