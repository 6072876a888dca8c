//! The closure cannot await, cannot keep the value, and the value cannot leave its thread.
use mainspring::task::Local;

pub async fn local_awaits(value: Local<u32>) {
    value.with(|n| {
        mainspring::task::yield_now().await; //~ E0728: `await` is only allowed inside `async` functions and blocks
        *n += 1;
    });
}

pub fn local_escapes(value: Local<Vec<u32>>) -> usize {
    let list: &mut Vec<u32> = value.with(|list| list); //~ error: lifetime may not live long enough
    list.len()
}

pub fn local_sent(value: Local<u32>) {
    drop(mainspring::spawn(async move { value.with(|n| *n += 1) })); //~ error: future cannot be sent between threads safely
}
