//! `BufReader`, `BufWriter` and lines.

use super::{Scripted, Step, bytes, everywhere};
use crate::poll_with;
use mainspring::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncWriteExt, BufReader, BufWriter, duplex,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::{self, BufRead, ErrorKind, Read, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// One read through a buffer.
#[derive(Clone, Debug)]
enum Act {
    Read(usize),
    Exact(usize),
    Until(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_usize..20).prop_map(Act::Read),
        (0_usize..20).prop_map(Act::Exact),
        any::<u8>().prop_map(|end| Act::Until(end % 8)),
    ]
}

/// Polls until it is ready: every wait of a scripted stream wakes at once.
fn finish<F: Future + Unpin>(mut future: F) -> F::Output {
    for _ in 0..10_000 {
        if let Poll::Ready(output) = poll_with(&mut future, Waker::noop()) {
            return output;
        }
    }
    panic!("it waits for ever")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_buffered_reader_gives_what_stds_gives(
        data in vec(0_u8..8, 0..200),
        capacity in 1_usize..30,
        steps in vec((0_u32..3, 1_usize..40), 0..60),
        acts in vec(act(), 1..30),
    ) {
        let steps = steps.into_iter().map(|(kind, count)| if kind == 0 { Step::Wait } else { Step::Some(count) });
        let mut ours = BufReader::with_capacity(capacity, Scripted::new(&data, steps));
        let mut stds = io::BufReader::with_capacity(capacity, &data[..]);
        for act in acts {
            match act {
                Act::Read(size) => {
                    let (mut got, mut wanted) = (vec![0; size], vec![0; size]);
                    let count = finish(ours.read(&mut got)).unwrap();
                    stds.read_exact(&mut wanted[..count]).unwrap();
                    prop_assert_eq!(&got[..count], &wanted[..count]);
                    if count == 0 && size > 0 {
                        prop_assert!(stds.fill_buf().unwrap().is_empty(), "0 means the end");
                    }
                }
                Act::Exact(size) => {
                    let (mut got, mut wanted) = (vec![0; size], vec![0; size]);
                    let (ours, stds) = (finish(ours.read_exact(&mut got)), stds.read_exact(&mut wanted));
                    prop_assert_eq!(ours.is_ok(), stds.is_ok());
                    match stds {
                        Ok(()) => prop_assert_eq!(got, wanted),
                        Err(_) => return Ok(()), // how much is gone differs, and is said to be lost
                    }
                }
                Act::Until(end) => {
                    let (mut got, mut wanted) = (Vec::new(), Vec::new());
                    prop_assert_eq!(
                        finish(ours.read_until(end, &mut got)).unwrap(),
                        stds.read_until(end, &mut wanted).unwrap()
                    );
                    prop_assert_eq!(got, wanted);
                }
            }
        }
    }

    #[test]
    fn a_buffered_writer_hands_on_every_byte_in_order(
        pieces in vec(vec(any::<u8>(), 0..40), 0..30),
        capacity in 0_usize..30,
        steps in vec((0_u32..3, 1_usize..40), 0..60),
    ) {
        let steps = steps.into_iter().map(|(kind, count)| if kind == 0 { Step::Wait } else { Step::Some(count) });
        let mut writer = BufWriter::with_capacity(capacity, Scripted::new(b"", steps));
        for piece in &pieces {
            finish(writer.write_all(piece)).unwrap();
            prop_assert!(writer.buffer().len() <= capacity.max(8), "it holds no more than it was made for");
        }
        finish(writer.flush()).unwrap();
        prop_assert_eq!(&writer.get_ref().written, &pieces.concat());
        finish(writer.close()).unwrap();
        prop_assert!(writer.into_inner().closed);
    }
}

#[test]
fn lines_come_without_their_ends_and_the_last_may_have_none() {
    everywhere(|| async {
        let (mut here, there) = duplex(7);
        let writer = mainspring::spawn(async move { here.write_all(b"one\r\n\ntwo\rtwo\n\r\nlast").await.unwrap() });
        let mut lines = BufReader::with_capacity(3, there).lines();
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
        }
        assert_eq!(seen, ["one", "", "two\rtwo", "", "last"]);
        assert_eq!(lines.next_line().await.unwrap(), None);
        writer.await.unwrap();
    });
}

#[test]
fn a_line_whose_wait_is_given_up_half_way_is_whole_the_next_time() {
    let (mut here, there) = duplex(64);
    let mut lines = BufReader::new(there).lines();
    assert!(poll_with(&mut here.write_all(b"half"), Waker::noop()).is_ready());
    assert!(poll_with(&mut lines.next_line(), Waker::noop()).is_pending());
    assert!(poll_with(&mut here.write_all(b" and half\n"), Waker::noop()).is_ready());
    let Poll::Ready(Ok(Some(line))) = poll_with(&mut lines.next_line(), Waker::noop()) else { panic!("it is there") };
    assert_eq!(line, "half and half");
}

#[test]
fn what_is_no_text_is_an_error_and_the_next_line_is_read() {
    everywhere(|| async {
        let (mut here, there) = duplex(64);
        here.write_all(b"\xff\xfe\nfine\n").await.unwrap();
        let mut reader = BufReader::new(there);
        let mut text = String::from("kept");
        assert_eq!(reader.read_line(&mut text).await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(text, "kept");
        assert_eq!(reader.read_line(&mut text).await.unwrap(), 5);
        assert_eq!(text, "keptfine\n");
    });
}

#[test]
fn an_error_in_the_middle_of_a_flush_loses_nothing_that_was_not_written() {
    let mut writer = BufWriter::new(Scripted::new(b"", [Step::Some(3), Step::Fail(ErrorKind::TimedOut)]));
    finish(writer.write_all(&bytes(10))).unwrap();
    assert_eq!(finish(writer.flush()).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(writer.buffer(), &bytes(10)[3..]);
    finish(writer.flush()).unwrap();
    assert_eq!(writer.into_inner().written, bytes(10));
}

/// Moves at once, and says so at the next poll.
#[derive(Debug)]
struct Slow {
    at: u64,
    is_asked: bool,
}

impl AsyncRead for Slow {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        buf.iter_mut().zip(self.at..).for_each(|(byte, at)| *byte = at as u8);
        self.at += buf.len() as u64;
        Poll::Ready(Ok(buf.len()))
    }
}

impl AsyncSeek for Slow {
    fn poll_seek(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        let SeekFrom::Start(to) = to else { return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())) };
        self.at = to;
        self.is_asked = !self.is_asked;
        if self.is_asked { Poll::Pending } else { Poll::Ready(Ok(to)) }
    }
}

#[test]
fn what_was_read_ahead_is_not_given_out_after_a_move_that_was_given_up() {
    let byte = |reader: &mut BufReader<Slow>| {
        let mut byte = [0];
        let read = Pin::new(reader).poll_read(&mut Context::from_waker(Waker::noop()), &mut byte);
        assert!(matches!(read, Poll::Ready(Ok(1))));
        byte[0]
    };
    let seek =
        |reader: &mut BufReader<Slow>, to| Pin::new(reader).poll_seek(&mut Context::from_waker(Waker::noop()), to);
    for capacity in [2, 4] {
        let mut reader = BufReader::with_capacity(capacity, Slow { at: 0, is_asked: false });
        assert_eq!(byte(&mut reader), 0);
        assert!(matches!(seek(&mut reader, SeekFrom::End(0)), Poll::Ready(Err(_))));
        assert_eq!((byte(&mut reader), byte(&mut reader)), (1, 2), "nothing has moved");
        assert!(seek(&mut reader, SeekFrom::Start(100)).is_pending());
        assert_eq!(byte(&mut reader), 100, "and not what was read ahead before");
    }
}
