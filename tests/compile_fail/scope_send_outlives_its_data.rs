//! What children borrow must outlive the scope's future, awaited or not.
use mainspring::group::scope_send;

pub async fn scope_send_outlives_its_data() {
    let scope = {
        let text = String::from("short");
        let text = &text; //~ E0597: `text` does not live long enough
        scope_send(async move |scope| {
            drop(scope.spawn(async move { Ok::<_, std::io::Error>(text.len()) }));
            Ok(())
        })
    };
    let _ = scope.await;
}
