//! SYN-07, SCH-12: nobody is passed whose turn could be lost over it: threads, strangers' executors, and the tasks of other runtimes
//! are served at once, for whoever lets go may stop his worker next and wait for them.

use super::kit::{Bell, now, poll};
use super::passing::{Lock, served, shown_in_line};
use super::strangers::waker;
use crate::{PATIENCE, Watch, builders, runtimes, until};
use mainspring::runtime::Builder;
use mainspring::sync::{Mutex, Semaphore};
use mainspring::task::yield_now;
use mainspring::time::sleep;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes a thread.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A stranger's executor: the smallest there is.
fn wait_here<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn a_thread<L: Lock>(lock: &L) {
    drop(wait_here(lock.get()));
}

fn another_runtime<L: Lock>(lock: &L) {
    Builder::new_current_thread().build().unwrap().block_on(async { drop(lock.get().await) });
}

/// A poll that is served, lets go, and then stops its worker until the one behind it, on a thread of its own, has had its turn.
fn stops_for<L: Lock>(stranger: fn(&L)) {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(1)] {
        let lock = Arc::new(L::one());
        let (tell, told) = mpsc::channel();
        let theirs = lock.clone();
        builder.build().unwrap().block_on(async {
            let blocker = lock.try_get().expect("it is free");
            let mut ours = lock.get();
            assert!(poll(&mut ours, Waker::noop()).is_pending());
            let thread = thread::spawn(move || {
                stranger(&*theirs);
                tell.send(()).expect("the poll listens");
            });
            until(|| lock.in_line() == 2).await;
            drop(blocker);
            drop(now(ours));
            assert_eq!(told.recv_timeout(PATIENCE), Ok(()), "whoever waits elsewhere was forgotten");
            thread.join().unwrap();
        });
    }
}

#[test]
fn sch_12_a_worker_may_stop_for_a_thread_that_waits_in_line() {
    stops_for::<Mutex<()>>(a_thread);
    stops_for::<Semaphore>(a_thread);
}

#[test]
fn sch_12_a_worker_may_stop_for_a_task_of_another_runtime() {
    stops_for::<Mutex<()>>(another_runtime);
    stops_for::<Semaphore>(another_runtime);
}

async fn a_strangers_executor_inside_a_poll<L: Lock>() {
    let lock = L::one();
    let hold = served(&lock);
    let (bell, waker) = Bell::new();
    let mut waiting = lock.get();
    assert!(poll(&mut waiting, &waker).is_pending());
    drop(hold);
    assert_eq!(bell.rings(), 1, "it may sleep in this very poll");
    drop(now(waiting));
}

#[test]
fn syn_07_an_executor_inside_a_poll_is_not_kept_waiting_for_the_end_of_that_poll() {
    for (_, runtime) in runtimes() {
        runtime.block_on(a_strangers_executor_inside_a_poll::<Mutex<()>>());
        runtime.block_on(a_strangers_executor_inside_a_poll::<Semaphore>());
    }
}

#[test]
fn syn_07_a_permit_that_has_taken_in_one_held_across_a_wait_passes_nobody_by() {
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let semaphore = Semaphore::new(2);
            let mut old = Some(semaphore.try_acquire().unwrap());
            sleep(Duration::from_millis(1)).await;
            poll_fn(|cx| {
                let new = semaphore.try_acquire().unwrap();
                let mut both = Box::pin(semaphore.acquire());
                assert!(poll(&mut both, cx.waker()).is_pending());
                drop(new);
                let mut both = now(both).unwrap();
                let mut first = Box::pin(semaphore.acquire());
                assert!(poll(&mut first, cx.waker()).is_pending());
                both.merge(old.take().unwrap());
                drop(both);
                assert!(poll(&mut Box::pin(semaphore.acquire_many(2)), cx.waker()).is_pending());
                assert!(poll(&mut first, cx.waker()).is_ready());
                Poll::Ready(())
            })
            .await;
        });
    }
}

#[test]
fn shd_02_whoever_is_called_by_what_a_runtime_drops_last_keeps_nothing_alive() {
    for (_, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let lock = Arc::new(Mutex::new(()));
        let blocker = lock.clone().try_lock_owned().unwrap();
        let mut between = Box::pin(lock.clone().lock_owned());
        assert!(poll(&mut between, Waker::noop()).is_pending());
        // A task that waits in line by a future that outlives it.
        let waiting = Arc::new(std::sync::Mutex::new(Box::pin(lock.clone().lock_owned())));
        let theirs = waiting.clone();
        runtime.block_on(async {
            drop(mainspring::spawn(poll_fn(move |cx| poll(&mut theirs.lock().unwrap(), cx.waker()).map(drop))));
            until(|| lock.in_line() == 2).await;
        });
        // The timer is ended by the driver's end, and wakes somebody who lets go, and leaves the line.
        let dropped = std::sync::Mutex::new(Some((blocker, between)));
        let (waker, _deeds) = waker(move |what| {
            if what == "wake" {
                drop(dropped.lock().unwrap().take())
            }
        });
        let timer = runtime.block_on(async {
            let mut timer = Box::pin(sleep(PATIENCE * 10));
            assert!(poll(&mut timer, &waker).is_pending());
            timer
        });
        drop(runtime);
        drop((timer, waiting));
        assert!(lock.try_lock().is_ok(), "all have gone");
        watch.assert_freed();
    }
}

/// What tasks of two runtimes and plain threads share: four permits, one at a time, and who is inside.
struct Shared {
    permits: Arc<Semaphore>,
    one: Mutex<u32>,
    inside: AtomicU32,
}

/// Comes, passes, waits, changes wakers, leaves, and is held across yields, as chance says.
async fn come_and_go(shared: Arc<Shared>, mut random: u32, moves: bool) {
    for _ in 0..200 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let chance = |shift: u32| random >> shift & 3 == 0;
        let want = 1 + (random >> 8) % 3;
        let mut waiting = Box::pin(shared.permits.clone().acquire_many_owned(want));
        let permits = match poll(&mut waiting, Waker::noop()) {
            Poll::Ready(permits) => permits,
            Poll::Pending if chance(10) => {
                yield_now().await;
                continue; // perhaps it was called meanwhile, or served
            }
            Poll::Pending if moves && chance(12) => {
                let here = poll_fn(|cx| Poll::Ready(poll(&mut waiting, cx.waker()))).await;
                match here {
                    Poll::Ready(permits) => permits,
                    Poll::Pending => mainspring::spawn(waiting).await.unwrap(),
                }
            }
            Poll::Pending => waiting.await,
        };
        let permits = permits.expect("nobody closes it");
        let before = shared.inside.fetch_add(want, Ordering::SeqCst);
        assert!(before + want <= 4);
        if chance(14) {
            yield_now().await;
        }
        shared.inside.fetch_sub(want, Ordering::SeqCst);
        match chance(16) {
            true => {
                permits.forget();
                shared.permits.add_permits(want as usize);
            }
            false => drop(permits),
        }
        let mut one = shared.one.lock().await;
        if chance(18) {
            yield_now().await;
        }
        *one += 1;
    }
}

#[test]
fn syn_02_permits_are_conserved_between_two_runtimes_and_threads() {
    let one = Mutex::new(0);
    let shared = Arc::new(Shared { permits: Arc::new(Semaphore::new(4)), one, inside: AtomicU32::new(0) });
    let (tell, told) = mpsc::channel();
    for (n, builder) in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)].into_iter().enumerate()
    {
        let (shared, tell) = (shared.clone(), tell.clone());
        thread::spawn(move || {
            builder.build().unwrap().block_on(async {
                let tasks = (0..8).map(|i| mainspring::spawn(come_and_go(shared.clone(), 8 * n as u32 + i, true)));
                for task in tasks.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            });
            tell.send(()).unwrap();
        });
    }
    for n in 16..18 {
        let (shared, tell) = (shared.clone(), tell.clone());
        thread::spawn(move || {
            wait_here(come_and_go(shared, n, false));
            tell.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        told.recv_timeout(PATIENCE).expect("somebody was forgotten");
    }
    assert_eq!(shared.permits.available_permits(), 4);
    assert_eq!((shared.permits.in_line(), shown_in_line(&shared.one)), (0, 0));
    assert!(*now(shared.one.lock()) > 18 * 50);
}
