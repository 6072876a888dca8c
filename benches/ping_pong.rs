//! What it costs two tasks to talk: two fresh tasks and two oneshots a pair, a thousand pairs at a time.
//!
//! Two rows, because the channel is half of it. `ping_pong` uses the oneshot of `common::oneshot` on every
//! runtime, `ping_pong_tokio` uses tokio's own on every runtime (it is tied to none).

use super::common::case::{Case, Field, Figures, Size, Workload, per_operation};
use super::common::oneshot;
use super::common::runtime::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pairs alive at a time.
const PAIRS: usize = 1_000;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<PingPong>(), F::cases::<PingPongTokio>()].concat()
}

/// With the oneshot that belongs to nobody.
struct PingPong;

impl Workload for PingPong {
    const NAME: &'static str = "ping_pong";

    fn run<R: Runtime>(size: Size) -> Figures {
        rounds::<R, _>(size, || async {
            let (ping, pinged) = oneshot::channel();
            let (pong, ponged) = oneshot::channel();
            drop(R::spawn(async move {
                let word: u32 = pinged.await.expect("the ping is sent");
                pong.send(word + 1);
            }));
            ping.send(1);
            ponged.await.expect("the pong is sent")
        })
    }
}

/// With tokio's.
struct PingPongTokio;

impl Workload for PingPongTokio {
    const NAME: &'static str = "ping_pong_tokio";

    fn run<R: Runtime>(size: Size) -> Figures {
        rounds::<R, _>(size, || async {
            let (ping, pinged) = tokio::sync::oneshot::channel();
            let (pong, ponged) = tokio::sync::oneshot::channel();
            drop(R::spawn(async move {
                let word: u32 = pinged.await.expect("the ping is sent");
                pong.send(word + 1).expect("somebody waits for the pong");
            }));
            ping.send(1).expect("somebody waits for the ping");
            ponged.await.expect("the pong is sent")
        })
    }
}

/// A round is a thousand pairs; the one that ends last says so. The outer tasks are counted and not joined, as
/// in tokio's bench of this name.
fn rounds<R, P>(size: Size, pair: fn() -> P) -> Figures
where
    R: Runtime,
    P: Future<Output = u32> + Send + 'static,
{
    let rounds = size.of(500);
    per_operation::<R>(rounds * PAIRS, |runtime| {
        runtime.run(async move {
            for _ in 0..rounds {
                round::<R, P>(pair).await;
            }
        });
    })
}

async fn round<R, P>(pair: fn() -> P)
where
    R: Runtime,
    P: Future<Output = u32> + Send + 'static,
{
    let (done, over) = oneshot::channel();
    let last = Arc::new((AtomicUsize::new(PAIRS), parking_lot::Mutex::new(Some(done))));
    for _ in 0..PAIRS {
        let last = Arc::clone(&last);
        drop(R::spawn(async move {
            assert_eq!(pair().await, 2, "the word went there and back");
            if last.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                last.1.lock().take().expect("only the last one takes it").send(());
            }
        }));
    }
    assert_eq!(over.await, Some(()), "the last pair reports");
}
