//! A handle may go to another thread, but not to one that may outlive what the children borrow.
use mainspring::group::{SendScope, scope_send};

pub async fn scope_send_handle_escapes() {
    let text = String::from("short");
    let text = &text; //~ E0597: `text` does not live long enough
    let _ = scope_send(async move |scope: SendScope<'_, std::io::Error>| {
        drop(scope.spawn(async move { Ok(text.len()) }));
        std::thread::spawn(move || drop(scope.spawn(async { Ok(()) })));
        Ok(())
    })
    .await;
}
