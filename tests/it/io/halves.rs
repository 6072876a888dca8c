//! `split` for whatever stream.

use super::{Scripted, Step, bytes, everywhere};
use crate::{message_of, poll_with};
use mainspring::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Waker};

#[test]
fn two_tasks_read_and_write_one_stream_at_once() {
    everywhere(|| async {
        let (here, there) = duplex(10);
        let (mut read, mut write) = split(here);
        let (mut far_read, mut far_write) = split(there);
        let echo = mainspring::spawn(async move {
            let count = mainspring::io::copy(&mut far_read, &mut far_write).await.unwrap();
            far_write.close().await.unwrap();
            count
        });
        let data = bytes(20_000);
        let sent = data.clone();
        let writing = mainspring::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write.close().await.unwrap();
            write
        });
        let mut back = Vec::new();
        read.read_to_end(&mut back).await.unwrap();
        assert!(back == data);
        assert_eq!(echo.await.unwrap(), data.len() as u64);
        drop(read.unsplit(writing.await.unwrap()));
    });
}

#[test]
fn halves_of_two_streams_are_not_put_together() {
    let ((read, _a), (_b, write)) = (split(Scripted::default()), split(Scripted::default()));
    assert!(!read.is_pair_of(&write));
    let said = message_of(catch_unwind(AssertUnwindSafe(|| drop(read.unsplit(write)))).unwrap_err());
    assert!(said.contains("is_pair_of"), "{said}");
}

#[test]
fn snd_04_a_stream_that_panics_goes_back_to_its_place() {
    let (mut read, mut write) = split(Scripted::new(b"ab", [Step::Panic]));
    let mut buf = [0; 2];
    assert!(catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut read.read(&mut buf), Waker::noop())))).is_err());
    assert!(matches!(poll_with(&mut write.write(b"x"), Waker::noop()), Poll::Ready(Ok(1))));
    assert!(matches!(poll_with(&mut read.read(&mut buf), Waker::noop()), Poll::Ready(Ok(2))));
    assert_eq!(read.unsplit(write).written, b"x");
}
