//! SHD-07: six things that belong to one runtime are dropped in every order there is.

use crate::kit::{CountsDrop, Token, once, tcp_pair};
use crate::probe::{Holdings, eventually};
use mainspring::net::TcpStream;
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::JoinHandle;
use mainspring::time::{Sleep, sleep};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

cases! { CASES:
    60 => [shd_07_runtime_handle_join_handle_waker_socket_and_timer_may_go_in_any_of_720_orders],
}

/// The six, each as something that can be dropped.
struct Six {
    things: [Option<Box<dyn std::any::Any>>; 6],
    /// How often the task's future was dropped.
    dropped: Arc<AtomicUsize>,
    token: Token,
    /// The other end of the socket, to see that it is closed.
    peer: std::net::TcpStream,
}

impl Six {
    fn new(builder: Builder) -> Self {
        let (builder, token) = Token::put_into(builder);
        let runtime: Runtime = builder.build().expect("descriptors are to be had");
        let handle: Handle = runtime.handle().clone();
        let dropped = Arc::new(AtomicUsize::new(0));
        let counts = CountsDrop(dropped.clone());
        let (tell, told) = mpsc::channel();
        let task: JoinHandle<()> = runtime.spawn(poll_fn(move |cx| {
            let _counts = &counts;
            let _ = tell.send(cx.waker().clone());
            Poll::Pending
        }));
        let (socket, nap, peer): (TcpStream, Pin<Box<Sleep>>, _) = runtime.block_on(async {
            let (near, far) = tcp_pair().await;
            assert!(once(near.readable()).await.is_none());
            let mut nap = Box::pin(sleep(Duration::from_secs(3_600)));
            assert!(once(nap.as_mut()).await.is_none());
            mainspring::task::yield_now().await;
            (near, nap, far.into_std().expect("it is real"))
        });
        let waker: Waker = told.recv_timeout(Duration::from_secs(5)).expect("the task is polled");
        let things: [Box<dyn std::any::Any>; 6] =
            [Box::new(runtime), Box::new(handle), Box::new(task), Box::new(waker), Box::new(socket), Box::new(nap)];
        Self { things: things.map(Some), dropped, token, peer }
    }

    fn drop_in(mut self, order: [usize; 6]) {
        order.into_iter().for_each(|index| drop(self.things[index].take()));
        assert_eq!(self.dropped.load(Ordering::SeqCst), 1, "{order:?}: the task's future is dropped once");
        eventually(&format!("{order:?}: the runtime is freed"), || !self.token.is_held());
        self.peer.set_nonblocking(false).expect("it is open");
        let end = std::io::Read::read(&mut self.peer, &mut [0]).expect("a clean end");
        assert_eq!(end, 0, "{order:?}: the socket is closed");
    }
}

/// The order with this number, of 720.
fn order(mut number: usize) -> [usize; 6] {
    let mut left: Vec<usize> = (0..6).collect();
    // So many orders there are for the rest, once this one is chosen.
    [120, 24, 6, 2, 1, 1].map(|rest| {
        let chosen = left.remove(number / rest);
        number %= rest;
        chosen
    })
}

fn shd_07_runtime_handle_join_handle_waker_socket_and_timer_may_go_in_any_of_720_orders() {
    let mut orders: Vec<_> = (0..720).map(order).collect();
    orders.iter().for_each(|order| {
        let mut sorted = *order;
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
    });
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders.len(), 720);
    let mut before = Holdings::now();
    for (number, order) in orders.into_iter().enumerate() {
        Six::new(Builder::new_current_thread()).drop_in(order);
        Six::new(Builder::new_multi_thread().workers(1 + number % 2)).drop_in(order);
        if number == 100 {
            before = Holdings::now();
        }
    }
    before.assert_flat(2_048);
}
