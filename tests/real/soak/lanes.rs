//! The lanes of the soak: each makes one step after the other, with a short rest, for as long as its window lasts.

use crate::kit::CountsDrop;
use mainspring::fs;
use mainspring::group::{self, TaskGroup};
use mainspring::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use mainspring::process::{Command, Stdio};
use mainspring::sync::{Mutex, Notify, RwLock, Semaphore, mpsc, oneshot, watch};
use mainspring::task::{JoinHandle, spawn_blocking, yield_now};
use mainspring::time::{sleep, timeout};
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Long enough to be given up long before.
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// One step under way.
type Step = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A kind of work: its name, how many tasks do it, and one step of it by number.
type Lane = (&'static str, usize, fn(Arc<Grounds>, u64) -> Step);

/// So many kinds of work.
const KINDS: usize = 13;

const LANES: [Lane; KINDS] = [
    ("tcp", 8, |grounds, n| Box::pin(tcp(grounds, n))),
    ("tcp, cut off", 2, |grounds, n| Box::pin(cut_off(grounds, n))),
    ("udp", 2, |_, n| Box::pin(udp(n))),
    ("unix", 2, |grounds, n| Box::pin(unix(grounds, n))),
    ("timers", 4, |_, n| Box::pin(timers(n))),
    ("channels", 3, |grounds, n| Box::pin(channels(grounds, n))),
    ("locks", 3, |grounds, n| Box::pin(locks(grounds, n))),
    ("blocking", 2, |_, n| Box::pin(blocking(n))),
    ("files", 2, |grounds, n| Box::pin(files(grounds, n))),
    ("processes", 1, |_, n| Box::pin(processes(n))),
    ("scopes", 3, |grounds, n| Box::pin(scopes(grounds, n))),
    ("select", 2, |grounds, n| Box::pin(select(grounds, n))),
    ("aborts", 2, |grounds, n| Box::pin(aborts(grounds, n))),
];

/// What the lanes have done, and what of theirs is alive.
#[derive(Default)]
pub(super) struct Counts {
    steps: [AtomicU64; KINDS],
    running: [AtomicUsize; KINDS],
    born: AtomicUsize,
    dropped: Arc<AtomicUsize>,
}

impl Counts {
    pub(super) fn steps(&self) -> u64 {
        self.steps.iter().map(|steps| steps.load(Ordering::SeqCst)).sum()
    }

    /// Futures of tasks that were spawned and are not dropped.
    pub(super) fn alive(&self) -> usize {
        let dropped = self.dropped.load(Ordering::SeqCst);
        self.born.load(Ordering::SeqCst) - dropped
    }

    pub(super) fn by_lane(&self) -> String {
        let each =
            LANES.iter().zip(&self.steps).map(|((name, ..), steps)| format!("{name} {}", steps.load(Ordering::SeqCst)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The lanes that have not ended, and how many of their tasks.
    pub(super) fn running(&self) -> String {
        let each = LANES.iter().zip(&self.running).map(|((name, ..), tasks)| (name, tasks.load(Ordering::SeqCst)));
        each.filter(|(_, tasks)| *tasks > 0)
            .map(|(name, tasks)| format!("{name} {tasks}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whoever carries this counts as alive.
    fn birth(&self) -> CountsDrop {
        self.born.fetch_add(1, Ordering::SeqCst);
        CountsDrop(self.dropped.clone())
    }
}

/// What the lanes share.
pub(super) struct Grounds {
    pub(super) counts: Arc<Counts>,
    over: AtomicBool,
    tcp: SocketAddr,
    folder: PathBuf,
    mutex: Mutex<u64>,
    rwlock: RwLock<u64>,
    semaphore: Semaphore,
    notify: Notify,
}

impl Grounds {
    pub(super) async fn open(counts: &Arc<Counts>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback is up");
        let tcp = listener.local_addr().expect("it is bound");
        let folder = crate::harness::scratch_file("soak");
        fs::create_dir_all(&folder).await.expect("cargo made the folder above it");
        drop(mainspring::spawn(serve(listener, counts.clone())));
        let (mutex, rwlock, semaphore) = (Mutex::new(0), RwLock::new(0), Semaphore::new(2));
        let over = AtomicBool::new(false);
        Self { counts: counts.clone(), over, tcp, folder, mutex, rwlock, semaphore, notify: Notify::new() }
    }

    /// Tasks that go on through all windows.
    pub(super) fn servers(&self) -> usize {
        1
    }

    /// Begins a window.
    pub(super) fn begin(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        self.over.store(false, Ordering::SeqCst);
        let mut tasks = Vec::new();
        for (lane, &(_, count, step)) in LANES.iter().enumerate() {
            for number in 0..count {
                let grounds = self.clone();
                self.counts.running[lane].fetch_add(1, Ordering::SeqCst);
                tasks.push(self.spawn(async move {
                    let mut n = number as u64;
                    while !grounds.over.load(Ordering::SeqCst) {
                        step(grounds.clone(), n).await;
                        grounds.counts.steps[lane].fetch_add(1, Ordering::SeqCst);
                        sleep(Duration::from_micros(500 + n % 7 * 500)).await;
                        n += count as u64;
                    }
                    grounds.counts.running[lane].fetch_sub(1, Ordering::SeqCst);
                }));
            }
        }
        tasks
    }

    /// Ends it: each task makes its step to the end.
    pub(super) fn over(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        mainspring::spawn(carrying(self.counts.birth(), future))
    }
}

impl Drop for Grounds {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A future that carries a guard.
async fn carrying<F: Future>(guard: CountsDrop, future: F) -> F::Output {
    let _guard = guard;
    future.await
}

/// Greets nobody, sends back what comes. Some clients leave in the middle.
async fn serve(listener: TcpListener, counts: Arc<Counts>) {
    loop {
        let (stream, _) = listener.accept().await.expect("there are descriptors");
        drop(mainspring::spawn(carrying(counts.birth(), async move {
            let mut buf = [0; 1_024];
            while let Ok(count @ 1..) = stream.read(&mut buf).await {
                if stream.write_all(&buf[..count]).await.is_err() {
                    break;
                }
            }
        })));
    }
}

async fn tcp(grounds: Arc<Grounds>, n: u64) {
    let stream = TcpStream::connect(grounds.tcp).await.expect("it listens");
    for round in 0..=n % 5 {
        let message = vec![round as u8; 1 + (n * 37 % 4_000) as usize];
        let mut back = vec![0; message.len()];
        let (sent, got) = mainspring::join!(stream.write_all(&message), stream.read_exact(&mut back));
        sent.and(got).expect("the server sends it back");
        assert_eq!(back, message);
    }
    stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
    assert_eq!(stream.read(&mut [0; 8]).await.expect("the server hangs up"), 0);
}

/// Leaves with bytes on their way, and with reads and writes that wait.
async fn cut_off(grounds: Arc<Grounds>, n: u64) {
    let stream = TcpStream::connect(grounds.tcp).await.expect("it listens");
    match n % 3 {
        0 => stream.write_all(&[1; 3_000]).await.expect("the buffers take it"),
        1 => assert!(timeout(Duration::from_millis(1), stream.read(&mut [0; 8])).await.is_err(), "nothing was sent"),
        _ => {
            // The kernel's buffers may take all of it, or time is up before.
            let flood = vec![1; 8 << 20];
            let _ = timeout(Duration::from_millis(5), stream.write_all(&flood)).await;
        }
    }
}

async fn udp(n: u64) {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await, UdpSocket::bind("127.0.0.1:0").await);
    let (one, other) = (one.expect("a port is free"), other.expect("a port is free"));
    let to = other.local_addr().expect("it is bound");
    for round in 0..4 {
        let message = [(n + round) as u8; 100];
        let mut buf = [0; 128];
        // A datagram to oneself is not lost, since the receiver's buffer is empty.
        let (sent, got) = mainspring::join!(one.send_to(&message, to), other.recv_from(&mut buf));
        assert_eq!((sent.expect("it is sent"), got.expect("it arrives").0), (100, 100));
        assert_eq!(buf[..100], message);
    }
    assert!(timeout(Duration::from_micros(200), other.recv(&mut [0; 8])).await.is_err(), "nothing more was sent");
}

async fn unix(grounds: Arc<Grounds>, n: u64) {
    let (near, far) = UnixStream::pair().expect("there are descriptors");
    let size = 1 + (n * 7_919 % 300_000) as usize;
    let writer = grounds.spawn(async move { near.write_all(&vec![5; size]).await });
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.expect("the writer ends");
    writer.await.expect("no panic").expect("the reader reads");
    assert!(all.len() == size && all.iter().all(|byte| *byte == 5));
}

/// Some fire, most are given up: before their first poll, after it, and by a limit.
async fn timers(n: u64) {
    for number in 0..20 {
        drop(sleep(AN_HOUR));
        let mut given_up = pin!(sleep(AN_HOUR + Duration::from_millis(n * 20 + number)));
        let short = timeout(Duration::from_micros(number * 20), given_up.as_mut());
        assert!(short.await.is_err(), "it is an hour");
        assert_eq!(timeout(AN_HOUR, yield_now()).await, Ok(()));
    }
    let mut ticks = mainspring::time::interval(Duration::from_micros(300));
    ticks.tick().await;
    ticks.tick().await;
}

async fn channels(grounds: Arc<Grounds>, n: u64) {
    let (sender, mut receiver) = mpsc::channel(4);
    let senders = (0..3).map(|_| {
        let sender = sender.clone();
        grounds.spawn(async move {
            for number in 0..20_u64 {
                sender.send(number).await.expect("the receiver takes all");
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    drop(sender);
    let (mut sum, (latest, mut seen)) = (0, watch::channel(0));
    while let Some(number) = receiver.recv().await {
        sum += number;
        latest.send(sum).expect("there is a receiver");
    }
    assert_eq!(sum, 3 * 190);
    seen.changed().await.expect("it has changed");
    assert_eq!(*seen.borrow(), sum);
    for task in senders {
        task.await.expect("no panic");
    }
    let (answer, question) = oneshot::channel();
    let task = grounds.spawn(async move { answer.send(n) });
    assert_eq!(question.await, Ok(n));
    assert_eq!(task.await.expect("no panic"), Ok(()));
    // Ends that go while the other waits and while the channel is full.
    let (sender, receiver) = mpsc::channel(1);
    sender.send(vec![1; 100]).await.expect("there is room");
    assert!(timeout(Duration::from_micros(100), sender.send(vec![2; 100])).await.is_err(), "there is no room");
    drop(receiver);
    assert!(sender.send(vec![3; 100]).await.is_err(), "nobody receives");
}

async fn locks(grounds: Arc<Grounds>, n: u64) {
    let tasks = (0..4).map(|_| {
        let all = grounds.clone();
        grounds.spawn(async move {
            let _permit = all.semaphore.acquire().await.expect("nobody closes it");
            *all.mutex.lock().await += 1;
            let mut guard = all.rwlock.write().await;
            yield_now().await;
            *guard += 1;
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    let guard = grounds.rwlock.read().await;
    assert!(*guard >= 4);
    // Those who give up while they wait in line.
    let in_vain = timeout(Duration::from_micros(50 + n % 100), grounds.notify.notified()).await;
    assert!(in_vain.is_err(), "nobody notifies");
    assert!(timeout(Duration::from_micros(50), grounds.rwlock.write()).await.is_err(), "we hold it");
}

async fn blocking(n: u64) {
    let jobs = (0..4).map(|number| spawn_blocking(move || (0..1_000).fold(n + number, |sum, x| sum ^ x)));
    for job in jobs.collect::<Vec<_>>() {
        job.await.expect("no panic");
    }
    // Given up; it runs all the same, or is never begun.
    drop(spawn_blocking(|| std::thread::sleep(Duration::from_micros(200))));
}

async fn files(grounds: Arc<Grounds>, n: u64) {
    let path = grounds.folder.join(format!("{n}"));
    let content = vec![n as u8; 1 + (n * 997 % 100_000) as usize];
    fs::write(&path, content.clone()).await.expect("there is room");
    assert!(fs::read(&path).await.expect("it was just written") == content);
    let file = fs::File::open(&path).await.expect("it is there");
    let mut first = [0];
    file.read_exact(&mut first).await.expect("it has a byte");
    assert_eq!(first[0], content[0]);
    drop(fs::read(&path)); // not begun
    let _ = timeout(Duration::from_micros(20), fs::read(&path)).await; // given up, or not
    fs::remove_file(&path).await.expect("it was there");
    let missing = fs::File::open(&path).await.expect_err("it is gone");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

async fn processes(n: u64) {
    match n % 3 {
        0 => assert!(Command::new("true").status().await.expect("it can be started").success()),
        1 => {
            let output = Command::new("echo").arg("hello").output().await.expect("it can be started");
            assert_eq!(output.stdout, b"hello\n");
        }
        _ => {
            let mut child = Command::new("cat");
            let mut child = child.stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("it can be started");
            let input = child.stdin.take(); // which `wait` would close
            assert!(timeout(Duration::from_millis(1), child.wait()).await.is_err(), "its input is open");
            drop(input);
        }
    }
    sleep(Duration::from_millis(20)).await;
}

async fn scopes(grounds: Arc<Grounds>, n: u64) {
    let counts = grounds.counts.clone();
    let sum = group::scope(async |group: TaskGroup<io::Error>| {
        let children: Vec<_> = (0..4).map(|x| group.spawn(carrying(counts.birth(), async move { Ok(x) }))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await?;
        }
        Ok(sum)
    });
    assert_eq!(sum.await.expect("nobody fails"), 6);
    // One fails, and the others, who would wait for ever, are cancelled.
    let failing = group::scope(async |group: TaskGroup<io::Error>| {
        for _ in 0..3 {
            drop(group.spawn(carrying(counts.birth(), sleep_for_an_hour())));
        }
        drop(group.spawn(carrying(counts.birth(), async move {
            sleep(Duration::from_micros(n % 300)).await;
            Err::<(), _>(ErrorKind::Other.into())
        })));
        pending::<io::Result<()>>().await
    });
    assert!(failing.await.is_err(), "one child fails");
    let short = group::Builder::new().timeout(Duration::from_micros(300));
    let late = short.scope(async |group: TaskGroup<io::Error>| {
        drop(group.spawn(carrying(counts.birth(), pending::<io::Result<()>>())));
        Ok(())
    });
    assert!(late.await.is_err(), "its time was up");
    // Dropped in the middle: the children go by themselves.
    let left = group::scope(async |group: TaskGroup<io::Error>| {
        drop(group.spawn(carrying(counts.birth(), sleep_for_an_hour())));
        pending::<io::Result<()>>().await
    });
    assert!(timeout(Duration::from_micros(100), left).await.is_err(), "nobody ends it");
}

/// A child of a scope that would stay.
async fn sleep_for_an_hour() -> io::Result<()> {
    sleep(AN_HOUR).await;
    Ok(())
}

async fn select(grounds: Arc<Grounds>, n: u64) {
    let (sender, mut receiver) = mpsc::channel(2);
    let task = grounds.spawn(async move {
        for number in 0..10_u64 {
            if (n + number).is_multiple_of(3) {
                sleep(Duration::from_micros(200)).await;
            }
            sender.send(number).await.expect("the receiver takes all");
        }
    });
    let (mut got, mut late) = (0, 0);
    loop {
        mainspring::select! {
            message = receiver.recv() => match message {
                Some(number) => {
                    assert_eq!(number, got);
                    got += 1;
                }
                None => break,
            },
            () = sleep(Duration::from_micros(100)) => late += 1,
            _ = grounds.semaphore.acquire(), if late > 1_000_000 => unreachable!("that late it is never"),
        }
    }
    assert_eq!(got, 10);
    task.await.expect("no panic");
}

async fn aborts(grounds: Arc<Grounds>, n: u64) {
    let asleep = grounds.spawn(sleep(AN_HOUR));
    let fresh = grounds.spawn(yield_now());
    let stuck = grounds.spawn(pending::<()>());
    if n.is_multiple_of(2) {
        yield_now().await;
    }
    [&asleep, &stuck].iter().for_each(|task| task.abort());
    fresh.abort();
    assert!(asleep.await.is_err_and(|error| error.is_cancelled()));
    assert!(stuck.await.is_err_and(|error| error.is_cancelled()));
    let _ = fresh.await; // it may have been faster
    drop(grounds.spawn(async { [0_u8; 2_048].len() })); // detached
}
