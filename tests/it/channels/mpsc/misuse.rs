//! MIS-04, MIS-08, MIS-11, SYN-11: what nobody should do, and some do.

use crate::sync::kit::{now, poll};
use crate::{message_of, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::mpsc::error::{SendError, TryRecvError, TrySendError};
use mainspring::sync::mpsc::{channel, unbounded_channel};
use std::error::Error;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// What a closure panics with.
#[track_caller]
fn panic_of(body: impl FnOnce()) -> String {
    message_of(catch_unwind(AssertUnwindSafe(body)).expect_err("it must panic"))
}

#[test]
fn mis_04_a_future_polled_after_its_end_panics_and_says_so() {
    macro_rules! again {
        ($($future:expr, $name:literal;)*) => {$({
            let mut future = Box::pin($future);
            assert!(poll(&mut future, Waker::noop()).is_ready());
            assert!(!format!("{future:?}").is_empty());
            let message = panic_of(|| assert!(poll(&mut future, Waker::noop()).is_ready()));
            assert_eq!(message, concat!("a `", $name, "` was polled after it was ready: await it once"));
        })*};
    }
    let (sender, mut receiver) = channel(4);
    again! {
        sender.send(1), "Send";
        sender.reserve(), "Reserve";
        sender.reserve_many(2), "ReserveMany";
        sender.clone().reserve_owned(), "ReserveOwned";
        receiver.recv(), "Recv";
    }
    let mut buffer = Vec::new();
    again! { receiver.recv_many(&mut buffer, 0), "RecvMany"; }
    drop(receiver);
    again! { sender.closed(), "Closed"; }
}

#[test]
fn mis_08_a_channel_without_room_and_one_too_large_are_refused_in_words() {
    assert!(panic_of(|| drop(channel::<u8>(0))).contains("a bounded channel needs a capacity of at least 1"));
    for capacity in [usize::MAX, usize::MAX / 8 + 1] {
        let message = panic_of(|| drop(channel::<u8>(capacity)));
        assert!(message.contains("`unbounded_channel` counts none"), "{message}");
    }
    let most = usize::MAX / 8;
    let (sender, mut receiver) = channel(most);
    assert_eq!((sender.capacity(), sender.max_capacity()), (most, most), "and it takes no memory");
    let permits = sender.try_reserve_many(most - 1).unwrap();
    sender.try_send(7).unwrap();
    assert_eq!((sender.capacity(), sender.try_send(8)), (0, Err(TrySendError::Full(8))));
    assert_eq!((receiver.try_recv(), receiver.capacity()), (Ok(7), 1));
    assert_eq!(sender.try_reserve_many(usize::MAX).unwrap_err(), TrySendError::Closed(()));
    assert!(now(sender.reserve_many(usize::MAX)).is_err() && now(sender.reserve_many(most + 1)).is_err());
    drop(permits);
    assert_eq!(receiver.capacity(), most);
    for n in 0..10 {
        drop(sender.try_reserve_many(most).unwrap());
        sender.try_send(n).unwrap();
        assert_eq!(
            (receiver.try_recv(), receiver.capacity()),
            (Ok(n), most),
            "the counters go round, and nothing wraps"
        );
    }
}

#[test]
fn syn_11_a_worker_may_not_block() {
    for (name, runtime) in runtimes() {
        for call in ["blocking_recv", "blocking_recv_many", "blocking_send"] {
            let (sender, mut receiver) = channel::<u8>(1);
            let blocks = async move {
                match call {
                    "blocking_recv" => drop(receiver.blocking_recv()),
                    "blocking_recv_many" => drop(receiver.blocking_recv_many(&mut Vec::new(), 1)),
                    _ => drop(sender.blocking_send(1)),
                }
            };
            let panic = runtime.block_on(async { mainspring::spawn(blocks).await }).unwrap_err();
            let message = message_of(panic.into_panic());
            assert!(message.contains(&format!("`{call}` inside an async task")), "{name}: {message}");
        }
    }
}

#[test]
fn a_blocking_job_may_wait_on_the_real_loop() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        let sum = builder.build().unwrap().block_on(async {
            let (sender, mut receiver) = channel(1);
            let job =
                mainspring::task::spawn_blocking(move || (0..100_u32).for_each(|n| sender.blocking_send(n).unwrap()));
            let mut sum = 0;
            while let Some(n) = receiver.recv().await {
                sum += n;
            }
            job.await.unwrap();
            sum
        });
        assert_eq!(sum, 99 * 50);
    }
}

#[test]
fn mis_11_whatever_is_forgotten_only_leaks() {
    let (sender, mut receiver) = channel(3);
    forget(sender.try_reserve().unwrap());
    forget(sender.clone().try_reserve_owned().unwrap());
    assert_eq!(sender.capacity(), 1, "their slots are gone");
    sender.try_send(1).unwrap();
    let mut waits = Box::pin(sender.send(2));
    assert!(poll(&mut waits, Waker::noop()).is_pending());
    forget(waits);
    let mut next = Box::pin(sender.send(3));
    assert!(poll(&mut next, Waker::noop()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(poll(&mut next, Waker::noop()).is_pending(), "the slot went to the forgotten one");
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, Waker::noop()).is_pending());
    forget(recv);
    drop(next);
    receiver.close();
    assert!(poll(&mut Box::pin(receiver.recv()), Waker::noop()).is_pending(), "it waits for the forgotten permits");
    drop(receiver);
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
    let (sender, receiver) = unbounded_channel();
    forget(receiver);
    assert!(sender.send(1).is_ok());
    let (sender, mut receiver) = unbounded_channel::<u8>();
    forget(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn errors_speak_and_give_back() {
    fn words<E: Error>(error: &E) -> String {
        format!("{error} / {error:?}")
    }
    let unsent = SendError(std::cell::Cell::new(1));
    assert_eq!(words(&unsent), "the channel is closed / SendError { .. }");
    assert_eq!(TrySendError::from(unsent).into_inner().get(), 1);
    assert_eq!(words(&TrySendError::Full(1)), "the channel is full / Full(..)");
    assert_eq!(words(&TrySendError::Closed(1)), "the channel is closed / Closed(..)");
    assert_eq!(words(&TryRecvError::Empty), "the channel is empty / Empty");
    assert_eq!(words(&TryRecvError::Disconnected), "the channel is empty, and nobody can send any more / Disconnected");
}
