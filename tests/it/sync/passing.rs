//! SYN-07: whoever runs may go in ahead of the line for the rest of a batch of polls, 63 times at most, and then the line has its
//! turn; and nobody is forgotten over it.

use super::kit::{Bell, now, poll};
use crate::{PATIENCE, Watch, builders, runtimes, until};
use mainspring::runtime::{Builder, Runtime};
use mainspring::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use mainspring::task::{block_in_place, yield_now};
use mainspring::time::sleep;
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

/// So many may pass somebody.
const PASSES: usize = 63;

/// The two that have this, by what they have in common.
pub(super) trait Lock: Send + Sync + 'static {
    type Hold<'a>: Send;

    /// For one at a time.
    fn one() -> Self;
    fn get(&self) -> Pin<Box<dyn Future<Output = Self::Hold<'_>> + Send + '_>>;
    fn try_get(&self) -> Option<Self::Hold<'_>>;
    /// How many stand in line.
    fn in_line(&self) -> usize;
}

/// The same, from what `Debug` shows.
pub(super) fn shown_in_line(lock: &impl Debug) -> usize {
    let shown = format!("{lock:?}");
    shown.split("waiters: ").nth(1).expect("all who wait are shown").matches(", at ").count()
}

impl Lock for Mutex<()> {
    type Hold<'a> = MutexGuard<'a, ()>;

    fn one() -> Self {
        Self::new(())
    }
    fn get(&self) -> Pin<Box<dyn Future<Output = Self::Hold<'_>> + Send + '_>> {
        Box::pin(self.lock())
    }
    fn try_get(&self) -> Option<Self::Hold<'_>> {
        self.try_lock().ok()
    }
    fn in_line(&self) -> usize {
        shown_in_line(self)
    }
}

impl Lock for Semaphore {
    type Hold<'a> = SemaphorePermit<'a>;

    fn one() -> Self {
        Self::new(1)
    }
    fn get(&self) -> Pin<Box<dyn Future<Output = Self::Hold<'_>> + Send + '_>> {
        Box::pin(async { self.acquire().await.unwrap() })
    }
    fn try_get(&self) -> Option<Self::Hold<'_>> {
        self.try_acquire().ok()
    }
    fn in_line(&self) -> usize {
        shown_in_line(self)
    }
}

/// The lock, after this poll has waited for it in line and been served.
pub(super) fn served<L: Lock>(lock: &L) -> L::Hold<'_> {
    let hold = lock.try_get().expect("it is free");
    let mut waiting = lock.get();
    assert!(poll(&mut waiting, Waker::noop()).is_pending());
    drop(hold);
    match poll(&mut waiting, Waker::noop()) {
        Poll::Ready(hold) => hold,
        Poll::Pending => panic!("it was first in line"),
    }
}

/// Runs it on the worker of every flavour, as the main future and as a task.
fn everywhere<F: Future<Output = ()> + Send + 'static>(body: impl Fn() -> F) {
    for (_, runtime) in runtimes() {
        runtime.block_on(body());
        runtime.block_on(async { mainspring::spawn(body()).await.unwrap() });
    }
}

/// A task of this runtime that only sleeps, and counts how often it is woken.
struct Sleeper {
    polls: AtomicUsize,
    waker: OnceLock<Waker>,
}

impl Sleeper {
    fn rings(&self) -> usize {
        self.polls.load(Ordering::SeqCst) - 1
    }
}

/// One that sleeps already, and its waker.
async fn sleeper() -> (Arc<Sleeper>, Waker) {
    let sleeper = Arc::new(Sleeper { polls: AtomicUsize::new(0), waker: OnceLock::new() });
    let inner = sleeper.clone();
    drop(mainspring::spawn(poll_fn(move |cx| {
        inner.polls.fetch_add(1, Ordering::SeqCst);
        inner.waker.get_or_init(|| cx.waker().clone());
        Poll::<()>::Pending
    })));
    until(|| sleeper.waker.get().is_some()).await;
    let waker = sleeper.waker.get().expect("just seen").clone();
    (sleeper, waker)
}

async fn at_most_63_pass<L: Lock>() {
    let (lock, (sleeper, waker)) = (L::one(), sleeper().await);
    let hold = served(&lock);
    let mut first = lock.get();
    assert!(poll(&mut first, &waker).is_pending());
    drop(hold);
    let mut passed = 0;
    while let Poll::Ready(hold) = poll(&mut lock.get(), Waker::noop()) {
        passed += 1;
        assert!(lock.try_get().is_none() && passed <= PASSES);
        drop(hold);
        assert!(lock.try_get().is_none(), "who only tries passes nobody");
    }
    assert_eq!(passed, PASSES);
    assert!(poll(&mut first, &waker).is_ready(), "then it was his");
    until(|| sleeper.rings() == 1).await;
}

#[test]
fn syn_07_63_may_pass_and_then_whoever_is_first_is_served() {
    everywhere(at_most_63_pass::<Mutex<()>>);
    everywhere(at_most_63_pass::<Semaphore>);
}

async fn called_when_the_batch_ends<L: Lock>() {
    let (lock, (sleeper, waker)) = (L::one(), sleeper().await);
    let hold = served(&lock);
    let mut first = lock.get();
    assert!(poll(&mut first, &waker).is_pending());
    drop(hold);
    until(|| sleeper.rings() == 1).await;
    // Nobody wanted to pass: it is free, and whoever was called takes it.
    assert!(poll(&mut first, &waker).is_ready());
    assert_eq!(lock.in_line(), 0);
}

#[test]
fn whoever_is_first_is_called_when_the_batch_ends() {
    everywhere(called_when_the_batch_ends::<Mutex<()>>);
    everywhere(called_when_the_batch_ends::<Semaphore>);
}

fn called_after_all_who_are_ready<L: Lock>() {
    Builder::new_current_thread().build().unwrap().block_on(async {
        let (lock, (sleeper, waker)) = (L::one(), sleeper().await);
        let hold = served(&lock);
        let mut first = lock.get();
        assert!(poll(&mut first, &waker).is_pending());
        drop(hold);
        let seen = sleeper.clone();
        let rings = mainspring::spawn(async move { seen.rings() }).await;
        assert_eq!(rings.unwrap(), 0, "the new task was ready before the batch had ended");
        until(|| sleeper.rings() == 1).await;
    });
}

#[test]
fn whoever_is_called_comes_after_all_who_are_ready() {
    called_after_all_who_are_ready::<Mutex<()>>();
    called_after_all_who_are_ready::<Semaphore>();
}

async fn called_in_vain<L: Lock>() {
    let (lock, (sleeper, waker)) = (L::one(), sleeper().await);
    let hold = served(&lock);
    let (mut first, mut second) = (lock.get(), lock.get());
    assert!(poll(&mut first, &waker).is_pending());
    assert!(poll(&mut second, Waker::noop()).is_pending());
    drop(hold);
    let hold = now(lock.get());
    assert!(poll(&mut first, &waker).is_pending(), "somebody has passed, and has it still");
    until(|| sleeper.rings() == 1).await;
    drop(hold);
    assert!(poll(&mut lock.get(), Waker::noop()).is_pending(), "but from then on nobody passes, and he is served");
    until(|| sleeper.rings() == 2).await;
    drop(now(first));
    assert!(poll(&mut second, Waker::noop()).is_ready(), "and the next one after him");
}

#[test]
fn whoever_has_looked_in_vain_is_served_next() {
    everywhere(called_in_vain::<Mutex<()>>);
    everywhere(called_in_vain::<Semaphore>);
}

async fn called_and_gone<L: Lock>() {
    let (lock, (_sleeper, his)) = (L::one(), sleeper().await);
    for passes in [false, true] {
        let hold = served(&lock);
        let (bell, waker) = Bell::new();
        let (mut first, mut second) = (lock.get(), lock.get());
        assert!(poll(&mut first, &his).is_pending());
        assert!(poll(&mut second, &waker).is_pending());
        drop(hold);
        let passing = passes.then(|| now(lock.get()));
        drop(first);
        assert_eq!(bell.rings(), usize::from(!passes), "nobody waits for somebody who has gone");
        drop(passing);
        assert_eq!(bell.rings(), 1);
        drop(now(second));
    }
}

#[test]
fn syn_03_whoever_was_called_and_leaves_is_waited_for_by_nobody() {
    everywhere(called_and_gone::<Mutex<()>>);
    everywhere(called_and_gone::<Semaphore>);
}

async fn held_across_a_wait<L: Lock>() {
    let (lock, (sleeper, waker)) = (L::one(), sleeper().await);
    let hold = served(&lock);
    let mut first = lock.get();
    assert!(poll(&mut first, &waker).is_pending());
    sleep(Duration::from_millis(1)).await;
    drop(hold);
    assert!(poll(&mut lock.get(), Waker::noop()).is_pending(), "nobody passes");
    until(|| sleeper.rings() == 1).await;
    drop(now(first));
}

#[test]
fn syn_07_what_is_held_across_a_wait_goes_to_the_first_in_line() {
    everywhere(held_across_a_wait::<Mutex<()>>);
    everywhere(held_across_a_wait::<Semaphore>);
}

#[test]
fn who_wants_many_permits_gets_them_though_others_pass() {
    everywhere(|| async {
        let (semaphore, (_sleeper, waker)) = (Semaphore::new(3), sleeper().await);
        let others = semaphore.try_acquire_many(2).unwrap();
        let hold = served(&semaphore);
        let mut many = Box::pin(semaphore.acquire_many(3));
        assert!(poll(&mut many, &waker).is_pending());
        drop(hold);
        assert!(
            poll(&mut Box::pin(semaphore.acquire()), Waker::noop()).is_pending(),
            "one is too few to be called for"
        );
        drop(others);
        assert_eq!(now(many).unwrap().num_permits(), 3);
        assert_eq!(semaphore.available_permits(), 3);
    });
}

#[test]
fn syn_07_whoever_wants_many_permits_is_passed_63_times_and_no_more() {
    everywhere(|| async {
        let (semaphore, (_sleeper, waker)) = (Semaphore::new(3), sleeper().await);
        let all = semaphore.try_acquire_many(3).unwrap();
        let mut waiting = [(); 3].map(|()| Box::pin(semaphore.acquire()));
        waiting.iter_mut().for_each(|waiting| assert!(poll(waiting, Waker::noop()).is_pending()));
        drop(all);
        let [one, two, three] = waiting.map(|waiting| now(waiting).unwrap());
        let mut many = Box::pin(semaphore.acquire_many(2));
        assert!(poll(&mut many, &waker).is_pending());
        drop((one, two));
        // It was called. Now one of the two is kept, and the other goes round.
        let kept = now(semaphore.acquire());
        for _ in 1..PASSES {
            drop(now(semaphore.acquire()));
        }
        drop(three);
        assert!(poll(&mut Box::pin(semaphore.acquire()), Waker::noop()).is_pending(), "nobody is called twice");
        assert!(poll(&mut many, Waker::noop()).is_ready());
        drop(kept);
    });
}

#[test]
fn a_close_reaches_whoever_was_called() {
    everywhere(|| async {
        let (semaphore, (sleeper, waker)) = (Semaphore::new(1), sleeper().await);
        let hold = served(&semaphore);
        let mut first = Box::pin(semaphore.acquire());
        assert!(poll(&mut first, &waker).is_pending());
        drop(hold);
        semaphore.close();
        assert!(now(first).is_err());
        until(|| sleeper.rings() == 1).await;
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// Tasks that hold it across a yield, again and again: who has had how many turns when the first has had all of his.
fn turns_of_all<L: Lock>(runtime: &Runtime, lock: L, turns: u32) -> Vec<u32> {
    let shared = Arc::new((lock, [const { AtomicU32::new(0) }; 16], OnceLock::new()));
    runtime.block_on(async {
        let tasks = (0..16).map(|n| {
            let shared = shared.clone();
            mainspring::spawn(async move {
                let (lock, had, at_the_first_end) = &*shared;
                for turn in 1..=turns {
                    let _hold = lock.get().await;
                    yield_now().await;
                    had[n].store(turn, Ordering::SeqCst);
                }
                at_the_first_end.get_or_init(|| had.each_ref().map(|had| had.load(Ordering::SeqCst)).to_vec());
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    shared.2.get().expect("somebody was first").clone()
}

#[test]
fn syn_07_all_get_on_alike_however_many_may_hold_it() {
    let runtime = Builder::new_current_thread().build().unwrap();
    for permits in [1, 2, 3, 4, 5, 8, 15] {
        let had = turns_of_all(&runtime, Semaphore::new(permits), 1_000);
        assert!(had.iter().all(|&turns| turns >= 500), "with {permits} permits: {had:?}");
    }
    let had = turns_of_all(&runtime, Mutex::new(()), 1_000);
    assert!(had.iter().all(|&turns| turns >= 500), "{had:?}");
}

/// A task that is served, and in the same poll lets go, so that the one behind it is called; then it does this, with the end of a
/// channel where that one says that it has its turn.
fn beside_one_who_was_called<L: Lock>(runtime: &Runtime, then: fn(mpsc::Receiver<()>) -> Result<(), RecvTimeoutError>) {
    let lock = Arc::new(L::one());
    runtime.block_on(async {
        let (tell, told) = mpsc::channel();
        let [ours, theirs] = [lock.clone(), lock.clone()];
        let blocker = lock.try_get().expect("it is free");
        let calls = mainspring::spawn(async move {
            let (told, hold) = (told, ours.get().await);
            drop(hold);
            then(told)
        });
        until(|| lock.in_line() == 1).await;
        let called = mainspring::spawn(async move {
            let _hold = theirs.get().await;
            tell.send(()).expect("the other one listens");
        });
        until(|| lock.in_line() == 2).await;
        drop(blocker);
        assert_eq!(calls.await.unwrap(), Ok(()), "whoever was called was forgotten");
        called.await.unwrap();
    });
}

#[test]
fn sch_12_whoever_was_called_by_one_that_then_blocks_is_woken_by_another_worker() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    for _ in 0..10 {
        beside_one_who_was_called::<Mutex<()>>(&runtime, |told| told.recv_timeout(PATIENCE));
        beside_one_who_was_called::<Semaphore>(&runtime, |told| told.recv_timeout(PATIENCE));
    }
}

#[test]
fn whoever_blocks_in_place_hands_on_those_who_were_called() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    for _ in 0..10 {
        beside_one_who_was_called::<Mutex<()>>(&runtime, |told| block_in_place(|| told.recv_timeout(PATIENCE)));
        beside_one_who_was_called::<Semaphore>(&runtime, |told| block_in_place(|| told.recv_timeout(PATIENCE)));
    }
}

#[test]
fn shd_02_a_runtime_that_ends_over_a_call_is_freed() {
    for (_, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let lock = Arc::new(Semaphore::new(1));
        runtime.block_on(async {
            let theirs = lock.clone();
            let blocker = lock.try_acquire().unwrap();
            let mut ours = lock.get();
            assert!(poll(&mut ours, Waker::noop()).is_pending());
            drop(mainspring::spawn(async move { drop(theirs.acquire().await) }));
            until(|| lock.in_line() == 2).await;
            drop(blocker);
            drop(now(ours)); // calls the task, and is over before the task is woken
        });
        drop(runtime);
        watch.assert_freed();
        assert_eq!(lock.available_permits(), 1, "whoever went away has given it back");
    }
}

#[test]
fn syn_02_permits_are_conserved_while_all_come_pass_and_leave() {
    for (name, runtime) in runtimes() {
        let shared = Arc::new((Semaphore::new(4), Mutex::new(0_u32), AtomicU32::new(0)));
        runtime.block_on(async {
            let tasks = (0..24_u32).map(|n| {
                let shared = shared.clone();
                mainspring::spawn(async move {
                    let (semaphore, mutex, inside) = &*shared;
                    let mut random = n;
                    for _ in 0..300 {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let want = 1 + (random >> 8) % 3;
                        let mut waiting = Box::pin(semaphore.acquire_many(want));
                        let gives_up = random >> 16 & 3 == 0;
                        let permits = match poll(&mut waiting, Waker::noop()) {
                            Poll::Ready(permits) => permits,
                            Poll::Pending if gives_up => {
                                yield_now().await;
                                continue; // perhaps it was called meanwhile, or served
                            }
                            Poll::Pending => waiting.await,
                        };
                        let permits = permits.expect("nobody closes it");
                        let before = inside.fetch_add(want, Ordering::SeqCst);
                        assert!(before + want <= 4);
                        if random >> 20 & 1 == 0 {
                            yield_now().await;
                        }
                        inside.fetch_sub(want, Ordering::SeqCst);
                        drop(permits);
                        let mut count = mutex.lock().await;
                        if random >> 21 & 3 == 0 {
                            yield_now().await;
                        }
                        *count += 1;
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        assert_eq!(shared.0.available_permits(), 4, "{name}");
        assert_eq!((shared.0.in_line(), shown_in_line(&shared.1)), (0, 0), "{name}");
        assert!(*now(shared.1.lock()) > 24 * 100, "{name}");
    }
}
