//! And so does the drop of a value that nobody reads.
use mainspring::{group::block_on_scope, runtime::Handle};
use std::rc::Rc;

pub fn block_scope_value_rc(handle: &Handle) {
    let _ = block_on_scope(handle, async |scope| {
        drop(scope.spawn(async { Ok::<_, std::io::Error>(Rc::new(1)) })); //~ E0277: cannot be sent between threads safely
        Ok(())
    });
}
