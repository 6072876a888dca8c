//! A task that might be stolen cannot await such a handle.
use mainspring::task::JoinHandle;
use std::rc::Rc;

pub fn local_handle_in_task(handle: JoinHandle<Rc<u8>>) {
    drop(mainspring::spawn(async move { drop(handle.await) })); //~ error: future cannot be sent between threads safely
}
