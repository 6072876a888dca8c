//! The body ends before its children do, so they cannot borrow from it.
use mainspring::{group::block_on_scope, runtime::Handle};

pub fn block_scope_borrows_its_body(handle: &Handle) {
    let _ = block_on_scope(handle, async |scope| {
        let text = String::from("the body's own");
        drop(scope.spawn(async { Ok::<_, std::io::Error>(text.len()) })); //~ E0373: async block may outlive the current function
        Ok(())
    });
}
