//! The children of `block_on_scope` run on other threads.
use mainspring::{group::block_on_scope, runtime::Handle};
use std::rc::Rc;

pub fn block_scope_child_rc(handle: &Handle, shared: Rc<u8>) {
    let _ = block_on_scope(handle, async |scope| {
        drop(scope.spawn(async { Ok::<_, std::io::Error>(**&shared) })); //~ E0277: cannot be shared between threads safely
        Ok(())
    });
}
