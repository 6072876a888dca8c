#![allow(unsafe_code, reason = "builds wakers whose four functions panic, which only a vtable can say")]
//! TSK-08, 09, 16: wakers that outlive their task, that get lost, and that panic.
//!
//! Cases of the catalogue: TSK-08, TSK-09, TSK-16.

use super::{Counts, WAYS};
use crate::{Watch, builders, panic_quietly, poll_with, result_of, runtimes, until};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Builder;
use mainspring::task::{CancelCause, yield_now};
use mainspring::time::{Duration, Instant, sleep, sleep_until};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

/// Waits for ever and leaves its waker behind.
fn leaves_its_waker(slot: &Arc<Mutex<Option<Waker>>>) -> impl Future<Output = ()> + Send + 'static {
    let slot = slot.clone();
    poll_fn(move |cx| {
        slot.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn tsk_08_a_waker_that_outlives_its_task_and_its_runtime_does_nothing() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        let wakers = runtime.block_on(async {
            let mut wakers = Vec::new();
            for way in WAYS {
                // Of a task that ends, of one that is aborted, and of one that its runtime cancels.
                wakers.push(way.spawn(counts.count(poll_fn(|cx| Poll::Ready(cx.waker().clone())))).await.unwrap());
                for aborts in [true, false] {
                    let slot = Arc::default();
                    let task = way.spawn(counts.count(leaves_its_waker(&slot)));
                    until(|| slot.lock().unwrap().is_some()).await;
                    if aborts {
                        task.abort();
                        assert!(task.await.unwrap_err().is_cancelled(), "{flavour}, {way:?}");
                    }
                    wakers.extend(slot.lock().unwrap().take());
                }
            }
            wakers
        });
        let use_all = |wakers: &[Waker]| {
            for waker in wakers {
                waker.wake_by_ref();
                let clone = waker.clone();
                assert!(clone.will_wake(waker));
                clone.wake();
                drop(waker.clone());
            }
        };
        use_all(&wakers[..2]);
        drop(runtime);
        use_all(&wakers);
        thread::scope(|scope| {
            (0..2).for_each(|_| drop(scope.spawn(|| use_all(&wakers))));
        });
        assert_eq!((counts.polls(), counts.futures_dropped()), (6, 6), "{flavour}");
        wakers.into_iter().for_each(Waker::wake);
        watch.assert_freed();
    }
}

#[test]
fn tsk_09_a_task_that_lost_its_last_waker_can_still_be_aborted_and_joined() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        let forgotten = runtime.block_on(async {
            for way in WAYS {
                let task = way.spawn(counts.count(poll_fn(|_| Poll::<()>::Pending)));
                until(|| counts.polls() % 2 == 1).await;
                (0..10).for_each(|_| assert!(!task.is_finished()));
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled(), "{flavour}, {way:?}");
                drop(way.spawn(counts.count(poll_fn(|_| Poll::<()>::Pending))));
                until(|| counts.polls() % 2 == 0).await;
            }
            mainspring::spawn(counts.count(poll_fn(|_| Poll::<()>::Pending)))
        });
        drop(runtime);
        assert_eq!(counts.futures_dropped(), 5, "{flavour}");
        assert_eq!(result_of(forgotten).unwrap_err().cancel_cause(), Some(CancelCause::Shutdown), "{flavour}");
        watch.assert_freed();
    }
}

/// What a waker does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Clone,
    Wake,
    WakeByRef,
    Drop,
}

const FAULTS: [Fault; 4] = [Fault::Clone, Fault::Wake, Fault::WakeByRef, Fault::Drop];

/// The state behind a waker that panics.
struct Faulty {
    fault: Fault,
    /// While true, the fault shows.
    armed: AtomicBool,
    /// How often it has panicked.
    panics: AtomicUsize,
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

impl Faulty {
    fn new(fault: Fault) -> (Arc<Self>, Waker) {
        let faulty = Arc::new(Self { fault, armed: AtomicBool::new(true), panics: AtomicUsize::new(0) });
        let raw = RawWaker::new(Arc::into_raw(faulty.clone()).cast(), &VTABLE);
        // SAFETY: the vtable's functions count references to the `Arc` as a waker must.
        (faulty, unsafe { Waker::from_raw(raw) })
    }

    fn strike(&self, fault: Fault) {
        if self.fault == fault && self.armed.load(Ordering::SeqCst) && !thread::panicking() {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic_quietly("a faulty waker");
        }
    }

    fn disarm(&self) -> usize {
        self.armed.store(false, Ordering::SeqCst);
        self.panics.load(Ordering::SeqCst)
    }
}

/// # Safety
/// As for all four: `data` came from `Arc::into_raw` and owns a reference.
unsafe fn clone(data: *const ()) -> RawWaker {
    let data: *const Faulty = data.cast();
    // SAFETY: the caller's waker keeps it alive.
    unsafe { &*data }.strike(Fault::Clone);
    // SAFETY: as above; the reference is the new waker's.
    unsafe { Arc::increment_strong_count(data) };
    RawWaker::new(data.cast(), &VTABLE)
}

/// # Safety
/// As for `clone`; the reference is given up.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller gives its reference up.
    unsafe { Arc::from_raw(data.cast::<Faulty>()) }.strike(Fault::Wake);
}

/// # Safety
/// As for `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's waker keeps it alive.
    unsafe { &*data.cast::<Faulty>() }.strike(Fault::WakeByRef);
}

/// # Safety
/// As for `clone`; the reference is given up.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller gives its reference up.
    unsafe { Arc::from_raw(data.cast::<Faulty>()) }.strike(Fault::Drop);
}

/// Polls a future with two faulty wakers one after the other, so that each of the four functions may be called; a panic
/// of theirs may come out here, where whoever brought the waker polls.
fn poll_faultily<F: Future + Unpin>(future: &mut F, fault: Fault) -> [Arc<Faulty>; 2] {
    [(); 2].map(|()| {
        let (faulty, waker) = Faulty::new(fault);
        let polled = catch_unwind(AssertUnwindSafe(|| poll_with(future, &waker).is_pending()));
        assert!(polled.unwrap_or(true), "it must wait");
        let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
        faulty
    })
}

/// Lets the wakers' remains go in peace, and says whether any has panicked.
fn have_struck(faulty: [Arc<Faulty>; 2]) -> bool {
    faulty.iter().map(|faulty| faulty.disarm()).sum::<usize>() > 0
}

/// The faults have shown: cloning, dropping, and at least one way to wake.
fn assert_struck(struck: &[(Fault, bool)]) {
    let has = |fault| struck.contains(&(fault, true));
    assert!(has(Fault::Clone) && has(Fault::Drop) && (has(Fault::Wake) || has(Fault::WakeByRef)), "{struck:?}");
}

#[test]
fn tsk_16_a_waker_that_panics_in_a_join_harms_neither_the_task_nor_the_next_waker() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let mut struck = Vec::new();
        for way in WAYS {
            for fault in FAULTS {
                for joins_before_the_end in [false, true] {
                    runtime.block_on(async {
                        let open = Arc::new(AtomicBool::new(false));
                        let gate = open.clone();
                        let mut task = way.spawn(async move {
                            until(|| gate.load(Ordering::SeqCst)).await;
                            "through"
                        });
                        let faulty = poll_faultily(&mut task, fault);
                        if joins_before_the_end {
                            let main = mainspring::task::spawn_local(async move { task.await.unwrap() });
                            yield_now().await;
                            open.store(true, Ordering::SeqCst);
                            assert_eq!(main.await.unwrap(), "through", "{flavour}, {way:?}, {fault:?}");
                        } else {
                            open.store(true, Ordering::SeqCst);
                            until(|| task.is_finished()).await;
                            assert_eq!(task.await.unwrap(), "through", "{flavour}, {way:?}, {fault:?}");
                        }
                        struck.push((fault, have_struck(faulty)));
                    });
                }
            }
        }
        assert_struck(&struck);
        drop(runtime);
        assert!(watch.seen().is_empty(), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_16_a_join_handle_with_a_waker_that_panics_can_be_dropped() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        for fault in FAULTS {
            runtime.block_on(async {
                let mut task = mainspring::spawn(std::future::pending::<()>());
                let faulty = poll_faultily(&mut task, fault);
                drop(task);
                assert_eq!(have_struck(faulty), matches!(fault, Fault::Clone | Fault::Drop), "{flavour}, {fault:?}");
            });
        }
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_16_a_waker_that_panics_in_a_timer_harms_neither_the_timer_nor_the_loop() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let mut struck = Vec::new();
        for fault in FAULTS {
            runtime.block_on(async {
                // One is polled on by somebody else, one fires into the faulty waker, one is dropped with it. They are due in
                // an hour until all of them have their wakers.
                let mut sleeps = [(); 3].map(|()| Box::pin(sleep(Duration::from_secs(3_600))));
                let faulty = sleeps.each_mut().map(|sleep| poll_faultily(sleep, fault));
                let soon = Instant::now() + Duration::from_millis(1);
                sleeps.iter_mut().for_each(|sleep| sleep.as_mut().reset(soon));
                let [polled, fires, dropped] = sleeps;
                let _ = catch_unwind(AssertUnwindSafe(|| drop(dropped)));
                polled.await;
                sleep_until(soon + Duration::from_millis(1)).await;
                assert!(fires.is_elapsed(), "{flavour}, {fault:?}");
                fires.await;
                struck.extend(faulty.map(|faulty| (fault, have_struck(faulty))));
            });
        }
        assert_struck(&struck);
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_16_a_waker_that_panics_in_a_socket_harms_neither_the_socket_nor_the_loop() {
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let (runtime, watch) = Watch::build(builder);
        let mut struck = Vec::new();
        for fault in FAULTS {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (server, _) = listener.accept().await.unwrap();
                // A waiter that is dropped with its waker; then one that data wakes; then the same data, read in peace.
                let mut buffer = [0; 8];
                let mut abandoned = server.read(&mut buffer);
                let first = poll_faultily(&mut abandoned, fault);
                let _ = catch_unwind(AssertUnwindSafe(|| drop(abandoned)));
                let mut read = server.read(&mut buffer);
                let second = poll_faultily(&mut read, fault);
                client.write_all(b"tick").await.unwrap();
                assert_eq!(read.await.unwrap(), 4, "{flavour}, {fault:?}");
                let mut accept = listener.accept();
                let third = poll_faultily(&mut accept, fault);
                let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                assert_eq!(accept.await.unwrap().1, peer.local_addr().unwrap(), "{flavour}, {fault:?}");
                struck.extend([first, second, third].map(|faulty| (fault, have_struck(faulty))));
            });
        }
        assert_struck(&struck);
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_16_a_waker_that_panics_with_a_payload_that_panics_harms_nobody_either() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("the payload's own");
        }
    }
    struct Explodes;
    impl std::task::Wake for Explodes {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
    }
    crate::in_child(|| {
        for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                let waker = Waker::from(Arc::new(Explodes));
                let open = Arc::new(AtomicBool::new(false));
                let gate = open.clone();
                let mut task = mainspring::spawn(async move { until(|| gate.load(Ordering::SeqCst)).await });
                assert!(poll_with(&mut task, &waker).is_pending());
                let mut nap = Box::pin(sleep(Duration::from_secs(3_600)));
                assert!(poll_with(&mut nap, &waker).is_pending());
                open.store(true, Ordering::SeqCst);
                until(|| task.is_finished()).await;
                nap.as_mut().reset(Instant::now() + Duration::from_millis(1));
                sleep(Duration::from_millis(2)).await;
                task.await.unwrap();
                nap.await;
            });
        }
    });
}

#[test]
fn a_lent_waker_and_its_clones_wake_the_same_task() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let same = poll_fn(|cx| {
                let clone = cx.waker().clone();
                Poll::Ready(clone.will_wake(cx.waker()) && !Waker::noop().will_wake(&clone))
            });
            assert!(mainspring::spawn(same).await.unwrap(), "{flavour}");
        });
    }
}
