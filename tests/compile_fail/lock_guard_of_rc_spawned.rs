//! A guard may cross threads, but only with a value that may.
use mainspring::sync::{Mutex, RwLock};
use std::cell::Cell;
use std::rc::Rc;

pub fn guard_of_rc(mutex: &'static Mutex<Rc<u8>>) {
    drop(mainspring::spawn(async move { **mutex.lock().await })); //~ error: future cannot be sent between threads safely
}

pub fn reader_of_cell(lock: &'static RwLock<Cell<u8>>) {
    drop(mainspring::spawn(async move { lock.read().await.get() })); //~ error: future cannot be sent between threads safely
}
