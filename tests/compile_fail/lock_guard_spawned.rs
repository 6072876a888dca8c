//! A borrowed guard is tied to its lock, and a task outlives every borrow.
use mainspring::sync::{Mutex, Semaphore};

pub async fn guard_across_spawn() {
    let mutex = Mutex::new(1);
    let guard = mutex.lock().await; //~ E0597: does not live long enough
    drop(mainspring::spawn(async move { *guard }));
}

pub async fn permit_across_spawn(semaphore: &Semaphore) {
    let permit = semaphore.acquire().await.unwrap();
    drop(mainspring::spawn(async move { permit.num_permits() })); //~ E0521: borrowed data escapes
}

pub async fn part_outlives_its_guard(mutex: &Mutex<String>) -> &String {
    let guard = mutex.lock().await;
    &*guard //~ E0515: returns a value referencing data owned by
}

pub async fn lock_dropped_under_its_guard() {
    let mutex = Mutex::new(1);
    let guard = mutex.lock().await;
    drop(mutex); //~ E0505: cannot move out of `mutex`
    drop(guard);
}

pub fn lock_future_moved_when_pinned(mutex: &Mutex<u8>) {
    let mut waiting = std::pin::pin!(mutex.lock());
    let moved = std::mem::replace(&mut *waiting, mutex.lock()); //~ E0596: cannot borrow data in dereference
    drop(moved);
}
