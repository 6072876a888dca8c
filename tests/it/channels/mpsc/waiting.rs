//! SYN-03, SYN-07, SYN-11, SYN-12: in which order waiting senders go, who waits where, threads, streams, and memory.

use crate::sync::kit::{Bell, now, poll};
use crate::{in_child, message_of, runtimes, until};
use futures_core::Stream;
use mainspring::runtime::Builder;
use mainspring::sync::mpsc::{channel, unbounded_channel};
use mainspring::task::yield_now;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn what_many_tasks_send_comes_once_and_in_each_ones_order_in_every_flavour() {
    for (name, runtime) in runtimes() {
        for capacity in [1, 3, 1_000] {
            let received = runtime.block_on(async {
                let (sender, mut receiver) = channel(capacity);
                let tasks: Vec<_> = (0..8_u32)
                    .map(|who| {
                        let sender = sender.clone();
                        mainspring::spawn(async move {
                            for n in 0..200_u32 {
                                match n % 3 {
                                    0 => sender.send((who, n)).await.unwrap(),
                                    1 => sender.reserve().await.unwrap().send((who, n)),
                                    _ => drop(sender.clone().reserve_owned().await.unwrap().send((who, n))),
                                }
                                if n % 50 == who {
                                    yield_now().await;
                                }
                            }
                        })
                    })
                    .collect();
                drop(sender);
                let (mut received, mut buffer) = (Vec::new(), Vec::new());
                while let Some(message) = receiver.recv().await {
                    received.push(message);
                    receiver.recv_many(&mut buffer, 2).await;
                    received.append(&mut buffer);
                }
                for task in tasks {
                    task.await.unwrap();
                }
                received
            });
            assert_eq!(received.len(), 1_600, "{name}");
            for who in 0..8 {
                let of_one: Vec<_> =
                    received.iter().filter(|message| message.0 == who).map(|message| message.1).collect();
                assert!(of_one.iter().copied().eq(0..200), "{name}: {of_one:?}");
            }
        }
    }
}

#[test]
fn an_unbounded_channel_takes_what_it_is_given_in_every_flavour() {
    for (name, runtime) in runtimes() {
        let sum = runtime.block_on(async {
            let (sender, mut receiver) = unbounded_channel();
            for who in 0..4_u64 {
                let sender = sender.clone();
                drop(mainspring::spawn(async move { (0..500).for_each(|n| sender.send(who * 500 + n).unwrap()) }));
            }
            drop(sender);
            let mut sum = 0;
            while let Some(n) = receiver.recv().await {
                sum += n;
            }
            sum
        });
        assert_eq!(sum, 1_999 * 1_000, "{name}");
    }
}

#[test]
fn syn_07_senders_get_their_slots_in_the_order_in_which_they_came() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut waiting: VecDeque<_> = (1..50_u32).map(|n| (n, Box::pin(sender.send(n)))).collect();
    for (_, future) in &mut waiting {
        assert!(poll(future, Waker::noop()).is_pending());
    }
    let mut last = 0;
    while let Some((n, mut first)) = waiting.pop_front() {
        // Those behind come and go.
        if n % 7 == 3 {
            drop(waiting.pop_back());
            drop(waiting.remove(waiting.len() / 2));
            let mut late = Box::pin(sender.send(100 + n));
            assert!(poll(&mut late, Waker::noop()).is_pending());
            waiting.push_back((100 + n, late));
        }
        assert!(poll(&mut first, Waker::noop()).is_pending());
        assert_eq!(receiver.try_recv(), Ok(last));
        assert!(
            sender.try_send(0).is_err() && sender.capacity() == 0,
            "the slot is the first's, and nobody passes him"
        );
        assert!(waiting.iter_mut().all(|(_, other)| poll(other, Waker::noop()).is_pending()));
        assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(Ok(())));
        last = n;
    }
    assert!(last > 100);
}

#[test]
fn syn_03_a_slot_that_was_granted_to_somebody_who_leaves_goes_to_the_next() {
    let (sender, mut receiver) = channel(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let (bells, wakers): (Vec<_>, Vec<_>) = (0..4).map(|_| Bell::new()).unzip();
    let mut first = Box::pin(sender.send(3));
    let mut second = Box::pin(sender.reserve());
    let mut both = Box::pin(sender.reserve_many(2));
    let mut last = Box::pin(sender.clone().reserve_owned());
    assert!(poll(&mut first, &wakers[0]).is_pending() && poll(&mut second, &wakers[1]).is_pending());
    assert!(poll(&mut both, &wakers[2]).is_pending() && poll(&mut last, &wakers[3]).is_pending());
    let rings = || bells.iter().map(|bell| bell.rings()).collect::<Vec<_>>();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(rings(), [1, 0, 0, 0]);
    drop(first);
    assert_eq!(rings(), [1, 1, 0, 0], "SYN-03");
    drop(second);
    assert_eq!(rings(), [1, 1, 0, 0], "one slot is not two");
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(rings(), [1, 1, 1, 0]);
    drop(both);
    assert_eq!((rings(), sender.capacity()), (vec![1, 1, 1, 1], 1));
    drop(last);
    assert_eq!(sender.capacity(), 2, "nothing was sent, and nothing is lost");
    assert!(receiver.is_empty());
}

#[test]
fn whoever_wants_many_and_leaves_lets_those_behind_go() {
    let (sender, _receiver) = channel(2);
    sender.try_send(1).unwrap();
    let (bell, waker) = Bell::new();
    let mut both = Box::pin(sender.reserve_many(2));
    let mut one = Box::pin(sender.send(2));
    assert!(poll(&mut both, Waker::noop()).is_pending() && poll(&mut one, &waker).is_pending());
    drop(both);
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut one, &waker), Poll::Ready(Ok(())));
}

#[test]
fn a_recv_that_is_dropped_takes_nothing_and_the_last_waker_is_the_one_that_is_woken() {
    let (sender, mut receiver) = channel(4);
    let (bells, wakers): (Vec<_>, Vec<_>) = (0..2).map(|_| Bell::new()).unzip();
    for waker in &wakers {
        assert!(poll(&mut Box::pin(receiver.recv()), waker).is_pending());
    }
    sender.try_send(7).unwrap();
    assert_eq!([bells[0].rings(), bells[1].rings()], [0, 1]);
    drop(receiver.recv());
    let mut buffer = Vec::new();
    drop(receiver.recv_many(&mut buffer, 9));
    assert_eq!(receiver.len(), 1);
    assert_eq!(now(receiver.recv()), Some(7));
}

#[test]
fn syn_11_threads_send_and_receive_with_no_runtime() {
    let (sender, mut receiver) = channel(2);
    let threads: Vec<_> = (0..3_u64)
        .map(|who| {
            let sender = sender.clone();
            thread::spawn(move || (0..500).for_each(|n| sender.blocking_send(who * 500 + n).unwrap()))
        })
        .collect();
    drop(sender);
    let (mut buffer, mut count) = (Vec::new(), 0);
    while let Some(n) = receiver.blocking_recv() {
        buffer.push(n);
        count += 1 + receiver.blocking_recv_many(&mut buffer, 3);
    }
    buffer.sort_unstable();
    assert_eq!(count, 1_500);
    assert!(buffer.into_iter().eq(0..1_500));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn threads_and_tasks_share_a_channel() {
    for (name, runtime) in runtimes().filter(|(name, _)| *name != "simulated") {
        let (to_thread, mut from_task) = channel(1);
        let (to_task, mut from_thread) = unbounded_channel();
        let echo = thread::spawn(move || {
            while let Some(n) = from_task.blocking_recv() {
                to_task.send(n + 1).unwrap();
            }
        });
        let sum = runtime.block_on(async {
            let mut sum = 0_u32;
            for n in 0..200_u32 {
                to_thread.send(n).await.unwrap();
                sum += from_thread.recv().await.unwrap();
            }
            drop(to_thread);
            assert_eq!(from_thread.recv().await, None);
            sum
        });
        assert_eq!(sum, 200 * 201 / 2, "{name}");
        echo.join().unwrap();
    }
}

#[test]
fn a_receiver_is_a_stream() {
    async fn sum<S: Stream<Item = u32> + Unpin>(mut stream: S) -> u32 {
        let mut sum = 0;
        while let Some(n) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            sum += n;
        }
        sum
    }
    for (name, runtime) in runtimes() {
        let (bounded, unbounded) = runtime.block_on(async {
            let (sender, receiver) = channel(1);
            let (other, also) = unbounded_channel();
            let task = mainspring::spawn(async move {
                for n in 0..10 {
                    sender.send(n).await.unwrap();
                    other.send(n).unwrap();
                }
            });
            let sums = (sum(receiver).await, sum(also).await);
            task.await.unwrap();
            sums
        });
        assert_eq!((bounded, unbounded), (45, 45), "{name}");
    }
}

#[test]
fn a_task_that_always_finds_a_message_lets_others_run() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, mut receiver) = unbounded_channel();
            let stop = Arc::new(AtomicBool::new(false));
            let (stops, echo) = (stop.clone(), sender.clone());
            sender.send(()).unwrap();
            let busy = mainspring::spawn(async move {
                let mut rounds = 0_u32;
                while !stops.load(Ordering::SeqCst) {
                    receiver.recv().await.unwrap();
                    echo.send(()).unwrap();
                    rounds += 1;
                }
                rounds
            });
            mainspring::spawn(async move { stop.store(true, Ordering::SeqCst) }).await.unwrap();
            assert!(busy.await.unwrap() < u32::MAX, "{name}");
        });
    }
}

#[test]
fn a_simulation_names_who_waits_for_whom_and_on_which_line() {
    let runtime = Builder::new_simulated(1).build().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let (sender, mut receiver) = channel::<u8>(1);
            let (full, _kept) = channel::<u8>(1);
            full.try_send(1).unwrap();
            let waits = mainspring::spawn(async move { full.send(2).await.is_ok() });
            let until_closed = sender.clone();
            drop(mainspring::spawn(async move { until_closed.closed().await }));
            yield_now().await;
            receiver.recv().await;
            waits.await.unwrap();
        });
    }))
    .unwrap_err();
    let message = message_of(panic);
    for words in ["a message on channel", "room in channel", "the end of channel"] {
        let line = message.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{message}"));
        assert!(line.contains("channels/mpsc/waiting.rs"), "{line}");
    }
}

#[test]
fn what_an_end_shows_says_who_waits_and_how_full_it_is() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, mut receiver) = channel::<u8>(1);
            let task = mainspring::spawn(async move {
                let first = receiver.recv().await;
                (first, receiver)
            });
            until(|| format!("{sender:?}").contains("receiver_to_wake: Some(task ")).await;
            assert!(format!("{sender:?}").contains("mpsc/waiting.rs"), "{name}");
            sender.send(1).await.unwrap();
            let receiver = task.await.unwrap().1;
            sender.try_send(2).unwrap();
            let mut waits = Box::pin(sender.send(3));
            assert!(poll(&mut waits, Waker::noop()).is_pending());
            let shown = format!("{receiver:?}");
            let words = ["len: 1", "capacity: 0", "max_capacity: 1", "closed: false", "senders_wait: [task "];
            assert!(words.iter().all(|word| shown.contains(word)), "{name}: {shown}");
            assert!(format!("{waits:?}").starts_with("Send { stage: in line"), "{name}");
        });
    }
}

#[test]
fn syn_12_a_million_waits_given_up_cost_no_memory() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let before = resident_kb();
    for n in 0..1_000_000 {
        assert!(poll(&mut Box::pin(sender.send(n)), Waker::noop()).is_pending());
        if n % 2 == 0 {
            assert!(poll(&mut Box::pin(sender.closed()), Waker::noop()).is_pending());
        }
    }
    // Others of this binary run beside this one, and they do need memory.
    assert!(resident_kb().saturating_sub(before) < 90_000);
    assert_eq!((receiver.try_recv(), receiver.capacity()), (Ok(1), 1), "nobody is left in line");
}

#[test]
fn syn_12_a_channel_that_was_flooded_and_drained_has_given_its_memory_back() {
    // Chunks of this size are the kernel's own business, so that what is freed is seen; small ones stay with the allocator.
    const VALUE: usize = 64 * 1_024;
    const FLOOD: usize = 2_000;
    in_child(|| {
        let (sender, mut receiver) = unbounded_channel();
        let before = resident_kb();
        (0..FLOOD).for_each(|n| sender.send([n as u8; VALUE]).unwrap());
        let flood = resident_kb() - before;
        assert!(flood > FLOOD * VALUE / 1_024 / 2, "{flood} kB");
        for n in 0..FLOOD {
            assert_eq!(receiver.try_recv().unwrap()[VALUE - 1], n as u8);
        }
        let left = resident_kb().saturating_sub(before);
        assert!(left < flood / 10, "of {flood} kB {left} are left");
        sender.send([1; VALUE]).unwrap();
        assert_eq!(receiver.len(), 1);
    });
}

fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
