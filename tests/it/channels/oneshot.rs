//! One value, once.

use crate::sync::kit::check;
use crate::{message_of, poll_with, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::oneshot::{self, Receiver, Sender, error::TryRecvError};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// A waker that counts.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const STEPS: [&str; 9] =
    ["send", "drop sender", "is_closed", "poll_closed", "poll one", "poll two", "try_recv", "close", "drop receiver"];

/// What a channel is, in plain words: the reference.
#[derive(Default)]
struct Plain {
    has_value: bool,
    sender_is_gone: bool,
    is_closed: bool,
    /// The receiver has given its outcome.
    is_over: bool,
}

impl Plain {
    /// `None` while the value may still come, else whether there is one.
    fn outcome(&mut self) -> Option<bool> {
        if self.is_over || self.has_value || self.sender_is_gone || self.is_closed {
            self.is_over = true;
            self.is_closed = true;
            return Some(std::mem::take(&mut self.has_value));
        }
        None
    }
}

/// One order of steps on a fresh channel; the value is counted to its end.
fn run(order: &[&str]) {
    let value = Arc::new(());
    let (sender, receiver) = oneshot::channel();
    let (mut sender, mut receiver) = (Some(sender), Some(receiver));
    let mut plain = Plain::default();
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let (closing, mut last, mut hears_close) = (Arc::new(Bell::default()), None, false);
    for step in order {
        match *step {
            "send" => {
                let Some(sender) = sender.take() else { continue };
                assert_eq!(sender.send(value.clone()).is_err(), plain.is_closed, "{order:?}");
                (plain.has_value, plain.sender_is_gone) = (!plain.is_closed, true);
            }
            "drop sender" => plain.sender_is_gone |= sender.take().is_some(),
            "is_closed" => assert!(sender.as_ref().is_none_or(|it| it.is_closed() == plain.is_closed), "{order:?}"),
            "poll_closed" => {
                let Some(sender) = &mut sender else { continue };
                let poll = sender.poll_closed(&mut Context::from_waker(&Waker::from(closing.clone())));
                assert_eq!(poll.is_ready(), plain.is_closed, "{order:?}");
                hears_close |= poll.is_pending();
            }
            "poll one" | "poll two" => {
                let Some(receiver) = receiver.as_mut().filter(|_| !plain.is_over) else { continue };
                let bell = usize::from(*step == "poll two");
                let poll = poll_with(receiver, &Waker::from(bells[bell].clone()));
                let expected = plain.outcome();
                assert_eq!(poll.is_ready().then_some(matches!(poll, Poll::Ready(Ok(_)))), expected, "{order:?}");
                last = if expected.is_none() { Some(bell) } else { last };
            }
            "try_recv" => {
                let Some(receiver) = &mut receiver else { continue };
                let expected = match plain.outcome() {
                    None => Err(TryRecvError::Empty),
                    Some(false) => Err(TryRecvError::Closed),
                    Some(true) => Ok(value.clone()),
                };
                assert_eq!(receiver.try_recv(), expected, "{order:?}");
            }
            "close" => {
                let Some(receiver) = &mut receiver else { continue };
                receiver.close();
                plain.is_closed = true;
            }
            _ => {
                plain.is_closed |= receiver.take().is_some();
                plain.has_value &= receiver.is_some();
            }
        }
        assert_eq!(Arc::strong_count(&value), 1 + usize::from(plain.has_value && receiver.is_some()), "{order:?}");
        if sender.is_some() {
            assert_eq!(closing.0.load(Ordering::SeqCst), usize::from(hears_close && plain.is_closed), "{order:?}");
        }
    }
    if let (Some(last), false, true) = (last, plain.is_closed, plain.sender_is_gone) {
        assert_eq!(bells[last].0.load(Ordering::SeqCst), 1, "the last waker is rung: {order:?}");
        assert_eq!(bells[1 - last].0.load(Ordering::SeqCst), 0, "the other is not: {order:?}");
    }
    drop((sender, receiver));
    assert_eq!(Arc::strong_count(&value), 1, "{order:?}");
    bells.iter().chain([&closing]).for_each(|bell| assert_eq!(Arc::strong_count(bell), 1, "no waker stays: {order:?}"));
}

#[test]
fn syn_10_every_order_of_five_steps_does_what_the_plain_words_say() {
    for number in 0..STEPS.len().pow(5) {
        let order: Vec<_> = (0..5).map(|digit| STEPS[number / STEPS.len().pow(digit) % STEPS.len()]).collect();
        run(&order);
    }
}

#[test]
fn syn_01_longer_orders_do_what_the_plain_words_say_too() {
    check(0..STEPS.len(), |steps| run(&steps.into_iter().map(|step| STEPS[step]).collect::<Vec<_>>()));
}

#[test]
fn a_value_and_a_hangup_go_between_tasks_in_every_flavour() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            for sends in [true, false] {
                let (sender, receiver) = oneshot::channel();
                let task = mainspring::spawn(receiver);
                mainspring::task::yield_now().await;
                if sends {
                    assert!(sender.send(7).is_ok());
                } else {
                    drop(sender);
                }
                assert_eq!(task.await.unwrap().ok(), sends.then_some(7), "{name}");
            }
            let (mut sender, receiver) = oneshot::channel::<u8>();
            let task = mainspring::spawn(async move {
                sender.closed().await;
                sender.send(7)
            });
            mainspring::task::yield_now().await;
            drop(receiver);
            assert_eq!(task.await.unwrap(), Err(7), "{name}");
        });
    }
}

#[test]
fn syn_05_of_two_threads_that_send_and_close_one_has_the_value() {
    for _ in 0..200 {
        let (sender, mut receiver) = oneshot::channel();
        let thread = thread::spawn(move || sender.send(Box::new(7)).err());
        receiver.close();
        let received = receiver.blocking_recv().ok();
        assert_eq!(thread.join().unwrap().is_some(), received.is_none());
    }
}

#[test]
fn syn_11_a_plain_thread_may_block_and_a_task_may_not() {
    let (sender, receiver) = oneshot::channel();
    let thread = thread::spawn(move || receiver.blocking_recv());
    assert!(sender.send(7).is_ok());
    assert_eq!(thread.join().unwrap(), Ok(7));
    for (name, runtime) in runtimes() {
        let (_sender, receiver) = oneshot::channel::<u8>();
        let panic =
            runtime.block_on(async { mainspring::spawn(async move { receiver.blocking_recv() }).await }).unwrap_err();
        assert!(message_of(panic.into_panic()).contains("`blocking_recv` inside an async task"), "{name}");
    }
}

#[test]
fn mis_04_a_receiver_polled_after_its_end_panics_and_says_so() {
    let (sender, mut receiver) = oneshot::channel();
    assert!(sender.send(7).is_ok());
    assert_eq!(poll_with(&mut receiver, Waker::noop()), Poll::Ready(Ok(7)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let panic = catch_unwind(AssertUnwindSafe(|| poll_with(&mut receiver, Waker::noop()))).unwrap_err();
    assert!(message_of(panic).contains("polled after it was ready"));
}

#[test]
fn mis_10_a_strangers_executor_can_wait() {
    let (sender, receiver) = oneshot::channel();
    let thread =
        thread::spawn(move || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(receiver));
    assert!(sender.send(7).is_ok());
    assert_eq!(thread.join().unwrap(), Ok(7));
}

#[test]
fn mis_11_an_end_that_is_forgotten_only_leaks() {
    let (sender, mut receiver) = oneshot::channel::<u8>();
    forget(sender);
    assert!(poll_with(&mut receiver, Waker::noop()).is_pending());
    let (sender, receiver) = oneshot::channel::<u8>();
    forget(receiver);
    assert_eq!(sender.send(7), Ok(()));
}

type Ends = (Option<Sender<u8>>, Option<Receiver<u8>>);

/// Comes back to the channel when it is woken, and may panic then.
struct Returning {
    ends: Arc<Mutex<Ends>>,
    panics: bool,
}

impl Returning {
    fn act(&self) {
        if let Ok(ends) = self.ends.try_lock() {
            assert!(!format!("{ends:?}").is_empty());
            assert!(ends.0.as_ref().is_none_or(|sender| sender.is_closed()));
        }
        if self.panics {
            crate::panic_quietly("a waker's own");
        }
    }
}

impl Wake for Returning {
    fn wake(self: Arc<Self>) {
        self.act();
    }
}

#[test]
fn syn_04_tsk_16_a_waker_that_comes_back_or_panics_costs_nobody_anything() {
    for panics in [false, true] {
        let (sender, mut receiver) = oneshot::channel();
        let ends = Arc::new(Mutex::new((None, None)));
        let waker = Waker::from(Arc::new(Returning { ends: ends.clone(), panics }));
        assert!(poll_with(&mut receiver, &waker).is_pending());
        ends.lock().unwrap().1 = Some(receiver);
        assert_eq!(sender.send(7), Ok(()));
        let mut receiver = ends.lock().unwrap().1.take().unwrap();
        assert_eq!(poll_with(&mut receiver, Waker::noop()), Poll::Ready(Ok(7)));

        let (mut sender, receiver) = oneshot::channel();
        assert!(sender.poll_closed(&mut Context::from_waker(&waker)).is_pending());
        ends.lock().unwrap().0 = Some(sender);
        drop(receiver);
        assert_eq!(ends.lock().unwrap().0.take().unwrap().send(7), Err(7));
    }
}

#[test]
fn a_simulation_names_the_line_of_a_receiver_that_waits_for_ever() {
    let runtime = Builder::new_simulated(1).build().unwrap();
    let (_sender, receiver) = oneshot::channel::<u8>();
    let shown = format!("{receiver:?}");
    assert!(shown.contains("has_value: false") && shown.contains("sender_is_gone: false"), "{shown}");
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { pin!(receiver).await }))).unwrap_err();
    let message = message_of(panic);
    assert!(message.contains("a message on channel") && message.contains("oneshot.rs"), "{message}");
}
