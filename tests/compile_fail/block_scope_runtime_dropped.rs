//! A runtime cannot be dropped while a scope borrows it.
use mainspring::{group::block_on_scope, runtime::Runtime};

pub fn block_scope_runtime_dropped(runtime: Runtime) {
    let _ = block_on_scope(runtime.handle(), async |scope| { //~ E0505: cannot move out of `runtime`
        drop(scope.spawn(async { Ok::<_, std::io::Error>(()) }));
        drop(runtime);
        Ok(())
    });
}
