//! MIS-10: our futures under another executor's wakers, and our wakers in other people's primitives.

use crate::{PATIENCE, builders, poll_with, runtimes};
use futures_task::ArcWake;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Builder;
use mainspring::time::{Duration, Instant, sleep, timeout};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

/// The smallest executor there is: a thread that sleeps until its waker has been used.
#[derive(Default)]
struct Stranger {
    woken: Mutex<bool>,
    bell: Condvar,
    wakes: AtomicUsize,
}

impl ArcWake for Stranger {
    fn wake_by_ref(this: &Arc<Self>) {
        *this.woken.lock().unwrap() = true;
        this.wakes.fetch_add(1, Ordering::SeqCst);
        this.bell.notify_one();
    }
}

impl Stranger {
    /// Runs a future; gives its output and how often it was woken.
    fn block_on<F: Future>(future: F) -> (F::Output, usize) {
        let this = Arc::new(Self::default());
        let waker = futures_task::waker(this.clone());
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return (output, this.wakes.load(Ordering::SeqCst));
            }
            let woken = this.woken.lock().unwrap();
            let (mut woken, waited) = this.bell.wait_timeout_while(woken, PATIENCE, |woken| !*woken).unwrap();
            assert!(!waited.timed_out(), "nobody woke the stranger");
            *woken = false;
        }
    }
}

#[test]
fn mis_10_a_strangers_executor_joins_our_tasks() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    for n in 0..1_000 {
        let task = runtime.spawn(async move {
            mainspring::task::yield_now().await;
            n
        });
        let (joined, wakes) = Stranger::block_on(task);
        assert_eq!(joined.unwrap(), n);
        assert!(wakes <= 1, "{wakes} wakes for one end");
    }
}

#[test]
fn mis_10_a_strangers_executor_waits_for_our_timers() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let _guard = runtime.enter();
    for _ in 0..20 {
        let start = Instant::now();
        let ((), wakes) = Stranger::block_on(sleep(Duration::from_millis(2)));
        assert!(start.elapsed() >= Duration::from_millis(2));
        assert!(wakes <= 1, "{wakes} wakes for one deadline");
    }
    let (late, _) = Stranger::block_on(timeout(Duration::from_millis(1), std::future::pending::<()>()));
    assert!(late.is_err());
}

#[test]
fn mis_10_a_strangers_executor_uses_our_sockets() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let _guard = runtime.enter();
    let (listener, _) = Stranger::block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = runtime.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 64];
        loop {
            match stream.read(&mut buffer).await.unwrap() {
                0 => return,
                count => stream.write_all(&buffer[..count]).await.unwrap(),
            }
        }
    });
    let (said, _) = Stranger::block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut said = Vec::new();
        for n in 0..100_u8 {
            stream.write_all(&[n, n + 1]).await.unwrap();
            let mut answer = [0; 2];
            stream.read_exact(&mut answer).await.unwrap();
            said.extend(answer);
        }
        said
    });
    assert_eq!(said, (0..100).flat_map(|n| [n, n + 1]).collect::<Vec<u8>>());
    assert!(Stranger::block_on(echo).0.is_ok());
}

#[test]
fn mis_10_a_future_that_goes_from_executor_to_executor_wakes_the_last_one_alone() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let _guard = runtime.enter();
    let (first, last) = (Arc::new(Stranger::default()), Arc::new(Stranger::default()));
    let mut nap = Box::pin(sleep(Duration::from_secs(3_600)));
    let (open, opened) = mpsc::channel::<()>();
    let mut task = runtime.spawn(async move { opened.recv().unwrap() });
    for stranger in [&first, &last] {
        let waker = futures_task::waker(stranger.clone());
        assert!(poll_with(&mut nap, &waker).is_pending());
        assert!(poll_with(&mut task, &waker).is_pending());
    }
    nap.as_mut().reset(Instant::now());
    open.send(()).unwrap();
    let both = crate::until(|| last.wakes.load(Ordering::SeqCst) == 2);
    Builder::new_current_thread().build().unwrap().block_on(both);
    assert_eq!(first.wakes.load(Ordering::SeqCst), 0);
    assert!(runtime.block_on(async { (nap.await, task.await) }).1.is_ok());
}

#[test]
fn mis_10_our_wakers_work_in_stds_primitives() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        let runtime = builder.build().unwrap();
        // A channel made of a mutex, and a thread that knows nothing of us.
        let mailbox = Arc::new(Mutex::new((None::<u32>, None::<Waker>)));
        let (ask, asked) = mpsc::channel::<u32>();
        let answers = mailbox.clone();
        let thread = thread::spawn(move || {
            for n in asked {
                let mut mailbox = answers.lock().unwrap();
                mailbox.0 = Some(n * n);
                mailbox.1.take().into_iter().for_each(Waker::wake);
            }
        });
        let sum = runtime.block_on(async {
            let asking = mainspring::spawn(async move {
                let mut sum = 0;
                for n in 0..1_000 {
                    ask.send(n).unwrap();
                    sum += poll_fn(|cx| {
                        let mut mailbox = mailbox.lock().unwrap();
                        mailbox.1 = Some(cx.waker().clone());
                        mailbox.0.take().map_or(Poll::Pending, Poll::Ready)
                    })
                    .await;
                }
                sum
            });
            timeout(PATIENCE, asking).await.unwrap().unwrap()
        });
        assert_eq!(sum, (0..1_000).map(|n| n * n).sum::<u32>());
        thread.join().unwrap();
    }
}

#[test]
fn mis_10_our_tasks_use_tokios_primitives() {
    for (flavour, runtime) in runtimes() {
        let received = runtime.block_on(async {
            let (send, mut receive) = tokio::sync::mpsc::channel(2);
            let (done, is_done) = tokio::sync::oneshot::channel();
            let lock = Arc::new(tokio::sync::Mutex::new(0));
            let senders: Vec<_> = (0..10)
                .map(|n| {
                    let (send, lock) = (send.clone(), lock.clone());
                    mainspring::spawn(async move {
                        *lock.lock().await += 1;
                        send.send(n).await.unwrap();
                    })
                })
                .collect();
            drop(send);
            let receiver = mainspring::spawn(async move {
                let mut all = Vec::new();
                while let Some(n) = receive.recv().await {
                    all.push(n);
                }
                done.send(all).unwrap();
            });
            for task in senders {
                task.await.unwrap();
            }
            receiver.await.unwrap();
            assert_eq!(*lock.lock().await, 10, "{flavour}");
            let mut all = is_done.await.unwrap();
            all.sort_unstable();
            all
        });
        assert_eq!(received, (0..10).collect::<Vec<_>>(), "{flavour}");
    }
}

#[test]
fn mis_10_tokios_executor_joins_our_tasks_and_ours_joins_tokios() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for (flavour, builder) in builders().into_iter().filter(|(flavour, _)| *flavour != "simulated") {
        let runtime = builder.build().unwrap();
        let theirs = tokio.spawn(async { "theirs" });
        let ours = runtime.block_on(async {
            assert_eq!(theirs.await.unwrap(), "theirs", "{flavour}");
            mainspring::spawn(async { "ours" })
        });
        // A current-thread runtime runs nothing by itself: somebody must be inside.
        runtime.block_on(async { crate::until(|| ours.is_finished()).await });
        assert_eq!(tokio.block_on(ours).unwrap(), "ours", "{flavour}");
        let guard = runtime.enter();
        let nap = sleep(Duration::from_millis(1));
        drop(guard);
        if flavour == "multi thread" {
            let handle = runtime.handle().clone();
            tokio.block_on(async move {
                let mut nap = pin!(nap);
                poll_fn(|cx| {
                    let _inside = handle.enter();
                    nap.as_mut().poll(cx)
                })
                .await;
            });
        }
    }
}
