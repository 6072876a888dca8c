//! A scope whose children stay on their thread stays there, too.
use mainspring::group::scope_local;

pub fn scope_local_sent() {
    drop(mainspring::spawn(scope_local(async |scope| { //~ E0277: cannot be sent between threads safely
        drop(scope.spawn(async { Ok::<_, std::io::Error>(()) }));
        Ok(())
    })));
}
