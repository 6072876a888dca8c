//! Moving bytes on anybody's streams, through the traits of futures-io.
//!
//! Cases of the catalogue: NET-13, NET-14, FSX-05, TSK-16, MIS-11, SND-04, SYN-04.

mod buffers;
mod copying;
mod halves;
mod hostile;
mod memory;

use mainspring::io::{AsyncRead, AsyncWrite};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a test on each flavour.
fn everywhere<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for (_, runtime) in crate::runtimes() {
        runtime.block_on(test());
    }
}

/// Bytes that differ from place to place.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// One answer of a [`Scripted`] stream.
enum Step {
    /// So many bytes are read or written at the most.
    Some(usize),
    /// Not now; the waker is woken at once.
    Wait,
    Fail(io::ErrorKind),
    /// It says this number, whatever the buffer.
    Lie(usize),
    Panic,
}

/// A stream that does what it is told: reads from `data`, keeps what is written.
#[derive(Default)]
struct Scripted {
    data: VecDeque<u8>,
    written: Vec<u8>,
    steps: VecDeque<Step>,
    flushes: usize,
    closed: bool,
}

impl Scripted {
    fn new(data: &[u8], steps: impl IntoIterator<Item = Step>) -> Self {
        Self { data: data.iter().copied().collect(), steps: steps.into_iter().collect(), ..Self::default() }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Result<usize, usize>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(Ok(Ok(usize::MAX))),
            Some(Step::Some(count)) => Poll::Ready(Ok(Ok(count))),
            Some(Step::Lie(count)) => Poll::Ready(Ok(Err(count))),
            Some(Step::Fail(kind)) => Poll::Ready(Err(kind.into())),
            Some(Step::Panic) => crate::panic_quietly("the stream panics"),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(answer) = self.step(cx)? else { return Poll::Pending };
        Poll::Ready(match answer {
            Ok(most) => {
                let count = most.min(buf.len());
                io::Read::read(&mut self.data, &mut buf[..count])
            }
            Err(lie) => Ok(lie),
        })
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(answer) = self.step(cx)? else { return Poll::Pending };
        Poll::Ready(Ok(match answer {
            Ok(most) => {
                let count = most.min(buf.len());
                self.written.extend_from_slice(&buf[..count]);
                count
            }
            Err(lie) => lie,
        }))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}
