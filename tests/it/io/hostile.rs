//! Readers, writers and callers that mean no good, or know no better: what they lose, and that nobody else loses anything.

use super::{Scripted, Step, bytes};
use crate::sync::kit::Bell;
use crate::{message_of, poll_with};
use mainspring::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, WriteHalf,
    copy, split,
};
use std::io::{self, ErrorKind, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// The answer of one poll, which must be there.
#[track_caller]
fn now<F: Future + Unpin>(mut future: F) -> F::Output {
    match poll_with(&mut future, Waker::noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn said<R>(body: impl FnOnce() -> R) -> String {
    message_of(catch_unwind(AssertUnwindSafe(|| drop(body()))).expect_err("it panics"))
}

#[test]
fn fsx_05_a_writer_that_says_to_have_taken_more_than_it_was_given_is_named() {
    for lie in [5, usize::MAX] {
        let words = format!("{lie} of 4 bytes");
        let liar = || Scripted::new(b"", [Step::Lie(lie)]);
        let mut collects = BufWriter::new(Scripted::new(b"", [Step::Some(2), Step::Lie(lie)]));
        now(collects.write_all(&bytes(6))).unwrap();
        let said = [
            said(|| now(liar().write(&bytes(4)))),
            said(|| now(liar().write_all(&bytes(4)))),
            said(|| now(copy(&mut Scripted::new(&bytes(4), []), &mut liar()))),
            said(|| now(BufWriter::with_capacity(0, liar()).write(&bytes(4)))),
            said(|| now(collects.flush())),
        ];
        assert!(said.iter().all(|said| said.contains(&words)), "{said:?}");
        assert_eq!(collects.buffer(), &bytes(6)[2..], "nothing was counted by it");
        now(collects.flush()).unwrap();
        assert_eq!(collects.into_inner().written, bytes(6));
    }
}

#[test]
fn fsx_05_a_lie_about_a_read_past_the_buffer_is_named_too() {
    let mut reader = BufReader::with_capacity(2, Scripted::new(b"", [Step::Lie(9)]));
    let mut buf = [0; 4];
    let poll = |reader: &mut BufReader<_>, buf: &mut [u8]| {
        Pin::new(reader).poll_read(&mut Context::from_waker(Waker::noop()), buf).is_ready()
    };
    assert!(said(|| poll(&mut reader, &mut buf)).contains("9 bytes into a buffer of 4"));
}

#[test]
fn whoever_consumes_more_than_there_is_has_consumed_what_there_is() {
    for much in [4, 1 << 40, usize::MAX] {
        let mut reader = BufReader::with_capacity(4, Scripted::new(b"abcdefgh", []));
        assert_eq!(now(reader.read(&mut [0; 1])).unwrap(), 1);
        Pin::new(&mut reader).consume(much);
        assert!(reader.buffer().is_empty(), "{much}");
        let mut rest = Vec::new();
        now(reader.read_to_end(&mut rest)).unwrap();
        assert_eq!(rest, b"efgh", "nothing comes twice");
    }
}

#[test]
fn net_13_nothing_to_fill_is_filled_at_once_whatever_the_reader_does() {
    let waits = || Scripted::new(b"abc", [Step::Wait]);
    let mut reader = BufReader::new(waits());
    assert_eq!(now(reader.read(&mut [])).unwrap(), 0);
    let mut context = Context::from_waker(Waker::noop());
    let mut bufs = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
    assert!(matches!(Pin::new(&mut reader).poll_read_vectored(&mut context, &mut bufs), Poll::Ready(Ok(0))));
    assert!(matches!(Pin::new(&mut reader).poll_read_vectored(&mut context, &mut []), Poll::Ready(Ok(0))));
    assert_eq!(now(waits().read_exact(&mut [])).unwrap(), 0);
    now(waits().write_all(&[])).unwrap();
    assert_eq!(now(BufWriter::new(waits()).write(&[])).unwrap(), 0);
    // Empty ones in front do not look like the end.
    assert!(poll_with(&mut reader.read(&mut [0; 1]), Waker::noop()).is_pending());
    let mut letters = [0; 2];
    let (one, two) = letters.split_at_mut(1);
    let mut bufs = [IoSliceMut::new(&mut []), IoSliceMut::new(one), IoSliceMut::new(&mut []), IoSliceMut::new(two)];
    assert!(matches!(Pin::new(&mut reader).poll_read_vectored(&mut context, &mut bufs), Poll::Ready(Ok(2))));
    assert_eq!(&letters, b"ab");
}

/// Gives "half", and then this error; and then the rest.
fn breaks(kind: ErrorKind, first: &[u8]) -> BufReader<Scripted> {
    let data = [first, b" and half\nnext"].concat();
    BufReader::with_capacity(first.len(), Scripted::new(&data, [Step::Some(first.len()), Step::Fail(kind)]))
}

#[test]
fn an_error_in_the_middle_of_a_text_leaves_what_was_read_as_in_std() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::Interrupted, ErrorKind::WouldBlock] {
        let mut text = String::from("kept ");
        let mut reader = breaks(kind, b"half");
        assert_eq!(now(reader.read_line(&mut text)).unwrap_err().kind(), kind);
        assert_eq!(text, "kept half");
        assert_eq!(now(reader.read_line(&mut text)).unwrap(), 10);
        assert_eq!(text, "kept half and half\n");

        let mut text = String::from("kept ");
        let mut reader = breaks(kind, b"half");
        assert_eq!(now(reader.read_to_string(&mut text)).unwrap_err().kind(), kind);
        assert_eq!(text, "kept half");
        assert_eq!(now(reader.read_to_string(&mut text)).unwrap(), 14);
        assert_eq!(text, "kept half and half\nnext");

        let mut all = b"kept ".to_vec();
        let mut reader = breaks(kind, b"half");
        assert_eq!(now(reader.read_until(b'\n', &mut all)).unwrap_err().kind(), kind);
        assert_eq!(now(reader.read_until(b'\n', &mut all)).unwrap(), 10, "what this call has read");
        assert_eq!(all, b"kept half and half\n");

        let mut lines = breaks(kind, b"half").lines();
        assert_eq!(now(lines.next_line()).unwrap_err().kind(), kind);
        assert_eq!(now(lines.next_line()).unwrap().as_deref(), Some("half and half"));
        assert_eq!(now(lines.next_line()).unwrap().as_deref(), Some("next"));
        assert_eq!(now(lines.next_line()).unwrap(), None);
    }
    // What is no text is not appended, and the reader's error is the answer.
    let mut text = String::from("kept");
    let mut reader = breaks(ErrorKind::ConnectionReset, b"\xff\xfe");
    assert_eq!(now(reader.read_line(&mut text)).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(text, "kept");
}

#[test]
fn a_line_that_is_given_up_half_way_is_lost_up_to_there_and_no_further() {
    let mut reader = BufReader::with_capacity(4, Scripted::new(b"half and half\nnext\n", [Step::Some(4), Step::Wait]));
    let mut text = String::from("kept ");
    assert!(poll_with(&mut reader.read_line(&mut text), Waker::noop()).is_pending());
    assert_eq!(text, "kept ", "lost, as it says");
    assert_eq!(now(reader.read_line(&mut text)).unwrap(), 10);
    assert_eq!(text, "kept  and half\n");
    assert_eq!(now(reader.read_line(&mut text)).unwrap(), 5);
}

#[test]
fn what_a_buffered_writer_could_not_hand_on_is_there_for_the_next_flush_or_close() {
    let steps = [Step::Some(0), Step::Some(3), Step::Fail(ErrorKind::TimedOut), Step::Wait];
    let mut writer = BufWriter::with_capacity(9, Scripted::new(b"", steps));
    now(writer.write_all(&bytes(8))).unwrap();
    assert_eq!(now(writer.close()).unwrap_err().kind(), ErrorKind::WriteZero);
    assert!(!writer.get_ref().closed, "not before all is handed on");
    assert_eq!(now(writer.close()).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(writer.buffer(), &bytes(8)[3..]);
    assert!(poll_with(&mut writer.close(), Waker::noop()).is_pending());
    now(writer.close()).unwrap();
    let inner = writer.into_inner();
    assert!(inner.closed && inner.written == bytes(8));
    // Dropping it writes nothing: it says so.
    let mut target = Scripted::new(b"", []);
    {
        let mut writer = BufWriter::new(&mut target);
        now(writer.write_all(b"lost")).unwrap();
    }
    assert!(target.written.is_empty() && target.flushes == 0);
}

/// A stream that keeps its wakers and is ready never; counts its end.
struct Silent(Arc<AtomicUsize>, Vec<Waker>);

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Silent {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        self.1.push(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.1.push(cx.waker().clone());
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn the_last_half_takes_the_stream_with_it_whichever_that_is() {
    for first_to_go in ["read", "write"] {
        let ends = Arc::new(AtomicUsize::new(0));
        let (mut read, mut write) = split(Silent(ends.clone(), Vec::new()));
        let ((reader, reads), (writer, writes)) = (Bell::new(), Bell::new());
        assert!(poll_with(&mut read.read(&mut [0]), &reads).is_pending());
        assert!(poll_with(&mut write.write(&[0]), &writes).is_pending());
        let stays: Box<dyn std::any::Any> = if first_to_go == "read" {
            drop(read);
            Box::new(write)
        } else {
            drop(write);
            Box::new(read)
        };
        assert_eq!(ends.load(Ordering::SeqCst), 0, "{first_to_go}");
        drop(stays);
        assert_eq!(ends.load(Ordering::SeqCst), 1, "{first_to_go}");
        assert_eq!((reader.rings(), writer.rings()), (0, 0), "nothing has come");
    }
}

/// A stream whose reading polls the half that writes to it, as a protocol might that answers while it reads.
struct Entangled(Arc<Mutex<Option<WriteHalf<Entangled>>>>);

impl AsyncRead for Entangled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut other = self.0.lock().unwrap();
        let is_written = Pin::new(other.as_mut().unwrap()).poll_write(cx, &[1]).is_ready();
        assert!(!is_written, "the stream is in use, here");
        Poll::Pending
    }
}

impl AsyncWrite for Entangled {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn syn_04_a_half_that_is_polled_inside_the_other_waits_and_is_woken() {
    let place = Arc::default();
    let (mut read, write) = split(Entangled(Arc::clone(&place)));
    *place.lock().unwrap() = Some(write);
    let (bell, waker) = Bell::new();
    assert!(poll_with(&mut read.read(&mut [0]), &waker).is_pending());
    assert_eq!(bell.rings(), 1, "the stream is back in its place");
    let mut write = place.lock().unwrap().take().unwrap();
    assert_eq!(now(write.write(&[1, 2])).unwrap(), 2);
}
