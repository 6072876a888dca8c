//! And so must its body, if the task that awaits it is to move.
use mainspring::group::scope_send;
use mainspring::task::yield_now;
use std::rc::Rc;

pub fn scope_send_body_rc() {
    drop(mainspring::spawn(scope_send(async |scope| { //~ error: future cannot be sent between threads safely
        let local = Rc::new(1);
        yield_now().await;
        drop(scope.spawn(async { Ok::<_, std::io::Error>(()) }));
        Ok(*local)
    })));
}
