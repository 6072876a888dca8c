//! The scope cannot leave itself.
use mainspring::{group::block_on_scope, runtime::Handle};

pub fn block_scope_itself_escapes(handle: &Handle) {
    let _escaped = block_on_scope(handle, async |scope| { //~ error: lifetime may not live long enough
        drop(scope.spawn(async { Ok::<_, std::io::Error>(()) }));
        Ok(scope)
    });
}
