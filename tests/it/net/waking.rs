//! Who is woken by what: each direction for itself, the right waiter, the right descriptor, on the right worker.
//!
//! Cases of the catalogue: RCT-03, RCT-04, RCT-05, RCT-07.

use super::kit::{Bell, both, counted, everywhere, once, pair};
use mainspring::runtime::Builder;
use mainspring::task::yield_now;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

#[test]
fn rct_03_data_wakes_the_reader_alone_and_a_reset_wakes_the_writer_too() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let near = Arc::new(near);
        let (reads, writes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let writer = mainspring::spawn({
            let (near, writes) = (near.clone(), writes.clone());
            async move {
                let flood = vec![0; 1 << 26];
                counted(near.write_all(&flood), writes).await
            }
        });
        let reader = mainspring::spawn({
            let (near, reads) = (near.clone(), reads.clone());
            async move {
                let mut buf = [0; 2];
                counted(near.read(&mut buf[..1]), reads).await.unwrap();
                near.read(&mut buf).await
            }
        });
        // Until the buffers are full and both wait, the writer for room that nobody makes.
        while !format!("{near:?}").contains("waiting_to_read: 1, waiting_to_write: 1") {
            yield_now().await;
        }
        let writes_before = writes.load(Ordering::SeqCst);
        far.write_all(b"x").await.unwrap();
        while reads.load(Ordering::SeqCst) < 2 {
            yield_now().await;
        }
        assert_eq!(writes.load(Ordering::SeqCst), writes_before, "data for the reader woke the writer");
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let (read, written) = (reader.await.unwrap(), writer.await.unwrap());
        // One of the two takes the pending error; the other finds the connection gone.
        assert!(matches!(written.unwrap_err().kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        assert!(read.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |&count| count == 0));
    });
}

#[test]
fn rct_04_of_two_that_poll_read_the_last_is_woken() {
    everywhere(|| async {
        let (near, far) = pair().await;
        let (a, b) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let mut buf = [0; 4];
        for bell in [&a, &b] {
            let waker = Waker::from(bell.clone());
            assert!(near.poll_read(&mut Context::from_waker(&waker), &mut buf).is_pending());
        }
        far.write_all(b"data").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!((a.0.load(Ordering::SeqCst), b.0.load(Ordering::SeqCst)), (0, 1));
        assert_eq!(near.read(&mut buf).await.unwrap(), 4);
    });
}

#[test]
fn rct_05_readable_that_loses_a_hundred_thousand_times_leaves_no_waiter() {
    everywhere(|| async {
        let (near, far) = pair().await;
        for _ in 0..100_000 {
            assert!(once(near.readable()).await.is_none());
            yield_now_sometimes().await;
        }
        assert!(format!("{near:?}").contains("waiting_to_read: 0, waiting_to_write: 0"), "{near:?}");
        far.write_all(b"!").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(near.try_read(&mut [0; 4]).unwrap(), 1);
    });
}

/// A budget that is used up looks like a future that is not ready; this gives it time to be renewed.
async fn yield_now_sometimes() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) {
        yield_now().await;
    }
}

#[test]
fn rct_07_a_descriptor_number_that_is_used_again_is_a_new_source() {
    everywhere(|| async {
        for round in 0..200_u8 {
            let (near, far) = pair().await;
            let mut buf = [0; 4];
            assert!(once(near.read(&mut buf)).await.is_none(), "registered, with nothing to read");
            far.write_all(&[round]).await.unwrap();
            assert_eq!(near.read(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
    });
}

#[test]
fn a_stream_that_is_used_on_another_worker_goes_on_working_there() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    runtime.block_on(async {
        // Many tasks that yield a lot are stolen now and then, and take their sockets to the thief.
        let tasks: Vec<_> = (0..8_u8)
            .map(|number| {
                mainspring::spawn(async move {
                    let (near, far) = pair().await;
                    for round in 0..200_u8 {
                        let (mut to, mut fro) = ([0; 1], [0; 1]);
                        let (read, written) = both(far.read_exact(&mut to), async {
                            yield_now().await;
                            near.write_all(&[round ^ number]).await
                        })
                        .await;
                        assert_eq!((read.unwrap(), written.unwrap(), to[0]), (1, (), round ^ number));
                        let (read, written) = both(near.read_exact(&mut fro), far.write_all(&to)).await;
                        assert_eq!((read.unwrap(), written.unwrap(), fro), (1, (), to));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}
