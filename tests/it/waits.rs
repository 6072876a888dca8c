//! Whatever a task waits for, a report says so in words, with the line of the user's `await` (MIS-01 asks the same of panics).
//!
//! One list of every kind of wait there is. Each is brought about in a task of its own, all of them at once in one runtime, which
//! is then shut down: its report must have a line for each. A new kind of wait has its line here; the count at the end says so.

use super::PATIENCE;
use super::blocking::hold;
use mainspring::fs::File;
use mainspring::group::{self, Backoff, On, TaskGroup, gather, hedge, map_on, race, retry};
use mainspring::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use mainspring::process::Command;
use mainspring::runtime::{Builder, Runtime};
use mainspring::signal::{SignalKind, signal};
use mainspring::sync::queue::Queue;
use mainspring::sync::{Barrier, Condvar, Mutex, Notify, OnceCell, RwLock, Semaphore, mpsc, watch};
use mainspring::task::{reserve_blocking, yield_now};
use mainspring::time::sleep;
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longer than any of them is waited for.
const HOUR: Duration = Duration::from_secs(3_600);

/// What is waited for, in the words of a report, and at which line of this file.
type Expected = (&'static str, u32);

/// The waits that were brought about.
#[derive(Default)]
struct Waits {
    expected: Vec<Expected>,
    /// How many of the tasks have begun to wait.
    begun: Arc<AtomicUsize>,
}

impl Waits {
    /// Spawns a task that will wait for this, at this line.
    fn expect<T>(&mut self, words: &'static str, line: u32, wait: impl Future<Output = T> + Send + 'static) {
        let begun = self.begun.clone();
        self.expected.push((words, line));
        drop(mainspring::spawn(async move {
            let (mut wait, mut has_begun) = (pin!(wait), false);
            poll_fn(|cx| {
                let polled = wait.as_mut().poll(cx);
                if polled.is_pending() && !has_begun {
                    has_begun = true;
                    begun.fetch_add(1, Ordering::SeqCst);
                }
                polled.map(drop)
            })
            .await;
            panic!("nothing waits for {words}");
        }));
    }

    /// Until all of them wait.
    async fn until_all_wait(&self) {
        super::until(|| self.begun.load(Ordering::SeqCst) == self.expected.len()).await;
    }
}

/// The value of something that does not fail here.
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap()
}

fn on_time(waits: &mut Waits) {
    waits.expect("a timer, ", line!(), sleep(HOUR));
    // The pause is drawn from nothing to this, which takes all that a clock of nanoseconds has.
    let ages = Backoff::new().base(Duration::from_nanos(u64::MAX)).delay_max(Duration::from_nanos(u64::MAX));
    waits.expect("a timer, ", line!(), retry(ages, async || Err::<(), _>(())));
    waits.expect("its next turn, ", line!() + 2, async {
        loop {
            yield_now().await;
        }
    });
}

async fn on_sockets(waits: &mut Waits) {
    let listener = ok(TcpListener::bind("127.0.0.1:0").await);
    let address = ok(listener.local_addr());
    let pair = async || (ok(TcpStream::connect(address).await), ok(listener.accept().await).0);
    let (reads, peer) = pair().await;
    waits.expect("data on descriptor ", line!() + 1, async move {
        let _ = reads.read(&mut [0]).await;
        drop(peer);
    });
    let (is_read, peer) = pair().await;
    waits.expect("readability of descriptor ", line!() + 1, async move {
        let _ = is_read.readable().await;
        drop(peer);
    });
    let (writes, peer) = pair().await;
    waits.expect("room on descriptor ", line!() + 1, async move {
        let _ = writes.write_all(&vec![0; 64 << 20]).await;
        drop(peer);
    });
    let (is_full, peer) = pair().await;
    while is_full.try_write(&[0; 65_536]).is_ok() {}
    waits.expect("writability of descriptor ", line!() + 1, async move {
        let _ = is_full.writable().await;
        drop(peer);
    });
    waits.expect("a connection on descriptor ", line!(), async move { drop(listener.accept().await) });
    // One waits to be accepted, and the kernel takes no more.
    let socket = ok(TcpSocket::new_v4());
    ok(socket.bind(ok("127.0.0.1:0".parse())));
    let full = ok(socket.listen(0));
    let address = ok(full.local_addr());
    let first = ok(TcpStream::connect(address).await);
    waits.expect("a peer's answer on descriptor ", line!() + 1, async move {
        let _ = ok(TcpSocket::new_v4()).connect(address).await;
        drop((full, first));
    });
}

fn on_the_system(waits: &mut Waits) {
    let mut heard = ok(signal(SignalKind::user_defined2()));
    waits.expect("a signal, ", line!(), async move { heard.recv().await });
    let mut child = ok(Command::new("sleep").arg("3600").kill_on_drop(true).spawn());
    waits.expect("the end of a process, ", line!(), async move { child.wait().await.is_ok() });
}

/// With the one thread of the pool held, and room for two in its queue: in this order.
async fn on_the_pool(waits: &mut Waits, file: File) {
    let file = Arc::new(file);
    let other = file.clone();
    waits.expect("blocking job ", line!(), async move { file.write_all(b"one").await.is_ok() });
    waits.until_all_wait().await;
    waits.expect("its turn at a file, ", line!(), async move { other.write_all(b"two").await.is_ok() });
    waits.expect("the addresses of a host, ", line!(), async { lookup_host("localhost:1").await.is_ok() });
    waits.until_all_wait().await;
    waits.expect("a place in the queue of blocking jobs, ", line!(), async { reserve_blocking().await });
    waits.until_all_wait().await;
}

async fn on_locks(waits: &mut Waits) {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.clone().lock_owned().await;
    waits.expect("lock ", line!(), async move { drop((mutex.lock().await, &held)) });
    let lock = Arc::new(RwLock::new(()));
    let (reads, held) = (lock.clone(), lock.clone().write_owned().await);
    waits.expect("lock ", line!(), async move { drop((reads.read().await, &held)) });
    waits.expect("lock ", line!(), async move { drop(lock.write().await) });
    let none = Semaphore::new(0);
    waits.expect("permits of semaphore ", line!(), async move { none.acquire().await.is_ok() });
    let silent = Notify::new();
    waits.expect("a notification of ", line!(), async move { silent.notified().await });
    let lonely = Barrier::new(2);
    waits.expect("the others at barrier ", line!(), async move { lonely.wait().await });
    let cell = Arc::new(OnceCell::<()>::new());
    let made = cell.clone();
    drop(mainspring::spawn(async move { _ = made.get_or_init(pending).await }));
    super::until(|| format!("{cell:?}").contains("making")).await;
    waits.expect("the value of cell ", line!(), async move { _ = cell.get_or_init(pending).await });
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    waits.expect("condition ", line!(), async move { drop(condition.wait(mutex.lock().await).await) });
}

fn on_channels(waits: &mut Waits) {
    let (full, kept) = mpsc::channel(1);
    ok(full.try_send(1));
    let ends = full.clone();
    waits.expect("room in channel ", line!(), async move { full.send(2).await.is_ok() });
    waits.expect("the end of channel ", line!(), async move { drop((ends.closed().await, kept)) });
    let (kept, mut empty) = mpsc::channel::<()>(1);
    waits.expect("a message on channel ", line!(), async move { drop((empty.recv().await, kept)) });
    let (kept, mut watched) = watch::channel(1);
    waits.expect("a change of watched value ", line!(), async move { drop((watched.changed().await, kept)) });
    let queue = Queue::unbounded();
    ok(queue.try_put(1));
    waits.expect("the end of the work in queue ", line!(), async move { queue.join().await });
}

async fn on_groups(waits: &mut Waits) {
    let never = || pending::<Result<(), ()>>();
    waits.expect("the end of 1 children of the scope ", line!() + 1, async {
        group::scope(async |group: TaskGroup| {
            drop(group.spawn(pending::<Result<(), _>>()));
            Ok(())
        })
        .await
        .is_ok()
    });
    let token = group::CancellationToken::new();
    waits.expect("a cancel, ", line!(), async move { token.cancelled().await });
    waits.expect("room for one more child of a scope, ", line!() + 3, async {
        let full = async |group: TaskGroup| {
            let fills = group.spawn_wait(pending::<Result<(), _>>()).await;
            drop((fills, group.spawn_wait(pending::<Result<(), _>>()).await));
            Ok(())
        };
        group::Builder::new().limit(1).scope(full).await.is_ok()
    });
    let mut mapped = map_on(On::tasks(1).window(1), [1], |_| pending::<()>());
    waits.expect("the next output of a `map_on`, ", line!(), async move { mapped.next().await });
    // This one's task is a worker, which has made one output that nobody takes.
    let made = Arc::new(AtomicUsize::new(0));
    let counts = made.clone();
    let ahead = map_on(On::tasks(1).window(1), 0..9, move |_| {
        counts.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    waits.expected.push(("room in the window of the `map_on` ", line!() - 4));
    waits.begun.fetch_add(1, Ordering::SeqCst);
    super::until(|| made.load(Ordering::SeqCst) == 1).await;
    drop(mainspring::spawn(async move { drop((pending::<()>().await, ahead)) }));
    waits.expect("the first of 2 in the race ", line!(), race([never(), never()]));
    waits.expect("3 of those that are gathered ", line!(), gather([never(), never(), never()]));
    waits.expect("the first answer of 1 copies, hedged ", line!(), hedge(HOUR, move |_| never()));
    let task = mainspring::spawn(pending::<()>());
    waits.expect("task ", line!(), async move { task.await.is_ok() });
}

/// Every wait there is.
fn bring_about(runtime: &Runtime, waits: &mut Waits, file: File) {
    runtime.block_on(async {
        on_time(waits);
        on_sockets(waits).await;
        on_the_system(waits);
        on_locks(waits).await;
        on_channels(waits);
        on_groups(waits).await;
    });
    let (open, job) = hold(runtime);
    runtime.block_on(on_the_pool(waits, file));
    drop(job);
    // Nothing goes on before the last of them has been dropped.
    let begun = Arc::downgrade(&waits.begun);
    std::thread::spawn(move || {
        while begun.strong_count() > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(open);
    });
}

/// On one thread: with two, those that the first worker has cancelled already may let others go on that the second still runs.
#[test]
fn whatever_a_task_waits_for_a_report_names_it_with_the_users_line() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).max_blocking_queue(2).build().unwrap();
    let mut waits = Waits::default();
    let path = std::env::temp_dir().join(format!("mainspring-waits-{}", std::process::id()));
    let file = runtime.block_on(File::create(&path)).unwrap();
    bring_about(&runtime, &mut waits, file);
    let report = runtime.shutdown_timeout(PATIENCE).to_string();
    std::fs::remove_file(&path).unwrap();
    let lacks = |(words, line): &&Expected| {
        let (words, at) = (format!("waits for {words}"), format!("at tests/it/waits.rs:{line}:"));
        !report.lines().any(|told| told.contains(&words) && told.contains(&at))
    };
    let lacking: Vec<_> = waits.expected.iter().filter(lacks).collect();
    assert!(lacking.is_empty(), "{lacking:?} of: {report}");
    assert_eq!(waits.expected.len(), 37, "each kind of wait");
}
