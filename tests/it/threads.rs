//! Dedicated threads: results, names, stop tokens, and what a shutdown does with them.
//!
//! Cases of the catalogue: BLK-03, BLK-05, BLK-07 to BLK-09.

use super::{PATIENCE, panic_quietly};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::CancelCause;
use mainspring::thread::{self, Stop};
use mainspring::time::{Duration, sleep};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

fn runtime() -> Runtime {
    Builder::new_multi_thread().workers(2).build().unwrap()
}

#[test]
fn blk_05_a_thread_may_spawn_and_block_on_and_hands_back_its_result() {
    let runtime = runtime();
    let answer = runtime.block_on(async {
        let body = || {
            Handle::current().block_on(async {
                sleep(Duration::from_millis(1)).await;
                mainspring::spawn(async { 42 }).await.unwrap()
            })
        };
        thread::spawn(body).unwrap().await
    });
    assert_eq!(answer.unwrap(), 42);
}

#[test]
fn blk_03_a_panic_in_a_thread_reaches_its_joiner() {
    let runtime = runtime();
    let error = runtime.block_on(async { thread::spawn(|| panic_quietly("thrown")).unwrap().await }).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<String>().unwrap(), "thrown");
}

#[test]
fn a_request_ends_a_wait_and_is_seen_by_all_clones() {
    let stop = Stop::new();
    let runtime = runtime();
    let (waits, is_waiting) = mpsc::channel();
    let token = stop.clone();
    let _inside = runtime.enter();
    let waited = thread::spawn(move || {
        waits.send(()).unwrap();
        token.wait(Duration::MAX)
    });
    is_waiting.recv_timeout(PATIENCE).unwrap();
    assert!(!stop.is_requested());
    stop.request();
    assert!(runtime.block_on(waited.unwrap()).unwrap());
    assert!(stop.is_requested());
}

#[test]
fn blk_07_a_shutdown_asks_every_thread_to_stop_and_waits_for_it() {
    let runtime = runtime();
    let ended = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = {
        let _inside = runtime.enter();
        let spawn = |daemon: bool| {
            let ended = ended.clone();
            let body = move |stop: Stop| {
                assert!(stop.wait(PATIENCE));
                ended.fetch_add(1, Ordering::SeqCst);
            };
            thread::Builder::new().daemon(daemon).spawn(body).unwrap()
        };
        (0..10).map(|n| spawn(n % 2 == 0)).collect()
    };
    let report = runtime.shutdown_timeout(PATIENCE);
    assert!(report.is_complete(), "{report}");
    assert_eq!(ended.load(Ordering::SeqCst), 10);
    assert!(handles.iter().all(|handle| handle.is_finished()));
}

#[test]
fn blk_07_a_thread_that_does_not_listen_is_named_in_the_report() {
    let runtime = runtime();
    let (open, gate) = mpsc::channel::<()>();
    let inside = runtime.enter();
    let deaf = thread::Builder::new().name("deaf").spawn(move |_| gate.recv().is_err()).unwrap();
    drop(inside);
    let report = runtime.shutdown_timeout(Duration::from_millis(20));
    assert!(!report.is_complete());
    assert_eq!(report.stuck().iter().filter_map(|task| task.name()).collect::<Vec<_>>(), ["deaf"], "{report}");
    drop(open);
    assert!(Runtime::new().unwrap().block_on(deaf).unwrap(), "it ends by itself, and its output is there");
}

#[test]
fn blk_08_a_thread_asked_for_after_the_shutdown_is_cancelled_and_never_made() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _inside = handle.enter();
    let held = Arc::new(());
    let inside = held.clone();
    let never = thread::spawn(move || drop(inside)).unwrap();
    assert_eq!(Arc::strong_count(&held), 1, "the closure is gone");
    let error = Runtime::new().unwrap().block_on(never).unwrap_err();
    assert_eq!((error.cancel_cause(), error.had_started()), (Some(CancelCause::Shutdown), false));
}

#[test]
fn run_waits_for_a_thread_but_not_for_a_daemon() {
    let runtime = runtime();
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let daemon = thread::Builder::new().daemon(true);
    let stop = daemon.stop_token();
    runtime.run(async {
        drop(daemon.spawn(|stop| stop.wait(PATIENCE)).unwrap());
        let slow = move || {
            std::thread::sleep(Duration::from_millis(10));
            count.fetch_add(1, Ordering::SeqCst);
        };
        drop(thread::spawn(slow).unwrap());
    });
    assert_eq!(done.load(Ordering::SeqCst), 1);
    assert!(!stop.is_requested(), "the daemon was left alone");
}

#[test]
fn what_cannot_be_is_an_error_that_says_so() {
    let runtime = runtime();
    let inside = runtime.enter();
    let error = thread::Builder::new().name("a\0b").spawn(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let held = Arc::new(());
    let inside_it = held.clone();
    // More stack than there is address space.
    let error = thread::Builder::new().stack_size(1 << 50).spawn(move |_| drop(inside_it)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::InvalidInput),
        "{error}"
    );
    assert_eq!(Arc::strong_count(&held), 1, "the closure is gone");
    drop(inside);
    let simulated = Builder::new_simulated(1).build().unwrap();
    let _inside = simulated.enter();
    assert_eq!(thread::spawn(|| ()).unwrap_err().kind(), ErrorKind::Unsupported);
}
