//! Work for many, among hostile items: orders that lie, panic and come back, destructors that come back and panic, and wakers
//! that do.

use super::queue::{of_each_kind, panic_of};
use crate::sync::kit::{Bell, poll};
use crate::sync::strangers::waker;
use crate::{in_child, panic_quietly, runtimes};
use mainspring::sync::queue::Queue;
use mainspring::sync::queue::error::TryPutError;
use mainspring::task::yield_now;
use std::cmp::Ordering as Compared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};

type Compare = Arc<dyn Fn(usize, usize) -> Compared + Send + Sync>;
type End = Arc<dyn Fn(usize) + Send + Sync>;

/// An item that compares and ends as it is told.
pub(super) struct Strange {
    pub(super) number: usize,
    compare: Compare,
    end: End,
}

impl Drop for Strange {
    fn drop(&mut self) {
        (self.end)(self.number);
    }
}

impl PartialEq for Strange {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Strange {}

impl PartialOrd for Strange {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl Ord for Strange {
    fn cmp(&self, other: &Self) -> Compared {
        (self.compare)(self.number, other.number)
    }
}

/// How often the item of each number was dropped.
#[derive(Clone)]
pub(super) struct Ledger(Arc<[AtomicUsize]>);

impl Ledger {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicUsize::new(0)).collect())
    }

    /// An item that is ordered by its number, and counted here when it is dropped.
    pub(super) fn item(&self, number: usize) -> Strange {
        self.strange(number, Arc::new(|one, other| one.cmp(&other)))
    }

    fn strange(&self, number: usize, compare: Compare) -> Strange {
        let this = self.clone();
        Strange { number, compare, end: Arc::new(move |number| this.count(number)) }
    }

    fn count(&self, number: usize) {
        self.0[number].fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn dropped(&self, number: usize) -> usize {
        self.0[number].load(Ordering::SeqCst)
    }

    /// Those that were not dropped exactly once.
    pub(super) fn odd_ones(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|&number| self.dropped(number) != 1).collect()
    }
}

/// A full queue has just so many places: none was lost to those who have gone, and none was made.
#[track_caller]
pub(super) fn assert_room(queue: &Queue<Strange>, count: usize) {
    let spare = Ledger::new(count + 1);
    assert!((0..count).all(|number| queue.try_put(spare.item(number)).is_ok()), "there is room for {count}");
    assert!(matches!(queue.try_put(spare.item(count)), Err(TryPutError::Full(_))), "there is room for {count} only");
    assert!((0..count).all(|_| queue.try_get_item().is_ok()) && queue.try_get().is_err());
    assert!(spare.odd_ones().is_empty());
}

fn lies() -> [(&'static str, Compare); 6] {
    let asked = AtomicUsize::new(0);
    let whim = move |_: usize, _: usize| {
        let word = asked.fetch_add(1, Ordering::SeqCst).wrapping_mul(2_654_435_761) >> 7;
        [Compared::Less, Compared::Equal, Compared::Greater][word % 3]
    };
    [
        ("always less", Arc::new(|_, _| Compared::Less)),
        ("always greater", Arc::new(|_, _| Compared::Greater)),
        ("always equal", Arc::new(|_, _| Compared::Equal)),
        ("each before the next of three", Arc::new(|one, other| (one % 3).cmp(&((other + 1) % 3)))),
        ("now so, now so", Arc::new(whim)),
        ("true", Arc::new(|one, other| one.cmp(&other))),
    ]
}

#[test]
fn snd_04_an_order_that_lies_loses_nothing_and_gives_nothing_twice() {
    for (name, runtime) in runtimes() {
        for (lie, compare) in lies() {
            let (ledger, queue) = (Ledger::new(200), Arc::new(Queue::bounded(32).priority()));
            runtime.block_on(async {
                let putter = |first: usize| {
                    let (queue, ledger, compare) = (queue.clone(), ledger.clone(), compare.clone());
                    mainspring::spawn(async move {
                        for number in first..first + 50 {
                            assert!(queue.put(ledger.strange(number, compare.clone())).await.is_ok());
                        }
                    })
                };
                let getter = |_| {
                    let queue = queue.clone();
                    mainspring::spawn(async move {
                        while let Ok(_item) = queue.get_item().await {
                            yield_now().await;
                        }
                    })
                };
                let getters = [0, 1, 2].map(getter);
                for putter in [0, 50, 100, 150].map(putter) {
                    putter.await.unwrap();
                }
                queue.join().await;
                for getter in getters {
                    getter.abort();
                    assert!(getter.await.unwrap_err().is_cancelled());
                }
            });
            assert_eq!((queue.len(), queue.unfinished(), ledger.odd_ones()), (0, 0, vec![]), "{name}, {lie}");
            assert_room(&queue, 32);
        }
    }
}

#[test]
fn snd_04_comparisons_that_panic_now_and_then_cost_a_call_and_no_item() {
    for (name, runtime) in runtimes() {
        let (ledger, queue) = (Ledger::new(120), Arc::new(Queue::bounded(8).priority()));
        let (asked, panics) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        // Rarely enough that sooner or later eight are put in order between two of them.
        let compare: Compare =
            Arc::new(move |one: usize, other: usize| match asked.fetch_add(1, Ordering::SeqCst) % 37 {
                30 => panic_quietly("in a comparison"),
                _ => one.cmp(&other),
            });
        runtime.block_on(async {
            let putter = |first: usize| {
                let (queue, ledger, compare) = (queue.clone(), ledger.clone(), compare.clone());
                mainspring::spawn(async move {
                    for number in first..first + 40 {
                        assert!(queue.put(ledger.strange(number, compare.clone())).await.is_ok());
                    }
                })
            };
            let getter = |_| {
                let (queue, panics) = (queue.clone(), panics.clone());
                mainspring::spawn(async move {
                    loop {
                        let queue = queue.clone();
                        // A task for each call, which the panic ends.
                        match mainspring::spawn(async move { queue.get_item().await.map(drop) }).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return,
                            Err(_) => drop(panics.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                })
            };
            let getters = [0, 1].map(getter);
            for putter in [0, 40, 80].map(putter) {
                putter.await.unwrap();
            }
            queue.join().await;
            queue.close();
            for getter in getters {
                getter.await.unwrap();
            }
        });
        assert!(panics.load(Ordering::SeqCst) > 0, "{name}: the test tests something");
        assert_eq!((queue.len(), queue.unfinished(), ledger.odd_ones()), (0, 0, vec![]), "{name}");
    }
}

/// What a comparison does to its queue, with a future that stands in line there.
type Deed = fn(&Queue<Strange>, Pin<Box<dyn Future<Output = ()> + Send>>);

/// Each is done once, in the first comparison; and after it so many items are unfinished, and it is closed or not.
const DEEDS: [(&str, Deed, usize, bool); 6] = [
    ("looks", |queue, _| assert!(format!("{queue:?}").contains("by priority") && queue.len() == 4), 3, false),
    (
        "puts and leaves",
        |queue, _| assert!(poll(&mut Box::pin(queue.put(Ledger::new(1).item(0))), Waker::noop()).is_pending()),
        3,
        false,
    ),
    ("marks as done", |queue, _| queue.task_done(), 2, false),
    ("closes", |queue, _| queue.close(), 3, true),
    ("gets", |queue, _| assert!(panic_of(|| queue.try_get_item().is_ok()).contains("would wait for itself")), 3, false),
    ("leaves with an item in hand", |_, in_line| drop(in_line), 3, false),
];

#[test]
fn syn_04_a_comparison_may_do_anything_to_its_queue_but_get() {
    in_child(|| {
        for (name, deed, unfinished, is_closed) in DEEDS {
            let (ledger, queue) = (Ledger::new(4), Arc::new(Queue::bounded(4).priority()));
            let other = queue.clone();
            let mut in_line: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { drop(other.get_item().await) });
            assert!(poll(&mut in_line, Waker::noop()).is_pending());
            let (in_line, theirs) = (Mutex::new(Some(in_line)), Arc::downgrade(&queue));
            let compare: Compare = Arc::new(move |one, other| {
                if let Some(in_line) = in_line.lock().unwrap().take() {
                    deed(&theirs.upgrade().unwrap(), in_line);
                }
                one.cmp(&other)
            });
            // The first one is for who waits; he goes during the first comparison, whatever is done there.
            let put = |number| queue.try_put(ledger.strange(number, compare.clone())).is_ok();
            assert!([3, 1, 0, 2].into_iter().all(put));
            assert_eq!(queue.try_get_item().map(|item| item.number).ok(), Some(0), "{name}");
            assert_eq!((queue.unfinished(), queue.is_closed()), (unfinished, is_closed), "{name}");
            assert!((1..4).all(|number| queue.try_get().is_ok_and(|item| item.number == number)), "{name}");
            assert!(queue.try_get().is_err() && ledger.odd_ones().is_empty(), "{name}");
            if !is_closed {
                (0..unfinished).for_each(|_| queue.task_done());
                assert_room(&queue, 4);
            }
        }
    });
}

/// What the end of an item does to its queue.
fn comes_back(queue: &Weak<Queue<Strange>>, spare: &Ledger) {
    let Some(queue) = queue.upgrade() else { return };
    assert!(queue.len() <= 2 && format!("{queue:?}").contains("joining"));
    drop(queue.try_put(spare.item(0)));
    drop(poll(&mut Box::pin(queue.put(spare.item(0))), Waker::noop()));
    drop(queue.try_get_item()); // whose end comes back in turn
    drop(poll(&mut Box::pin(queue.get_item()), Waker::noop()));
    let _ = poll(&mut Box::pin(queue.join()), Waker::noop());
}

#[test]
fn snd_04_syn_04_the_end_of_an_item_may_come_back_to_the_queue_wherever_it_ends() {
    in_child(|| {
        for index in 0..3 {
            let (ledger, spare, is_calm) = (Ledger::new(9), Ledger::new(1), Arc::new(AtomicBool::new(false)));
            let queue = Arc::new(of_each_kind(2).into_iter().nth(index).unwrap());
            let (theirs, counts, calm) = (Arc::downgrade(&queue), ledger.clone(), is_calm.clone());
            let end: End = Arc::new(move |number| {
                counts.count(number);
                if !calm.load(Ordering::SeqCst) {
                    comes_back(&theirs, &spare);
                }
            });
            let item = |number| Strange { number, compare: Arc::new(|one, other| one.cmp(&other)), end: end.clone() };
            let empty = || {
                is_calm.store(true, Ordering::SeqCst);
                while queue.try_get().is_ok() {}
                is_calm.store(false, Ordering::SeqCst);
            };
            drop(queue.put(item(0))); // never polled
            assert!(queue.try_put(item(1)).is_ok());
            drop(queue.try_get_item());
            empty();
            assert!(queue.try_put(item(2)).is_ok());
            drop(queue.try_get());
            empty();
            // With room in hand, and in line.
            let (mut granted, mut in_line) = (Box::pin(queue.put(item(3))), Box::pin(queue.put(item(4))));
            assert!(queue.try_put(item(5)).is_ok() && queue.try_put(item(6)).is_ok());
            assert!(poll(&mut granted, Waker::noop()).is_pending() && poll(&mut in_line, Waker::noop()).is_pending());
            let got = queue.try_get();
            drop(in_line);
            drop(granted);
            drop(got);
            empty();
            // And in the hands of one who was told that it is closed.
            assert!([(); 2].iter().all(|()| queue.try_put(Ledger::new(1).item(0)).is_ok()));
            let mut told = Box::pin(queue.put(item(7)));
            assert!(poll(&mut told, Waker::noop()).is_pending());
            queue.close();
            let Poll::Ready(Err(error)) = poll(&mut told, Waker::noop()) else { panic!("it is closed") };
            drop(error);
            drop(queue.try_put(item(8)));
            drop(told);
            drop(queue);
            assert_eq!(ledger.odd_ones(), [0; 0]);
        }
    });
}

#[test]
fn snd_04_an_item_whose_end_panics_leaves_the_line_in_order() {
    for index in 0..3 {
        let queue = of_each_kind(1).into_iter().nth(index).unwrap();
        let ledger = Ledger::new(4);
        let bomb = |number| Strange {
            number,
            compare: Arc::new(|one, other| one.cmp(&other)),
            end: Arc::new(|_| panic_quietly("in drop")),
        };
        for has_room in [false, true] {
            assert!(queue.try_put(ledger.item(0)).is_ok());
            let (bell, waker) = Bell::new();
            let (mut bad, mut good) = (Box::pin(queue.put(bomb(1))), Box::pin(queue.put(ledger.item(2))));
            assert!(poll(&mut bad, Waker::noop()).is_pending() && poll(&mut good, &waker).is_pending());
            if has_room {
                assert!(queue.try_get_item().is_ok());
            }
            assert_eq!(panic_of(|| drop(bad)), "in drop");
            assert_eq!(bell.rings(), usize::from(has_room), "his room goes to the next");
            assert_eq!(has_room, queue.is_empty());
            drop(queue.try_get_item());
            assert!(matches!(poll(&mut good, &waker), Poll::Ready(Ok(()))));
            assert!(queue.try_get_item().is_ok_and(|item| item.number == 2));
        }
        assert_room(&queue, 1);
    }
}

#[test]
fn syn_04_tsk_16_wakers_of_putters_and_joiners_that_come_back_or_panic_cost_nobody_anything() {
    for what in ["nothing", "clone", "wake", "drop"] {
        for (queue, closes) in of_each_kind(1).into_iter().zip([false, true, false]) {
            let queue = Arc::new(queue);
            let (theirs, is_over) = (queue.clone(), Arc::new(AtomicBool::new(false)));
            let (quiet, wrong) = (is_over.clone(), Arc::new(AtomicUsize::new(0)));
            let wrongs = wrong.clone();
            let (bad, deeds) = waker(move |deed| {
                let is_seen = format!("{theirs:?}").contains("unfinished") && theirs.len() <= 1;
                let _ = poll(&mut Box::pin(theirs.join()), Waker::noop());
                // Somebody is in line, or the room is another's: there is none for this one.
                let is_put = poll(&mut Box::pin(theirs.put(9)), Waker::noop()).is_ready();
                let is_right = !is_put || theirs.is_closed() || quiet.load(Ordering::SeqCst);
                // Counted, for a panic in a waker is heard by nobody.
                wrongs.fetch_add(usize::from(!is_seen || !is_right), Ordering::SeqCst);
                if deed == what {
                    panic_quietly(format!("in {what}"));
                }
            });
            assert_eq!(queue.try_put(0), Ok(()));
            let ((putter, puts), (joiner, joins)) = (Bell::new(), Bell::new());
            let (mut first, mut second) = (Box::pin(queue.put(1)), Box::pin(queue.put(2)));
            let (mut one, mut other) = (Box::pin(queue.join()), Box::pin(queue.join()));
            let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut first, &bad)));
            let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut one, &bad)));
            assert!(poll(&mut second, &puts).is_pending() && poll(&mut other, &joins).is_pending());
            if closes {
                queue.close();
                assert_eq!(putter.rings(), 1);
                assert!(matches!(poll(&mut second, &puts), Poll::Ready(Err(error)) if error.0 == 2));
                assert_eq!(queue.try_get(), Ok(0), "who closes it has told those who get as well");
                assert!(matches!(poll(&mut Box::pin(queue.get()), Waker::noop()), Poll::Ready(Err(_))));
                drop(first);
            } else {
                assert_eq!(queue.try_get(), Ok(0), "an item that was got is not lost to another's waker");
                drop(first); // with room in hand, or never in line
                assert_eq!(putter.rings(), 1);
                assert!(matches!(poll(&mut second, &puts), Poll::Ready(Ok(()))));
                queue.task_done();
                assert_eq!((joiner.rings(), queue.try_get()), (0, Ok(2)));
            }
            is_over.store(true, Ordering::SeqCst);
            queue.task_done();
            assert_eq!((joiner.rings(), poll(&mut other, &joins)), (1, Poll::Ready(())), "{what}");
            drop(one);
            assert!(deeds.count.load(Ordering::SeqCst) > 0);
            assert_eq!(wrong.load(Ordering::SeqCst), 0, "{what}");
            let _ = catch_unwind(AssertUnwindSafe(|| drop(bad)));
        }
    }
}
