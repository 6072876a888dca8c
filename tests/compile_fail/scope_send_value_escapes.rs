//! A child's handle may leave the scope, but not what its value borrows.
use mainspring::group::{LocalChild, scope_send};

pub async fn scope_send_value_escapes() -> LocalChild<&'static str> {
    let text = String::from("short");
    scope_send(async |scope| Ok::<_, std::io::Error>(scope.spawn(async { Ok(text.as_str()) }))).await.unwrap() //~ E0515: cannot return value referencing local variable
}
