//! SYN-02, SYN-03, SYN-06: work for many, where whoever waits may go at any moment, and crowds.

use super::queue::of_each_kind;
use super::queue_hostile::{Ledger, Strange, assert_room};
use crate::{runtimes, until};
use mainspring::runtime::Builder;
use mainspring::sync::queue::Queue;
use mainspring::task::yield_now;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// Polls once, with the task's own waker, and drops the future whatever it says.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls once, lets others run, and polls once more at most: it may have been granted something meanwhile, and goes with it.
async fn twice<F: Future>(future: F, polls_again: bool) -> Option<F::Output> {
    let mut future = pin!(future);
    let first = once(future.as_mut()).await;
    if first.is_some() {
        return first;
    }
    yield_now().await;
    if polls_again { once(future).await } else { None }
}

/// How many items each of three putters puts, or begins to put.
const EACH: usize = 60;

/// One who puts, in four ways by turns, of which three may not come to their end. Says how many are in.
async fn put_some(queue: Arc<Queue<Strange>>, ledger: Ledger, first: usize) -> usize {
    let mut put = 0;
    for number in first..first + EACH {
        let future = queue.put(ledger.item(number));
        let outcome = match number % 4 {
            0 => Some(future.await),
            1 => once(future).await,
            step => twice(future, step == 2).await,
        };
        assert!(outcome.as_ref().is_none_or(Result::is_ok) || queue.is_closed());
        put += usize::from(matches!(outcome, Some(Ok(()))));
        assert!(queue.capacity().is_none_or(|capacity| queue.len() <= capacity));
    }
    put
}

/// One who gets in the same ways, for ever.
async fn get_for_ever(queue: Arc<Queue<Strange>>, got: Arc<AtomicUsize>) {
    for step in 0_usize.. {
        let outcome = match step % 4 {
            0 => Some(queue.get_item().await),
            1 => once(queue.get_item()).await,
            step => twice(queue.get_item(), step == 2).await,
        };
        got.fetch_add(usize::from(matches!(outcome, Some(Ok(_)))), Ordering::SeqCst);
        drop(outcome);
        yield_now().await;
    }
}

/// Churn on one queue, which may be closed in the midst of it: what was put was got, all else was dropped, and there is just as much
/// room as before.
async fn churn(queue: Arc<Queue<Strange>>, close_after: Option<u64>) {
    let (ledger, got) = (Ledger::new(3 * EACH), Arc::new(AtomicUsize::new(0)));
    let getters = [(); 3].map(|()| mainspring::spawn(get_for_ever(queue.clone(), got.clone())));
    let putters = [0, EACH, 2 * EACH].map(|first| mainspring::spawn(put_some(queue.clone(), ledger.clone(), first)));
    if let Some(turns) = close_after {
        for _ in 0..turns {
            yield_now().await;
        }
        queue.close();
    }
    let mut put = 0;
    for putter in putters {
        put += putter.await.unwrap();
    }
    until(|| queue.unfinished() == 0).await;
    queue.join().await;
    for getter in getters {
        getter.abort();
        assert!(getter.await.unwrap_err().is_cancelled());
    }
    assert_eq!((queue.len(), queue.is_empty(), queue.unfinished()), (0, true, 0), "{queue:?}");
    assert_eq!((got.load(Ordering::SeqCst), ledger.odd_ones()), (put, vec![]), "{queue:?}");
    if let Some(capacity) = queue.capacity().filter(|_| close_after.is_none()) {
        assert_room(&queue, capacity);
    }
}

#[test]
fn syn_02_syn_03_syn_06_whoever_leaves_at_any_await_takes_neither_an_item_nor_a_place_along() {
    for (_, runtime) in runtimes() {
        for capacity in [1, 2, 31, 32, 33] {
            for queue in of_each_kind(capacity) {
                runtime.block_on(churn(Arc::new(queue), None));
            }
        }
        for queue in [Queue::unbounded(), Queue::unbounded().lifo(), Queue::unbounded().priority()] {
            runtime.block_on(churn(Arc::new(queue), None));
        }
    }
}

#[test]
fn syn_03_syn_05_a_close_in_the_midst_of_coming_and_going_loses_nothing_in_any_order_of_events() {
    for seed in 0..100 {
        for queue in of_each_kind(1 + seed as usize % 3) {
            let runtime = Builder::new_simulated(seed).build().unwrap();
            runtime.block_on(churn(Arc::new(queue), Some(3 * seed)));
        }
    }
    for (_, runtime) in runtimes() {
        (0..30).for_each(|turns| {
            of_each_kind(2).map(Arc::new).into_iter().for_each(|queue| runtime.block_on(churn(queue, Some(turns))))
        });
    }
}

/// A crowd that waits, each in a task of its own; ends when all stand in line.
async fn crowd<F>(make: impl Fn(usize) -> F) -> Vec<mainspring::task::JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    const CROWD: usize = 10_000;
    let waiting = Arc::new(AtomicUsize::new(0));
    let tasks = (0..CROWD).map(|number| {
        let (future, waiting) = (make(number), waiting.clone());
        mainspring::spawn(async move {
            let mut future = pin!(future);
            let mut is_first = true;
            poll_fn(|cx| {
                let answer = future.as_mut().poll(cx);
                waiting.fetch_add(usize::from(std::mem::take(&mut is_first)), Ordering::SeqCst);
                answer
            })
            .await
        })
    });
    let tasks = tasks.collect();
    until(|| waiting.load(Ordering::SeqCst) == CROWD).await;
    tasks
}

#[test]
fn syn_05_a_close_is_heard_by_ten_thousand_who_get_and_ten_thousand_who_put() {
    for (name, runtime) in runtimes() {
        for queue in of_each_kind(1) {
            let queue = Arc::new(queue);
            runtime.block_on(async {
                let getters = crowd(|_| {
                    let queue = queue.clone();
                    async move { queue.get().await.is_ok() }
                })
                .await;
                // Half of them go, here and there in the line, and one item finds its way.
                getters.iter().step_by(2).for_each(|getter| getter.abort());
                queue.put(7).await.unwrap();
                assert!(!queue.is_closed());
                queue.task_done();
                queue.close();
                let (mut got, mut cancelled) = (0, 0);
                for getter in getters {
                    match getter.await {
                        Ok(has_item) => got += usize::from(has_item),
                        Err(error) => cancelled += usize::from(error.is_cancelled()),
                    }
                }
                assert!(cancelled <= 5_000 && got + queue.len() == 1, "{name}: {cancelled} went, {got} got");
            });
        }
        for queue in of_each_kind(1) {
            let queue = Arc::new(queue);
            runtime.block_on(async {
                queue.put(usize::MAX).await.unwrap();
                let putters = crowd(|number| {
                    let queue = queue.clone();
                    async move { queue.put(number).await.map_err(|error| error.0) }
                })
                .await;
                queue.close();
                for (number, putter) in putters.into_iter().enumerate() {
                    assert_eq!(putter.await.unwrap(), Err(number), "{name}");
                }
                assert_eq!((queue.get().await, queue.len()), (Ok(usize::MAX), 0), "{name}");
            });
        }
    }
}
