//! `BufReader`, `BufWriter` and lines.

use super::{Scripted, Step, bytes, everywhere};
use crate::poll_with;
use mainspring::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, duplex};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::{self, BufRead, ErrorKind, Read};
use std::task::{Poll, Waker};

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
