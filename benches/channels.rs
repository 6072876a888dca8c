//! What a message through a channel costs: bounded, with one task that receives, and one or four that send as fast as they can.
//!
//! The floor is a queue of std's, filled and emptied by one loop. Every runtime is asked with the channel that its users have,
//! see [`Channels`].

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, per_operation};
use super::common::channels::Channels;
use super::common::runtime::{Join, Runtime};
use std::collections::VecDeque;
use std::hint::black_box;

/// Room in the channel.
const CAPACITY: usize = 1_024;
/// Full size.
const MESSAGES: usize = 4_000_000;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<One>(), F::cases::<Four>()].concat()
}

/// One sends.
struct One;

impl Workload for One {
    const NAME: &'static str = "mpsc_1";
    const FLOOR: Option<fn(Size) -> Figures> = Some(queue_by_hand);

    fn run<R: Runtime>(size: Size) -> Figures {
        sent_by::<R>(1, size)
    }
}

/// Four send.
struct Four;

impl Workload for Four {
    const NAME: &'static str = "mpsc_4";

    fn run<R: Runtime>(size: Size) -> Figures {
        sent_by::<R>(4, size)
    }
}

fn sent_by<R: Runtime>(senders: usize, size: Size) -> Figures {
    let each = size.of(MESSAGES) / senders;
    per_operation::<R>(each * senders, |runtime| {
        let sum = runtime.run(async move {
            let (sender, mut receiver) = <R::Leaves>::channel(CAPACITY);
            let spawn = |_| {
                let mut sender = <R::Leaves>::another(&sender);
                R::spawn(async move {
                    for n in 0..each as u64 {
                        <R::Leaves>::send(&mut sender, n).await;
                    }
                })
            };
            let tasks: Vec<Join<R, ()>> = (0..senders).map(spawn).collect();
            drop(sender);
            let mut sum = 0;
            while let Some(n) = <R::Leaves>::recv(&mut receiver).await {
                sum += black_box(n);
            }
            for task in tasks {
                task.await.expect("whoever sends gets room");
            }
            sum
        });
        let each = each as u64;
        assert_eq!(sum, senders as u64 * (each * each.saturating_sub(1) / 2), "every message came once");
    })
}

fn queue_by_hand(size: Size) -> Figures {
    let messages = size.of(MESSAGES) as u64;
    of_second_pass(messages as usize, || {
        let (mut queue, mut sum, mut next) = (VecDeque::with_capacity(CAPACITY), 0, 0);
        while next < messages {
            while queue.len() < CAPACITY && next < messages {
                queue.push_back(black_box(next));
                next += 1;
            }
            while let Some(n) = queue.pop_front() {
                sum += black_box(n);
            }
        }
        assert_eq!(sum, messages * (messages - 1) / 2);
    })
}
