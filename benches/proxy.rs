//! What a proxy spends on a MiB of bulk that it passes on from one TCP connection to another.
//!
//! Each crate uses what it has for that: mainspring `splice`, tokio and smol their `copy`, and nio, which has nothing, a loop with a
//! buffer of 64 KiB. As with the echo the figure is cpu time, all threads of the proxy share a cpu, and the load has another.

use super::common::bulk;
use super::common::case::{Case, Field, Figures, Size, Workload};
use super::common::oneshot;
use super::common::runtime::{Leaves, Runtime};
use std::thread;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<Proxy>()
}

/// One direction between two connections.
struct Proxy;

impl Workload for Proxy {
    const NAME: &'static str = "proxy";

    fn suits<R: Runtime>() -> bool {
        !R::FILES_ONLY && R::Leaves::FORWARDS
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let mib = size.of(4_000);
        R::start(2).run(async move {
            let (mut listener, address) = <R::Leaves>::listen().await.expect("a free port of the loopback interface");
            let (done, over) = oneshot::channel();
            let load = thread::spawn(move || done.send(bulk::drive(address, mib)));
            let mut from = <R::Leaves>::accept(&mut listener).await.expect("a connection");
            let mut to = <R::Leaves>::accept(&mut listener).await.expect("a second one");
            <R::Leaves>::forward(&mut from, &mut to).await.expect("the load behaves");
            drop((from, to));
            let cpu = over.await.expect("the load reports").expect("the load runs");
            load.join().expect("it has nothing left to do");
            vec![("cpu us a MiB", cpu)]
        })
    }
}
