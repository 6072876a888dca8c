//! `block_in_place` around things that wait: a `block_on` that comes late, a lock.
//!
//! Cases of the catalogue: SHD-02, SYN-11.

use super::PATIENCE;
use mainspring::runtime::Builder;
use mainspring::sync::oneshot;
use mainspring::task::{block_in_place, yield_now};
use mainspring::time::{Duration, sleep};
use mainspring::{spawn, spawn_local};
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

#[test]
fn shd_02_block_on_in_place_that_begins_after_the_shutdown_has_goes_on_to_its_end() {
    crate::in_child(|| {
        let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
        let handle = runtime.handle().clone();
        let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let seen = (begun.clone(), ended.clone());
        drop(runtime.spawn(async move {
            begun.store(true, Ordering::Release);
            // Who comes too late is refused at once.
            while !handle.spawn(pending::<()>()).is_finished() {
                thread::yield_now();
            }
            block_in_place(|| handle.block_on(sleep(Duration::from_millis(5))));
            ended.store(true, Ordering::Release);
        }));
        while !seen.0.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let report = runtime.shutdown_timeout(PATIENCE / 2);
        assert!(seen.1.load(Ordering::Acquire), "its timer has fired: {report:?}");
    });
}

#[test]
fn syn_11_a_task_in_place_may_wait_for_a_lock_on_its_thread() {
    let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
    let sum = runtime.block_on(async {
        let lock = Arc::new(mainspring::sync::Mutex::new(0));
        let held = lock.clone().lock_owned().await;
        let waiting = spawn({
            let lock = lock.clone();
            async move { block_in_place(|| *lock.blocking_lock() += 1) }
        });
        drop(spawn(async move {
            sleep(Duration::from_millis(1)).await;
            drop(held);
        }));
        waiting.await.unwrap();
        *lock.lock().await
    });
    assert_eq!(sum, 1);
}

/// Calls a closure when it is dropped.
struct AtDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn tsk_19_in_place_in_a_destructor_at_the_end_of_block_on_there_is_a_core_for_another() {
    crate::in_child(|| {
        for workers in [1, 2] {
            let runtime = Builder::new_multi_thread().workers(workers).build().unwrap();
            let handle = runtime.handle().clone();
            let sum = Arc::new(AtomicUsize::new(0));
            let add = sum.clone();
            runtime.block_on(async {
                for _ in 0..2 {
                    let (handle, add) = (handle.clone(), add.clone());
                    let waits = AtDrop(move || {
                        let there = async { spawn(async { 3 }).await.unwrap() };
                        add.fetch_add(block_in_place(|| handle.block_on(there)), Ordering::Relaxed);
                        add.fetch_add(block_in_place(super::in_place::wait_for_a_task) as usize, Ordering::Relaxed);
                    });
                    drop(spawn_local(async move {
                        let _waits = waits;
                        pending::<()>().await;
                    }));
                }
                yield_now().await;
            });
            assert_eq!(sum.load(Ordering::Relaxed), 20, "{workers} workers: it was dropped, and has waited");
            assert_eq!(runtime.block_on(async { spawn(async { 1 }).await.unwrap() }), 1, "the core is there again");
            assert!(runtime.shutdown_timeout(PATIENCE).is_complete());
        }
    });
}

#[test]
fn blk_06_a_thread_without_a_core_that_blocks_plainly_in_a_task_of_its_own_is_handed_none() {
    crate::in_child(|| {
        let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
        let (send, receive) = mpsc::channel();
        let (stuck, is_stuck) = mpsc::channel();
        let (woken, wake) = oneshot::channel::<()>();
        let (heard, hears) = mpsc::channel();
        let first = runtime.spawn(async move {
            drop(spawn_local(async move {
                wake.await.unwrap();
                stuck.send(()).unwrap();
                // Not in place: nobody is told of it.
                heard.send(receive.recv_timeout(PATIENCE / 2)).unwrap();
            }));
            block_in_place(super::in_place::wait_for_a_task);
        });
        // Nobody is in `block_on`: the workers' own threads run it all.
        super::in_place::drive(first).unwrap();
        let second = runtime.spawn(async move {
            woken.send(()).unwrap();
            is_stuck.recv_timeout(PATIENCE / 2).expect("the first thread runs its own task without a core");
            block_in_place(|| {
                drop(spawn(async move { send.send(7).unwrap() }));
                hears.recv_timeout(PATIENCE).unwrap()
            })
        });
        assert_eq!(super::in_place::drive(second).unwrap(), Ok(7), "the core went to a thread that is stuck");
    });
}
