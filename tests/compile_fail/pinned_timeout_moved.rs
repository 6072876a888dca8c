//! A timeout around what must stay where it is must stay where it is, too.
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub struct Rooted(PhantomPinned);

impl Future for Rooted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

pub fn pinned_timeout_moved(rooted: Rooted, cx: &mut Context<'_>) {
    let mut limited = mainspring::time::timeout(Duration::from_secs(1), rooted);
    drop(Pin::new(&mut limited).poll(cx)); //~ E0277: `PhantomPinned` cannot be unpinned
}
