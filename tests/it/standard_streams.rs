//! Standard streams, as far as they can be judged from inside the process; the rest is in `tests/real/standard.rs`.

use futures_io::{AsyncRead, AsyncWrite};
use mainspring::io;
use mainspring::runtime::Builder;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::Poll;

#[test]
fn net_13_nothing_is_read_and_written_at_once_and_without_a_runtime() {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let context = &mut context;
    let mut input = io::stdin();
    assert!(matches!(Pin::new(&mut input).poll_read(context, &mut []), Poll::Ready(Ok(0))));
    let mut empty = [IoSliceMut::new(&mut [])];
    assert!(matches!(Pin::new(&mut input).poll_read_vectored(context, &mut empty), Poll::Ready(Ok(0))));
    assert!(matches!(Pin::new(&mut io::stdout()).poll_write(context, b""), Poll::Ready(Ok(0))));
    let empty = [IoSlice::new(b"")];
    assert!(matches!(Pin::new(&mut io::stderr()).poll_write_vectored(context, &empty), Poll::Ready(Ok(0))));
    assert!(matches!(Pin::new(&mut io::stdout()).poll_flush(context), Poll::Ready(Ok(()))));
    assert!(matches!(Pin::new(&mut io::stderr()).poll_close(context), Poll::Ready(Ok(()))));
}

#[test]
fn a_simulation_writes_to_the_streams_and_refuses_to_read() {
    let simulated = Builder::new_simulated(1).build().unwrap();
    simulated.block_on(async {
        let mut input = io::stdin();
        let read = poll_fn(|cx| Pin::new(&mut input).poll_read(cx, &mut [0; 8])).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unsupported);
        let mut output = io::stdout();
        let parts = [IoSlice::new(b"from a "), IoSlice::new(b""), IoSlice::new(b"simulation\n")];
        let count = poll_fn(|cx| Pin::new(&mut output).poll_write_vectored(cx, &parts)).await.unwrap();
        assert_eq!(count, 18, "a job writes all that there is");
        poll_fn(|cx| Pin::new(&mut output).poll_flush(cx)).await.unwrap();
    });
}

#[test]
fn a_handle_shows_how_its_descriptor_is_used() {
    for shown in [format!("{:?}", io::stdin()), format!("{:?}", io::stdout()), format!("{:?}", io::stderr())] {
        assert!(shown.contains("way: "), "{shown}");
    }
}
