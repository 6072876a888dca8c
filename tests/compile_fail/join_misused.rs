//! MIS-07: a join wants futures with commas between them, and a `try_join!` results.
use mainspring::{join, try_join};
use std::future::ready;

pub async fn no_comma() {
    join!(ready(1) ready(2)); //~ error: `join!` wants futures with a comma between them; it stopped at `ready(1) ready(2)`
}

pub async fn nothing_to_try() -> Result<(), ()> {
    try_join!() //~ error: `try_join!` of nothing has no error type: name a future
}

pub async fn no_result() -> Result<(), ()> {
    try_join!(ready(1)).map(drop) //~ E0271: to be a future that resolves to `Result<
}
