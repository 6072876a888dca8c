//! A handle that left the scope would carry a borrowed value out.
use mainspring::{group::block_on_scope, runtime::Handle};

pub fn block_scope_handle_escapes(handle: &Handle) {
    let text = String::from("local");
    let _escaped = block_on_scope(handle, async |scope| { //~ error: lifetime may not live long enough
        let child = scope.spawn(async { Ok::<_, std::io::Error>(&text) });
        Ok(child)
    });
}
