//! SYN-01 for those that are no locks: notify, barrier and once cell against plain references.

use super::kit::{Boxed, check, now, poll};
use mainspring::sync::{Barrier, Notified, Notify, OnceCell, SetError};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Poll, Waker};

#[derive(Clone, Debug)]
enum Step {
    Make,
    Enable(usize),
    Poll(usize),
    Leave(usize),
    One,
    Last,
    All,
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0_usize..1_000;
    prop_oneof![
        4 => Just(Step::Make),
        3 => index().prop_map(Step::Enable),
        4 => index().prop_map(Step::Poll),
        3 => index().prop_map(Step::Leave),
        2 => Just(Step::One),
        2 => Just(Step::Last),
        1 => Just(Step::All),
    ]
}

/// Where a future stands, to the reference.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Outside,
    Line,
    One,
    Last,
    All,
}

/// The reference: whoever was made, whether a notification is kept, and the line.
struct Bells<'a> {
    notify: &'a Notify,
    made: Vec<(Pin<Box<Notified<'a>>>, usize, At)>,
    kept: bool,
    line: VecDeque<usize>,
    next: usize,
}

impl Bells<'_> {
    fn give(&mut self, to: Option<usize>, what: At) {
        match to {
            Some(id) => {
                self.line.retain(|&other| other != id);
                self.made.iter_mut().find(|made| made.1 == id).unwrap().2 = what;
            }
            None => self.kept = true,
        }
    }

    fn one(&mut self) {
        self.give(self.line.front().copied(), At::One);
    }

    fn last(&mut self) {
        self.give(self.line.back().copied(), At::Last);
    }

    /// Stands in line, unless there is something at once; true if there is.
    fn enter(&mut self, index: usize) -> bool {
        let (_, id, at) = &mut self.made[index];
        if *at == At::Outside {
            *at = if std::mem::take(&mut self.kept) { At::One } else { At::Line };
            self.line.extend((*at == At::Line).then_some(*id));
        }
        *at != At::Line
    }

    fn take(&mut self, step: Step) {
        let count = self.made.len();
        match step {
            Step::Make => {
                self.made.push((Box::pin(self.notify.notified()), self.next, At::Outside));
                self.next += 1;
            }
            Step::Enable(index) if count > 0 => {
                let expected = self.enter(index % count);
                assert_eq!(self.made[index % count].0.as_mut().enable(), expected);
            }
            Step::Poll(index) if count > 0 => {
                let expected = self.enter(index % count);
                assert_eq!(poll(&mut self.made[index % count].0, Waker::noop()).is_ready(), expected);
                drop(expected.then(|| self.made.remove(index % count)));
            }
            Step::Leave(index) if count > 0 => self.leave(index % count),
            Step::One => {
                self.notify.notify_one();
                self.one();
            }
            Step::Last => {
                self.notify.notify_last();
                self.last();
            }
            Step::All => {
                self.notify.notify_waiters();
                self.line.clear();
                let reached = self.made.iter_mut().filter(|made| matches!(made.2, At::Outside | At::Line));
                reached.for_each(|made| made.2 = At::All);
            }
            Step::Enable(_) | Step::Poll(_) | Step::Leave(_) => {}
        }
        assert!(format!("{:?}", self.notify).contains(&format!("kept: {}", self.kept)));
    }

    fn leave(&mut self, index: usize) {
        let (future, id, at) = self.made.remove(index);
        drop(future);
        self.line.retain(|&other| other != id);
        match at {
            At::One => self.one(),
            At::Last => self.last(),
            At::Outside | At::Line | At::All => {}
        }
    }
}

#[test]
fn syn_01_a_notify_does_what_the_reference_does() {
    check(step(), |steps| {
        let notify = Notify::new();
        let mut bells = Bells { notify: &notify, made: Vec::new(), kept: false, line: VecDeque::new(), next: 0 };
        steps.into_iter().for_each(|step| bells.take(step));
    });
}

/// Somebody who has asked for the value, and who tells his maker how it ends.
type Asking<'a> = (Boxed<'a, Result<u32, ()>>, tokio::sync::oneshot::Sender<Result<u32, ()>>);

#[test]
fn syn_01_a_barrier_does_what_the_reference_does() {
    let step = prop_oneof![4 => Just(None), 1 => (0_usize..100).prop_map(Some)];
    check((step, 1_usize..5).prop_map(|step| step), |steps| {
        let count = steps[0].1;
        let barrier = Barrier::new(count);
        let (mut waiting, mut met) = (Vec::new(), Vec::new());
        for (step, _) in steps {
            if let Some(index) = step {
                let len = waiting.len();
                if len > 0 {
                    drop(waiting.remove(index % len));
                }
                continue;
            }
            let mut future = Box::pin(barrier.wait());
            match poll(&mut future, Waker::noop()) {
                Poll::Ready(result) => {
                    assert!(result.is_leader() && waiting.len() + 1 == count);
                    met.append(&mut waiting);
                }
                Poll::Pending => waiting.push(future),
            }
            assert!(waiting.len() < count);
        }
        waiting.iter_mut().for_each(|future| assert!(poll(future, Waker::noop()).is_pending()));
        for mut future in met {
            assert!(matches!(poll(&mut future, Waker::noop()), Poll::Ready(result) if !result.is_leader()));
        }
    });
}

#[test]
fn syn_01_a_once_cell_does_what_the_reference_does() {
    let step = prop_oneof![4 => Just(0_u8), 2 => Just(1), 2 => Just(2), 2 => Just(3), 1 => Just(4)];
    check((step, 0_usize..100), |steps| {
        let cell = OnceCell::new();
        // Whoever has asked, in line; the first one makes the value, if there is none.
        let mut asking: Vec<Asking<'_>> = Vec::new();
        let mut made = None;
        for (number, (step, index)) in steps.into_iter().enumerate() {
            match step {
                0 => {
                    let (told, result) = tokio::sync::oneshot::channel();
                    let make = || async { result.await.unwrap() };
                    let ask = cell.get_or_try_init(make);
                    let mut ask: Boxed<'_, _> = Box::pin(async { ask.await.copied() });
                    match poll(&mut ask, Waker::noop()) {
                        Poll::Ready(value) => assert_eq!(value.ok(), made, "it is there"),
                        Poll::Pending => asking.push((ask, told)),
                    }
                    assert!(made.is_none() || asking.is_empty());
                }
                1 | 2 if !asking.is_empty() => {
                    let (mut first, told) = asking.remove(0);
                    let result = if step == 1 { Ok(number as u32) } else { Err(()) };
                    told.send(result).unwrap();
                    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(result));
                    made = result.ok();
                    let told = if made.is_some() { asking.len() } else { 0 };
                    for (mut other, _) in asking.drain(..told) {
                        assert_eq!(poll(&mut other, Waker::noop()).map(Result::ok), Poll::Ready(made));
                    }
                }
                3 if !asking.is_empty() => {
                    let len = asking.len();
                    drop(asking.remove(index % len));
                }
                4 => match cell.set(1_000) {
                    Ok(()) => {
                        assert!(made.is_none() && asking.is_empty());
                        made = Some(1_000);
                    }
                    Err(SetError::AlreadyInitializedError(_)) => assert!(made.is_some()),
                    Err(SetError::InitializingError(_)) => assert!(!asking.is_empty()),
                },
                _ => {}
            }
            // O2: the first one has been told that it is its turn, and makes.
            if let Some((first, _)) = asking.first_mut() {
                assert!(poll(first, Waker::noop()).is_pending());
            }
            assert_eq!(cell.get().copied(), made);
        }
    });
    assert_eq!(*now(OnceCell::from(1).get_or_init(|| async { 2 })), 1);
}
