//! A loader: keys are pushed ahead, workers make a batch of each, and one consumer reads the batches in order.
//!
//! The seed of this project was a loader of training data like this one: keys, a pool of workers that decode and collate, a buffer
//! that puts their batches back in order, and a loop that must never wait for the next. Here the buffer is the window of
//! [`fill_on`]: workers are at most so many batches ahead, and the batches that were read go back to be filled again.
//!
//! Run it: `cargo run --release --example loader`
//!
//! It says how much faster two threads are than one at 0.1 ms of work a batch, and fails if anything is allocated for a batch
//! once the buffers are warm.

#![allow(clippy::disallowed_methods, reason = "measures with the wall clock")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use mainspring::group::{On, fill_on};
use mainspring::runtime::Builder;
use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// std's allocator, with a count.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // ORDER: Relaxed, a count; the reader has received everything that was made before through the loader's lock.
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Allocations so far.
fn allocations() -> u64 {
    // ORDER: Relaxed, as above.
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// What a batch is: so many rows of numbers, made from a key.
#[derive(Default)]
struct Batch {
    key: u64,
    rows: Vec<f32>,
}

/// Decodes and collates, in so many rounds: work, and not time, so that a thread that is held up has gained nothing.
fn make_batch(key: u64, batch: &mut Batch, rounds: u32) {
    batch.key = key;
    batch.rows.clear();
    batch.rows.extend((0..256_u16).map(f32::from));
    for _ in 0..rounds {
        batch.rows.iter_mut().for_each(|row| *row = black_box(*row * 0.5 + 1.0));
    }
}

/// How many rounds take 0.1 ms here: the best of several tries.
fn calibrate() -> u32 {
    let mut batch = Batch::default();
    let tries = (0..20).map(|key| {
        let start = Instant::now();
        make_batch(key, &mut batch, 1_000);
        start.elapsed()
    });
    let best = tries.min().unwrap_or(Duration::from_micros(100));
    (Duration::from_micros(100).as_secs_f64() / best.as_secs_f64() * 1_000.0) as u32
}

/// Reads so many batches made by so many threads; gives the time, and the allocations of the second half.
fn load(threads: usize, batches: u64, rounds: u32) -> std::io::Result<(Duration, u64)> {
    let runtime = Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let on = On::threads(threads).window(4 * threads);
        let mut loader = fill_on(on, 0..batches, move |key, mut batch: Batch| {
            make_batch(key, &mut batch, rounds);
            async { Ok::<_, Infallible>(batch) }
        });
        let (mut started, mut warm) = (Instant::now(), 0);
        for expected in 0..batches {
            let Some(Ok(batch)) = loader.next().await else { panic!("{batches} keys are as many batches") };
            assert_eq!((batch.key, batch.rows.len()), (expected, 256), "in order, and whole");
            if expected == batches / 2 {
                (started, warm) = (Instant::now(), allocations());
            }
        }
        let (lasted, allocated) = (started.elapsed(), allocations() - warm);
        loader.close().await;
        Ok((lasted, allocated))
    })
}

fn main() -> std::io::Result<()> {
    let rounds = calibrate();
    let mut ratios = Vec::new();
    for round in 1..=5 {
        let (one, _) = load(1, 2_000, rounds)?;
        let (two, allocated) = load(2, 2_000, rounds)?;
        let ratio = one.as_secs_f64() / two.as_secs_f64();
        println!(
            "round {round}: 1,000 batches take {one:.1?} with one thread, {two:.1?} with two: {ratio:.2} times as fast"
        );
        // The kernel's threads and the pool's are warm by then; nothing else has a reason to allocate.
        assert!(allocated < 10, "{allocated} allocations for 1,000 batches");
        println!("         {allocated} allocations for them");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "median: {:.2} times as fast with two threads, on {} processors",
        ratios[2],
        std::thread::available_parallelism()?
    );
    Ok(())
}
