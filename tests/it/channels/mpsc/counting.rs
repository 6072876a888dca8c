//! SYN-06: lengths and capacities at every edge, and while others send and receive; and what is counted elsewhere: memory, seeds,
//! losers of a `select!`.

use crate::runtimes;
use mainspring::runtime::Builder;
use mainspring::select;
use mainspring::sync::mpsc::{channel, unbounded_channel};
use mainspring::task::yield_now;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn syn_06_lengths_are_right_at_every_edge_of_what_is_taken_at_once() {
    // Chunks of 128, of 39 and of 4.
    fn check<T>(value: fn(usize) -> T, number: fn(&T) -> usize) {
        for edge in [4, 39, 128, 256] {
            for depth in [edge - 1, edge, edge + 1] {
                for received in [1, depth / 2, depth - 1, depth] {
                    let (sender, mut receiver) = channel(depth);
                    let (other, mut also) = unbounded_channel();
                    let (mut sent, mut got) = (0, 0);
                    for _ in 0..3 {
                        while sender.try_send(value(sent)).is_ok() {
                            assert!(other.send(value(sent)).is_ok());
                            sent += 1;
                            assert_eq!(
                                (receiver.len(), also.len(), receiver.capacity()),
                                (sent - got, sent - got, depth + got - sent)
                            );
                        }
                        assert_eq!(sent - got, depth, "full");
                        for _ in 0..received {
                            let (one, two) = (receiver.try_recv().unwrap(), also.try_recv().unwrap());
                            assert_eq!((number(&one), number(&two)), (got, got));
                            got += 1;
                            assert_eq!(
                                (receiver.len(), also.len(), sender.capacity()),
                                (sent - got, sent - got, depth + got - sent)
                            );
                        }
                        assert_eq!(receiver.is_empty(), received == depth);
                    }
                }
            }
        }
    }
    check(|n| n, |n| *n);
    check(|n| [n; 13], |words| words[12]);
    check(|n| [n; 200], |words| words[199]);
}

#[test]
fn syn_06_nobody_ever_sees_more_than_there_is_or_less_than_nothing() {
    const ROOM: usize = 5;
    let (sender, mut receiver) = channel(ROOM);
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (sender, stop) = (sender.clone(), stop.clone());
        thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stop.load(Ordering::SeqCst) {
                seen.insert(sender.capacity());
            }
            seen
        })
    };
    let senders: Vec<_> = (0..2)
        .map(|who| {
            let sender = sender.clone();
            thread::spawn(move || {
                for n in 0..5_000 {
                    match (n + who) % 4 {
                        0 => drop(sender.try_reserve()),
                        1 => drop(sender.try_reserve_many(3)),
                        _ => {}
                    }
                    sender.blocking_send(n).unwrap();
                }
            })
        })
        .collect();
    let (mut count, mut buffer) = (0, Vec::new());
    while count < 10_000 {
        assert!(receiver.len() <= ROOM && receiver.capacity() <= ROOM);
        count += receiver.blocking_recv_many(&mut buffer, 1 + count % 7);
    }
    senders.into_iter().for_each(|thread| thread.join().unwrap());
    stop.store(true, Ordering::SeqCst);
    let seen = watcher.join().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|&free| free <= ROOM), "{seen:?}");
    assert_eq!((receiver.len(), receiver.capacity(), buffer.len()), (0, ROOM, 10_000));
}

#[test]
fn a_seed_sends_in_its_own_order_and_each_time_in_the_same() {
    let run = |seed| {
        let runtime = Builder::new_simulated(seed).build().unwrap();
        let order = runtime.block_on(async {
            let (sender, mut receiver) = channel(2);
            for who in 0..4 {
                let sender = sender.clone();
                drop(mainspring::spawn(async move {
                    for n in 0..3 {
                        sender.send((who, n)).await.unwrap();
                    }
                }));
            }
            drop(sender);
            let mut order = Vec::new();
            while let Some(message) = receiver.recv().await {
                order.push(message);
            }
            order
        });
        assert_eq!(order.len(), 12);
        (order, runtime.event_hash())
    };
    let orders: BTreeSet<_> = (0..100)
        .map(|seed| {
            let first = run(seed);
            assert_eq!(run(seed), first, "seed {seed} replays");
            first.0
        })
        .collect();
    assert!(orders.len() > 50, "{} orders", orders.len());
}

#[test]
fn a_receive_or_a_reserve_that_loses_a_select_loses_nothing() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, mut receiver) = channel(1);
            let task = mainspring::spawn(async move {
                let mut next = 0;
                while next < 300 {
                    select! {
                        permit = sender.reserve() => {
                            permit.unwrap().send(next);
                            next += 1;
                        }
                        () = yield_now() => {}
                    }
                }
            });
            let (mut expected, mut lost) = (0, 0);
            loop {
                select! {
                    value = receiver.recv() => {
                        if value.is_none() {
                            break;
                        }
                        assert_eq!(value, Some(expected), "{name}");
                        expected += 1;
                    }
                    () = yield_now() => lost += 1,
                }
            }
            assert_eq!(expected, 300, "{name}");
            assert!(lost > 0, "{name}: a receive has lost now and then");
            task.await.unwrap();
        });
    }
}

#[test]
fn a_task_that_is_aborted_in_a_send_leaves_the_line_to_the_next() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, mut receiver) = channel(1);
            sender.send(0).await.unwrap();
            let tasks: Vec<_> = (1..=20)
                .map(|n| {
                    let sender = sender.clone();
                    mainspring::spawn(async move { sender.send(n).await })
                })
                .collect();
            drop(sender);
            yield_now().await;
            tasks.iter().step_by(2).for_each(|task| task.abort());
            let mut received = BTreeSet::new();
            while let Some(n) = receiver.recv().await {
                assert!(received.insert(n));
            }
            let (mut sent, mut aborted) = (BTreeSet::from([0]), 0);
            for (n, task) in (1..).zip(tasks) {
                match task.await {
                    Ok(result) => assert!(result.is_ok() && sent.insert(n)),
                    Err(error) => aborted += usize::from(error.is_cancelled()),
                }
            }
            assert_eq!(received.len() + aborted, 21, "{name}");
            assert_eq!(received, sent, "{name}");
        });
    }
}
