//! `duplex` against a plain model, and what happens at its ends.

use super::{bytes, everywhere};
use crate::{message_of, poll_with};
use mainspring::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use mainspring::task::yield_now;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Clone, Debug)]
enum Act {
    Write(Vec<u8>),
    Read(usize),
    Close,
    DropWriter,
    DropReader,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..12).prop_map(Act::Write),
        6 => (0_usize..12).prop_map(Act::Read),
        1 => Just(Act::Close),
        1 => Just(Act::DropWriter),
        1 => Just(Act::DropReader),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn one_direction_does_what_a_bounded_queue_with_an_end_does(max in 1_usize..10, acts in vec(act(), 1..40)) {
        let (writer, reader) = duplex(max);
        let (mut writer, mut reader) = (Some(writer), Some(reader));
        let (mut queue, mut ended) = (VecDeque::new(), false);
        let cx = &mut Context::from_waker(Waker::noop());
        for act in acts {
            match act {
                Act::Write(data) => {
                    let Some(writer) = &mut writer else { continue };
                    let room = max - queue.len();
                    let got = Pin::new(writer).poll_write(cx, &data);
                    if data.is_empty() {
                        prop_assert!(matches!(got, Poll::Ready(Ok(0))));
                    } else if ended || reader.is_none() {
                        prop_assert!(matches!(got, Poll::Ready(Err(ref error)) if error.kind() == ErrorKind::BrokenPipe));
                    } else if room == 0 {
                        prop_assert!(got.is_pending());
                    } else {
                        let count = data.len().min(room);
                        prop_assert!(matches!(got, Poll::Ready(Ok(n)) if n == count));
                        queue.extend(&data[..count]);
                    }
                }
                Act::Read(size) => {
                    let Some(reader) = &mut reader else { continue };
                    let mut buf = vec![0; size];
                    let got = Pin::new(reader).poll_read(cx, &mut buf);
                    if size > 0 && queue.is_empty() && !ended {
                        prop_assert!(got.is_pending());
                    } else {
                        let expected: Vec<u8> = queue.drain(..size.min(queue.len())).collect();
                        prop_assert!(matches!(got, Poll::Ready(Ok(n)) if n == expected.len()));
                        prop_assert_eq!(&buf[..expected.len()], &expected[..]);
                    }
                }
                Act::Close => {
                    let Some(writer) = &mut writer else { continue };
                    prop_assert!(Pin::new(writer).poll_close(cx).is_ready());
                    ended = true;
                }
                Act::DropWriter => ended |= writer.take().is_some(),
                Act::DropReader => drop(reader.take()),
            }
        }
    }
}

#[test]
fn net_14_a_writer_waits_while_the_reader_stalls_and_everything_arrives_in_order() {
    everywhere(|| async {
        let (mut here, mut there) = duplex(100);
        let data = bytes(50_000);
        let sent = data.clone();
        let sender = mainspring::spawn(async move {
            here.write_all(&sent).await.unwrap();
            here.close().await.unwrap();
            here
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!sender.is_finished(), "it holds 100 bytes and no more");
        let mut received = Vec::new();
        assert_eq!(there.read_to_end(&mut received).await.unwrap(), data.len());
        assert!(received == data);
        // The other direction is still open.
        let mut here = sender.await.unwrap();
        there.write_all(b"thanks").await.unwrap();
        let mut answer = [0; 6];
        here.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"thanks");
    });
}

#[test]
fn net_13_several_buffers_are_filled_in_turn_and_empty_ones_do_not_wait() {
    everywhere(|| async {
        let (mut here, mut there) = duplex(8);
        let cx = &mut Context::from_waker(Waker::noop());
        let parts = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defghijk")];
        assert!(matches!(Pin::new(&mut here).poll_write_vectored(cx, &parts), Poll::Ready(Ok(8))));
        let (mut one, mut two) = ([0; 2], [0; 9]);
        let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert!(matches!(Pin::new(&mut there).poll_read_vectored(cx, &mut bufs), Poll::Ready(Ok(8))));
        assert_eq!((&one, &two[..6]), (b"ab", &b"cdefgh"[..]));
        assert_eq!(there.read(&mut []).await.unwrap(), 0, "there is nothing, and nothing was asked for");
        drop(here);
        assert_eq!(there.write(b"").await.unwrap(), 0);
    });
}

#[test]
fn the_waker_that_polled_last_is_woken_and_only_when_there_is_news() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counts = [(); 2].map(|()| Arc::new(Count(AtomicUsize::new(0))));
    let wakers = counts.each_ref().map(|count| Waker::from(count.clone()));
    let (mut here, mut there) = duplex(4);
    let mut buf = [0; 4];
    for waker in &wakers {
        assert!(poll_with(&mut there.read(&mut buf), waker).is_pending());
    }
    assert!(poll_with(&mut here.write(b"x"), Waker::noop()).is_ready());
    assert!(poll_with(&mut here.write(b"y"), Waker::noop()).is_ready());
    assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
    assert!(poll_with(&mut here.write_all(b"1234"), &wakers[0]).is_pending(), "two of the four fit");
    drop(there);
    assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::Relaxed)), [1, 1], "there will be no reader");
}

#[test]
fn tsk_16_a_waker_that_panics_costs_the_other_end_nothing() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            crate::panic_quietly("a stranger's waker")
        }
    }
    let (mut here, mut there) = duplex(4);
    let mut buf = [0; 4];
    assert!(poll_with(&mut there.read(&mut buf), &Waker::from(Arc::new(Bomb))).is_pending());
    assert!(matches!(poll_with(&mut here.write(b"abc"), Waker::noop()), Poll::Ready(Ok(3))));
    assert!(matches!(poll_with(&mut there.read(&mut buf), Waker::noop()), Poll::Ready(Ok(3))));
}

#[test]
fn a_loop_over_a_stream_that_is_always_ready_lets_others_run() {
    let runtime = mainspring::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let other = mainspring::spawn(async {});
        let (mut here, mut there) = duplex(1);
        let mut turns = 0_u32;
        while !other.is_finished() {
            here.write_all(b"x").await.unwrap();
            there.read_exact(&mut [0]).await.unwrap();
            turns += 1;
            assert!(turns < 10_000, "the other task is never polled");
        }
    });
}

#[test]
fn fsx_05_a_reader_that_says_to_have_read_more_than_there_was_room_for_is_named() {
    use super::{Scripted, Step};
    let lie = || Scripted::new(b"", [Step::Lie(5)]);
    let mut out = Vec::from(b"before");
    let mut text = String::new();
    let said = [
        message_of(
            catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut lie().read(&mut [0; 4]), Waker::noop()))))
                .unwrap_err(),
        ),
        message_of(
            catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut lie().read_exact(&mut [0; 4]), Waker::noop()))))
                .unwrap_err(),
        ),
    ];
    assert!(said.iter().all(|said| said.contains("5 bytes into a buffer of 4")), "{said:?}");
    let huge = || Scripted::new(b"", [Step::Lie(1 << 30)]);
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut huge().read_to_end(&mut out), Waker::noop())))).is_err()
    );
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut huge().read_to_string(&mut text), Waker::noop()))))
            .is_err()
    );
    assert_eq!((out.as_slice(), text.as_str()), (&b"before"[..], ""), "nothing was counted by it");
}

#[test]
fn snd_04_a_reader_that_panics_leaves_what_was_read_before() {
    use super::{Scripted, Step};
    let mut reader = Scripted::new(b"abcdef", [Step::Some(4), Step::Panic]);
    let mut out = Vec::new();
    assert!(
        catch_unwind(AssertUnwindSafe(|| drop(poll_with(&mut reader.read_to_end(&mut out), Waker::noop())))).is_err()
    );
    assert_eq!(out, b"abcd");
    assert!(matches!(poll_with(&mut reader.read_to_end(&mut out), Waker::noop()), Poll::Ready(Ok(2))));
    assert_eq!(out, b"abcdef");
}
