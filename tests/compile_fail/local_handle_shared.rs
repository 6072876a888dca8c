//! Nor may it be shared: a clone of a reference could be awaited elsewhere.
use mainspring::task::JoinHandle;
use std::rc::Rc;

fn share<T: Sync>(_: &T) {}

pub fn local_handle_shared(handle: &JoinHandle<Rc<u8>>) {
    share(handle); //~ E0277: `Rc<u8>` cannot be sent between threads safely
}
