//! The same with buffers that go round.

use super::consume::MapOn;
use super::on::{On, map_on};
use crate::base::atomic::Mutex;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// As [`map_on`](super::map_on()), for outputs that are filled into buffers: the closure gets an item and a buffer, and gives the buffer
/// back full, or an error. What the consumer drops goes back to the workers with whatever it has allocated, so that after the first
/// round nothing is allocated for a batch.
///
/// A buffer comes as it was left, or as `B::default()` if none is free: so the closure clears it first. An error costs its buffer.
///
/// # Cancellation
/// As [`map_on`](super::map_on()).
///
/// # Panics
/// As [`map_on`](super::map_on()).
///
/// # Examples
/// ```
/// use mainspring::group::{On, fill_on};
/// let runtime = mainspring::runtime::Runtime::new()?;
/// runtime.block_on(async {
///     let load = async |key: u32, mut batch: Vec<u32>| {
///         batch.clear();
///         batch.extend(key * 10..key * 10 + 3);
///         if key == 2 { Err("no such key") } else { Ok(batch) }
///     };
///     let mut batches = fill_on(On::threads(2).window(4), 1..=3, load);
///     assert_eq!(*batches.next().await.unwrap().unwrap(), [10, 11, 12]);
///     assert_eq!(batches.next().await.unwrap().unwrap_err(), "no such key");
///     assert_eq!(*batches.next().await.unwrap().unwrap(), [30, 31, 32]);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn fill_on<I, B, E, F, G>(on: On, items: I, fill: F) -> MapOn<Result<Filled<B>, E>>
where
    I: IntoIterator<IntoIter: Send + 'static>,
    I::Item: Send + 'static,
    B: Default + Send + 'static,
    E: Send + 'static,
    F: Fn(I::Item, B) -> G + Send + Sync + 'static,
    G: Future<Output = Result<B, E>> + Send + 'static,
{
    // As many as can be about: in the slots or being filled, and one that the consumer has.
    let kept_max = on.slots() + 1;
    let pool = Arc::new(Pool { free: Mutex::new(Vec::new()), kept_max });
    map_on(on, items, move |item| {
        let pool = pool.clone();
        let buffer = pool.free.lock().pop().unwrap_or_default();
        let filling = fill(item, buffer);
        async move { Ok(Filled { buffer: Some(filling.await?), pool }) }
    })
}

struct Pool<B> {
    /// Buffers that nobody uses.
    free: Mutex<Vec<B>>,
    kept_max: usize,
}

/// A buffer of [`fill_on`], full; dropped, it goes back to be filled again.
pub struct Filled<B> {
    /// `None` once it was taken out.
    buffer: Option<B>,
    pool: Arc<Pool<B>>,
}

impl<B> Filled<B> {
    /// Keeps the buffer: it does not go back.
    #[must_use]
    pub fn into_inner(mut self) -> B {
        let Some(buffer) = self.buffer.take() else { unreachable!("taken here alone") };
        buffer
    }
}

impl<B> Deref for Filled<B> {
    type Target = B;

    fn deref(&self) -> &B {
        self.buffer.as_ref().expect("taken only by `into_inner`")
    }
}

impl<B> DerefMut for Filled<B> {
    fn deref_mut(&mut self) -> &mut B {
        self.buffer.as_mut().expect("taken only by `into_inner`")
    }
}

impl<B> Drop for Filled<B> {
    fn drop(&mut self) {
        let Some(buffer) = self.buffer.take() else { return };
        let mut buffer = Some(buffer);
        let mut free = self.pool.free.lock();
        if free.len() < self.pool.kept_max {
            free.extend(buffer.take());
        }
        drop(free); // before a buffer that is one too many
    }
}

impl<B: fmt::Debug> fmt::Debug for Filled<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filled").field(&**self).finish()
    }
}
