//! The smoke suite: a bit of everything, for runtimes and circumstances of every kind.

use crate::kit::{Gate, echo, join_all, listen, once, tcp_pair};
use mainspring::net::TcpStream;
use mainspring::runtime::Runtime;
use mainspring::task::yield_now;
use mainspring::time::{interval, sleep, timeout};
use std::cell::Cell;
use std::future::pending;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Runs all of it; panics if anything is wrong.
pub(crate) fn run(runtime: &Runtime) {
    runtime.block_on(tasks());
    runtime.block_on(local_tasks());
    runtime.block_on(sockets());
    runtime.block_on(timers());
    from_outside(runtime);
}

/// Spawning, joining, aborting, panicking.
async fn tasks() {
    let sum = join_all((0..200_u64).map(|n| {
        mainspring::spawn(async move {
            yield_now().await;
            let child = mainspring::spawn(async move { n });
            child.await.expect("no panic") * 2
        })
    }))
    .await;
    assert_eq!(sum.into_iter().sum::<u64>(), 199 * 200);
    let stuck = mainspring::spawn(pending::<()>());
    yield_now().await;
    stuck.abort();
    assert!(stuck.await.expect_err("it was aborted").is_cancelled());
    let error = mainspring::spawn(async { std::panic::resume_unwind(Box::new(7)) }).await.expect_err("it panicked");
    assert_eq!(error.into_panic().downcast_ref(), Some(&7));
    let gate = Gate::new();
    let waiters: Vec<_> = (0..50).map(|_| wait_at(&gate)).collect();
    yield_now().await;
    gate.open();
    join_all(waiters).await;
}

fn wait_at(gate: &Arc<Gate>) -> mainspring::task::JoinHandle<()> {
    let gate = gate.clone();
    mainspring::spawn(async move { gate.wait().await })
}

/// Tasks that stay on their thread.
async fn local_tasks() {
    let count = Rc::new(Cell::new(0));
    let (gate, home) = (Gate::new(), thread::current().id());
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (count, gate) = (count.clone(), gate.clone());
            mainspring::spawn_local(async move {
                gate.wait().await;
                assert_eq!(thread::current().id(), home);
                count.set(count.get() + 1);
            })
        })
        .collect();
    let opener = gate.clone();
    mainspring::spawn(async move { opener.open() }).await.expect("no panic");
    join_all(tasks).await;
    assert_eq!(count.get(), 50);
}

/// Connecting, echoing, half-closing, a refused connection.
async fn sockets() {
    let listener = listen().await;
    let address = listener.local_addr().expect("it is bound");
    let server = mainspring::spawn(async move {
        for _ in 0..20 {
            let (stream, _) = listener.accept().await.expect("clients come");
            drop(mainspring::spawn(echo(stream)));
        }
    });
    let clients = (0..20).map(|n: u8| {
        mainspring::spawn(async move {
            let stream = TcpStream::connect(address).await.expect("it listens");
            for round in 0..20 {
                stream.write_all(&[n, round]).await.expect("the echo lives");
                let mut back = [0; 2];
                stream.read_exact(&mut back).await.expect("the echo lives");
                assert_eq!(back, [n, round]);
            }
            stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
            assert_eq!(stream.read(&mut [0; 8]).await.expect("the echo ends"), 0);
        })
    });
    join_all(clients.collect::<Vec<_>>()).await;
    server.await.expect("no panic");
    let refused = TcpStream::connect(address).await.expect_err("nobody listens any more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let (near, _far) = tcp_pair().await;
    assert!(once(near.readable()).await.is_none());
}

/// Sleeping, timing out, ticking.
async fn timers() {
    let naps = (0..100).map(|n| mainspring::spawn(sleep(Duration::from_millis(n % 10))));
    join_all(naps.collect::<Vec<_>>()).await;
    assert!(timeout(Duration::from_millis(1), pending::<()>()).await.is_err());
    assert_eq!(timeout(Duration::from_secs(3_600), async { 5 }).await, Ok(5));
    let mut ticks = interval(Duration::from_millis(1));
    for _ in 0..10 {
        ticks.tick().await;
    }
}

/// Spawns and wakes from threads that are not the runtime's.
fn from_outside(runtime: &Runtime) {
    let done = Arc::new(AtomicU64::new(0));
    let gate = Gate::new();
    let handles: Vec<_> = thread::scope(|scope| {
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let tasks = (0..50).map(|_| {
                        let (gate, done) = (gate.clone(), done.clone());
                        runtime.spawn(async move {
                            gate.wait().await;
                            done.fetch_add(1, Ordering::Relaxed);
                        })
                    });
                    tasks.collect::<Vec<_>>()
                })
            })
            .collect();
        spawners.into_iter().flat_map(|spawner| spawner.join().expect("no panic")).collect()
    });
    thread::scope(|scope| {
        scope.spawn(|| gate.open());
        runtime.block_on(join_all(handles));
    });
    assert_eq!(done.load(Ordering::Relaxed), 200);
}
