//! The children of a scope that may move between threads must be able to.
use mainspring::group::scope_send;
use std::rc::Rc;

pub async fn scope_send_child_rc() {
    let _ = scope_send(async |scope| {
        let local = Rc::new(1);
        drop(scope.spawn(async move { Ok::<_, std::io::Error>(*local) })); //~ error: future cannot be sent between threads safely
        Ok(())
    })
    .await;
}
