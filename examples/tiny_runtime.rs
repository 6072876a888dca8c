//! A whole async runtime in about 120 lines, to show the idea before the machine.
//!
//! It stands on three small crates and shares no line with mainspring, yet it has every part that matters:
//!
//! ```text
//!              spawn                    poll: Pending, waits for a socket
//!   a future ────────► tasks ◄──────────────┐        ┌───────────► sources
//!                        │ key              │        │ leaves its waker │
//!                        ▼                  │        │                  │
//!                      queue ────────► the loop, `block_on` ◄───────────┤
//!                        ▲                  │ queue empty: sleep        │
//!                        └── wake ◄── mio says which sockets are ready ─┘
//! ```
//!
//! What mainspring adds to this is what the rest of the crate is about: many threads, timers, fairness,
//! cancellation, panics that do not end the loop, and none of the allocations and locks made here.
//!
//! Run it: `cargo run --example tiny_runtime`

use futures_task::{ArcWake, waker};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll as Step, Waker};

/// A task is a boxed future that stores its output elsewhere (see [`spawn`]).
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Everything that belongs to the one thread on which tasks run.
struct Runtime {
    /// All living tasks; `None` while one is being polled, so that it may spawn others meanwhile.
    tasks: RefCell<Slab<Option<Task>>>,
    /// For each socket, who waits for it. The index in this slab is the socket's mio token.
    sources: RefCell<Slab<Vec<Waker>>>,
    /// Where sockets are announced to the kernel.
    registry: Registry,
    /// The only part that other threads may reach, by way of a waker.
    queue: Arc<Queue>,
}

/// The tasks to poll next.
struct Queue {
    /// Keys into `Runtime::tasks`. A key may be stale or doubled: the cost is one needless poll.
    ready: Mutex<VecDeque<usize>>,
    /// Ends a sleep of the loop.
    bell: mio::Waker,
}

/// What a waker is, in the end: a key, and the queue to put it in.
struct WakeTask {
    key: usize,
    queue: Arc<Queue>,
}

impl ArcWake for WakeTask {
    fn wake_by_ref(this: &Arc<Self>) {
        let mut ready = this.queue.ready.lock().expect("no panic happens under this lock");
        ready.push_back(this.key);
        // The loop sleeps only when it has seen an empty queue, so only the first push needs the bell.
        if ready.len() == 1 {
            this.queue.bell.wake().expect("an eventfd takes 2^64 - 2 wake-ups before it is full");
        }
    }
}

/// The bell's token; sockets have the small numbers.
const BELL: Token = Token(usize::MAX);

thread_local! {
    /// Where `spawn` and the sockets find the runtime.
    static RUNTIME: OnceCell<Rc<Runtime>> = const { OnceCell::new() };
}

fn runtime() -> Rc<Runtime> {
    RUNTIME.with(|cell| cell.get().expect("call this inside `block_on`").clone())
}

/// The loop: poll what is ready; when nothing is, sleep until a socket is.
fn block_on<T: 'static>(main: impl Future<Output = T> + 'static) -> io::Result<T> {
    let mut poll = Poll::new()?;
    let bell = mio::Waker::new(poll.registry(), BELL)?;
    let queue = Arc::new(Queue { ready: Mutex::default(), bell });
    let (tasks, sources, registry) = (RefCell::default(), RefCell::default(), poll.registry().try_clone()?);
    let runtime = Rc::new(Runtime { tasks, sources, registry, queue });
    RUNTIME.with(|cell| cell.set(runtime.clone())).unwrap_or_else(|_| panic!("one runtime a thread is enough here"));

    let main = spawn(main);
    let mut events = Events::with_capacity(64);
    loop {
        while let Some(key) = runtime.next_ready() {
            runtime.poll_task(key);
        }
        if let Some(output) = main.0.borrow_mut().output.take() {
            // Tasks still alive are dropped here, while their sockets can still sign off.
            drop(runtime.tasks.take());
            return Ok(output);
        }
        poll.poll(&mut events, None)?;
        for token in events.iter().map(|event| event.token()).filter(|token| *token != BELL) {
            let waiting = runtime.sources.borrow_mut().get_mut(token.0).map(std::mem::take);
            waiting.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl Runtime {
    fn next_ready(&self) -> Option<usize> {
        self.queue.ready.lock().expect("no panic happens under this lock").pop_front()
    }

    fn poll_task(&self, key: usize) {
        // The task may have finished since it was woken: then there is nothing to do.
        let Some(mut task) = self.tasks.borrow_mut().get_mut(key).and_then(Option::take) else { return };
        let waker = waker(Arc::new(WakeTask { key, queue: self.queue.clone() }));
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Step::Ready(()) => drop(self.tasks.borrow_mut().remove(key)),
            Step::Pending => self.tasks.borrow_mut()[key] = Some(task),
        }
    }
}

/// Where a task leaves its output, and who waits for it.
struct Join<T> {
    output: Option<T>,
    waiting: Option<Waker>,
}

/// Resolves to the task's output. Dropping it lets the task go on alone.
struct JoinHandle<T>(Rc<RefCell<Join<T>>>);

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<T> {
        let mut join = self.0.borrow_mut();
        join.waiting = Some(cx.waker().clone());
        join.output.take().map_or(Step::Pending, Step::Ready)
    }
}

/// Makes a task of a future and puts it in the queue.
fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let join = Rc::new(RefCell::new(Join { output: None, waiting: None }));
    let handle = JoinHandle(join.clone());
    let task = async move {
        let output = future.await;
        let mut join = join.borrow_mut();
        join.output = Some(output);
        join.waiting.take().into_iter().for_each(Waker::wake);
    };
    let runtime = runtime();
    let key = runtime.tasks.borrow_mut().insert(Some(Box::pin(task)));
    ArcWake::wake(Arc::new(WakeTask { key, queue: runtime.queue.clone() }));
    handle
}

/// A non-blocking socket that is known to the loop.
struct Socket<S: Source> {
    io: S,
    key: usize,
}

impl<S: Source> Socket<S> {
    fn new(mut io: S) -> io::Result<Self> {
        let runtime = runtime();
        let key = runtime.sources.borrow_mut().insert(Vec::new());
        runtime.registry.register(&mut io, Token(key), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { io, key })
    }

    /// The heart of async I/O: try; if it would block, leave a waker with the loop and try again when woken.
    async fn when_ready<T>(&mut self, mut attempt: impl FnMut(&mut S) -> io::Result<T>) -> io::Result<T> {
        let Self { io, key } = self;
        poll_fn(|cx| match attempt(io) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                runtime().sources.borrow_mut()[*key].push(cx.waker().clone());
                Step::Pending
            }
            result => Step::Ready(result),
        })
        .await
    }
}

impl<S: Source> Drop for Socket<S> {
    fn drop(&mut self) {
        let runtime = runtime();
        runtime.sources.borrow_mut().remove(self.key);
        // Closing the descriptor, which comes next, would do the same; an error here changes nothing.
        let _ = runtime.registry.deregister(&mut self.io);
    }
}

// Here the runtime ends. What follows is a program that uses it: an echo server and three clients.

async fn serve(mut listener: Socket<TcpListener>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.when_ready(|listener| listener.accept()).await?;
        spawn(echo(Socket::new(stream)?));
    }
}

async fn echo(mut stream: Socket<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = stream.when_ready(|stream| stream.read(&mut buffer)).await?;
        if length == 0 {
            return Ok(());
        }
        write_all(&mut stream, &buffer[..length]).await?;
    }
}

async fn write_all(stream: &mut Socket<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let length = stream.when_ready(|stream| stream.write(bytes)).await?;
        bytes = &bytes[length..];
    }
    Ok(())
}

/// Sends a text, and returns what came back.
async fn ask(address: SocketAddr, text: String) -> io::Result<String> {
    let mut stream = Socket::new(TcpStream::connect(address)?)?;
    let connected = |stream: &mut TcpStream| match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.peer_addr().map_err(|_| io::ErrorKind::WouldBlock.into()),
    };
    stream.when_ready(connected).await?;
    write_all(&mut stream, text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    let mut filled = 0;
    while filled < answer.len() {
        match stream.when_ready(|stream| stream.read(&mut answer[filled..])).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => filled += length,
        }
    }
    String::from_utf8(answer).map_err(io::Error::other)
}

fn main() -> io::Result<()> {
    let answers = block_on(async {
        let listener = Socket::new(TcpListener::bind("127.0.0.1:0".parse().map_err(io::Error::other)?)?)?;
        let address = listener.io.local_addr()?;
        spawn(serve(listener));
        let clients: Vec<_> = (1..=3).map(|n| spawn(ask(address, format!("hello from client {n}")))).collect();
        let mut answers = Vec::new();
        for client in clients {
            answers.push(client.await?);
        }
        io::Result::Ok(answers)
    })??;
    assert_eq!(answers, ["hello from client 1", "hello from client 2", "hello from client 3"]);
    println!("the echo server answered: {}", answers.join(", "));
    Ok(())
}
