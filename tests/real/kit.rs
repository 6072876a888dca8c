//! Small things that many cases use.

use crate::probe::eventually;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{JoinHandle, yield_now};
use mainspring::time::{Sleep, sleep};
use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().build().expect("descriptors are to be had")
}

pub(crate) fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread().workers(workers).build().expect("descriptors and threads are to be had")
}

/// Runs `test` in both flavours, the second with these numbers of workers.
pub(crate) fn everywhere(workers: &[usize], test: impl Fn(&Runtime)) {
    test(&current_thread());
    workers.iter().for_each(|&workers| test(&multi_thread(workers)));
}

/// Runs `test` on a current-thread runtime whose thread stays in `block_on` until the test has ended, by a panic or well.
pub(crate) fn in_block_on(test: impl FnOnce(&Runtime)) {
    struct OpensAtLast(Arc<Gate>);
    impl Drop for OpensAtLast {
        fn drop(&mut self) {
            self.0.open();
        }
    }
    let (runtime, over) = (current_thread(), Gate::new());
    thread::scope(|scope| {
        let _at_last = OpensAtLast(over.clone());
        scope.spawn(|| runtime.block_on(over.wait()));
        eventually("a thread is in `block_on`", || over.waiting() > 0);
        test(&runtime);
    });
}

/// Lives in a runtime's hook, and so is gone exactly when the runtime is freed.
pub(crate) struct Token(Arc<()>);

impl Token {
    pub(crate) fn put_into(builder: Builder) -> (Builder, Self) {
        let token = Arc::new(());
        let held = token.clone();
        (builder.on_unhandled_panic(move |_| drop(Arc::clone(&held))), Self(token))
    }

    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A worker's thread may hold on to its runtime for another moment.
    #[track_caller]
    pub(crate) fn assert_freed(self) {
        eventually("the runtime is freed", || !self.is_held());
    }
}

/// Waits for all of them; a panic in one goes on here.
pub(crate) async fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for handle in handles {
        outputs.push(handle.await.expect("this task neither panics nor is it aborted"));
    }
    outputs
}

/// Polls a future once and drops it.
pub(crate) async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback is up")
}

/// Two ends of one connection.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = listen().await;
    let near = TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
    (near, listener.accept().await.expect("one has connected").0)
}

/// Sends back what comes until the other side ends.
pub(crate) async fn echo(stream: TcpStream) {
    let mut buf = [0; 256];
    while let Ok(count @ 1..) = stream.read(&mut buf).await {
        stream.write_all(&buf[..count]).await.expect("the other side reads what it has sent");
    }
}

/// An event that many can wait for, set once from anywhere.
#[derive(Default)]
pub(crate) struct Gate {
    open: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn open(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock().expect("nobody panics in here");
            self.open.store(true, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// How many wakers were left here.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().expect("nobody panics in here").len()
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().expect("nobody panics in here");
            if self.is_open() {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A waker that a thread can wait for.
pub(crate) fn bell() -> (Waker, Receiver<()>) {
    let (ring, heard) = mpsc::sync_channel(1_024);
    (Waker::from(Arc::new(Bell(ring))), heard)
}

struct Bell(SyncSender<()>);

/// Sets a timer with the current driver, for a thread to hear; it goes off 5 ms from now.
pub(crate) fn timer() -> (Pin<Box<Sleep>>, Receiver<()>) {
    loop {
        let (waker, heard) = bell();
        let mut nap = Box::pin(sleep(Duration::from_millis(5)));
        // On a machine so busy that it is over before it is set there is nothing to hear.
        if nap.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            return (nap, heard);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // A full channel has rung enough, and nobody may listen any more.
        let _ = self.0.try_send(());
    }
}

/// Counts its own drop.
pub(crate) struct CountsDrop(pub(crate) Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Blocks threads until it is dropped, or at most for ten seconds, so that a failing case still ends.
pub(crate) struct Stopper(Vec<SyncSender<()>>);

impl Stopper {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// A function that blocks the thread it is called on.
    pub(crate) fn block(&mut self) -> impl FnOnce() + Send + 'static {
        let (release, released) = mpsc::sync_channel(1);
        self.0.push(release);
        move || {
            let outcome = released.recv_timeout(Duration::from_secs(10));
            assert_ne!(outcome, Err(RecvTimeoutError::Timeout), "the case has forgotten to let it go");
        }
    }

    /// Lets the first one go that was made and is still blocked.
    pub(crate) fn release_one(&mut self) {
        drop(self.0.remove(0));
    }
}

/// Keeps every worker busy with tasks that yield, until it is dropped.
pub(crate) struct Load(Arc<AtomicBool>);

impl Load {
    pub(crate) fn on(runtime: &Runtime, tasks: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..tasks {
            let over = over.clone();
            drop(runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            }));
        }
        Self(over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
