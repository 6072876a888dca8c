//! Nor can it be put where it would outlive the scope.
use mainspring::{group::block_on_scope, runtime::Handle};

pub fn block_scope_handle_kept(handle: &Handle) {
    let mut kept = Vec::new();
    let _ = block_on_scope(handle, async |scope| { //~ error: lifetime may not live long enough
        kept.push(scope.spawn(async { Ok::<_, std::io::Error>(1) }));
        Ok(())
    });
}
