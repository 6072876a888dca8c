//! The same from outside, through a handle and through the builder.
use mainspring::runtime::Handle;
use std::rc::Rc;

pub fn handle_spawn_rc(handle: &Handle, one: Rc<u8>, two: Rc<u8>) {
    drop(handle.spawn(std::future::ready(one))); //~ E0277: `Rc<u8>` cannot be sent between threads safely
    drop(mainspring::task::Builder::new().spawn_on(std::future::ready(two), handle)); //~ E0277: `Rc<u8>` cannot be sent between threads safely
}
