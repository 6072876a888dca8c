//! MIS-07: what rustc itself says about the parts of a `select!` stands at the part, not at the macro.
use mainspring::{join, select};
use std::future::ready;

pub async fn not_a_future() {
    select! { //~ E0277: `{integer}` is not a future
        _ = 5 => {} //~ E0277: `{integer}` is not a future
    }
}

pub async fn two_types_of_handlers() {
    let _: u32 = select! {
        _ = ready(1) => 1,
        _ = ready(2) => "two", //~ E0308: expected `u32`, found `&str`
    };
}

pub async fn a_pattern_of_another_type() {
    select! {
        Some(_) = ready(1) => {} //~ E0308: mismatched types
        else => {}
    }
}

pub async fn a_loser_used_after_it_was_given_away() {
    let loser = async {};
    select! {
        () = loser => {}
        () = ready(()) => loser.await, //~ E0382: use of moved value
    }
}

pub async fn joined_twice() {
    let once = async {};
    join!(once, once); //~ E0382: use of moved value
}
