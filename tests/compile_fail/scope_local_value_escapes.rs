//! A child's handle may leave the scope, but not what its value borrows.
use mainspring::group::{LocalChild, scope_local};

pub async fn scope_local_value_escapes() -> LocalChild<&'static str> {
    let text = String::from("short");
    scope_local(async |scope| Ok::<_, std::io::Error>(scope.spawn(async { Ok(text.as_str()) }))).await.unwrap() //~ E0515: cannot return value referencing local variable
}
