//! What an idle connection holds: 9,000 of them, each an echo task that waits in `read` with a buffer of 1 KiB inside.
//!
//! Resident bytes by which the server's process has grown, for each connection; the kernel's own part of a socket is
//! not in it, and the other ends are in another process. Each connection has carried one message before, so that it
//! is registered and its buffer's pages are touched.
//!
//! Where mainspring's bytes go, from `-Zprint-type-sizes`, with the allocator's 8 bytes a block and its rounding to 16:
//!
//! ```text
//!   the task's cell                     1,232
//!     header, as every task's             128
//!     the buffer                        1,024
//!     stream: source, descriptor           16
//!     `Read`                               40    stream 8, line 8, key 8, buffer 16
//!     how far it has come                   8
//!     the allocator's                      16
//!   the source                            112
//!     reference counts                     16
//!     readiness word                        8
//!     who waits                            48    lock 8, first key and waker 24, others 8, next key 8
//!     where it is registered               24    lock 8, driver 8, token 8
//!     descriptor, interest, strays          8
//!     the allocator's                       8
//!   the slab's entry                       16    generation, source
//!                                       1,360    and a dozen more for the pages that a runtime begins with
//! ```

use super::common::case::{Case, Field, Figures, Size, Workload};
use super::common::load::MESSAGE;
use super::common::machine;
use super::common::oneshot;
use super::common::runtime::{Leaves, Runtime};
use std::env;
use std::future::Future;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<IdleConnection>()
}

/// Connections that have said something once, and nothing since.
struct IdleConnection;

impl Workload for IdleConnection {
    const NAME: &'static str = "idle_connection";

    fn run<R: Runtime>(size: Size) -> Figures {
        machine::raise_descriptor_limit().expect("a limit can be raised to its maximum");
        // Not a tenth in a quick run: with few connections the pages that a runtime begins with would be the result.
        let connections = if size == Size::Tiny { 8 } else { 9_000 };
        let grown = R::start(2).run(async move {
            let (bound, address) = oneshot::channel();
            drop(R::spawn_with_leaves(serve::<R>(bound)));
            let address = address.await.expect("the server tells its address");
            let (done, over) = oneshot::channel();
            let clients = thread::spawn(move || done.send(grown_by(address, connections)));
            let grown = over.await.expect("the clients report").expect("the clients run");
            clients.join().expect("it has nothing left to do");
            grown
        });
        vec![("bytes", grown as f64 / connections as f64)]
    }
}

async fn serve<R: Runtime>(bound: oneshot::Sender<SocketAddr>) {
    let (mut listener, address) = <R::Leaves>::listen().await.expect("a free port of the loopback interface");
    bound.send(address);
    loop {
        let stream = <R::Leaves>::accept(&mut listener).await.expect("a connection");
        drop(R::spawn_with_leaves(echo::<R>(stream)));
    }
}

/// As the server of `echo`. A block and not an `async fn`, which would hold its argument twice; and what was read is not held while
/// it is written, as a `while let` or a `match` would (16 bytes, for everybody).
#[allow(clippy::manual_async_fn, reason = "it is 16 bytes smaller")]
fn echo<R: Runtime>(mut stream: <R::Leaves as Leaves>::Stream) -> impl Future<Output = ()> + Send {
    async move {
        let mut buffer = <R::Leaves>::buffer();
        loop {
            let Ok(count @ 1..) = <R::Leaves>::read(&mut stream, &mut buffer).await else { return };
            debug_assert!(count <= MESSAGE, "one message at a time");
            let Ok(()) = <R::Leaves>::write_all(&mut stream, &mut buffer, count).await else { return };
        }
    }
}

/// By how much this process, the server's, grows while another connects and gets an answer on each connection. Blocks.
fn grown_by(address: SocketAddr, connections: usize) -> io::Result<u64> {
    let mut command = Command::new(env::current_exe()?);
    // The load of `echo`, kept waiting where it would begin to be measured, and then told to send hardly anything.
    command.args(["--load".into(), address.to_string(), connections.to_string(), "1".into()]);
    let before = machine::resident_bytes();
    let mut clients = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(clients.stdout.as_mut().expect("it was just piped")).read_line(&mut line)?;
    assert_eq!(line, "ready\n", "every connection has had its answer");
    let grown = machine::resident_bytes().saturating_sub(before);
    drop(clients.stdin.take()); // the end of its wait
    let output = clients.wait_with_output()?;
    assert!(output.status.success(), "the clients leave in order");
    Ok(grown)
}
