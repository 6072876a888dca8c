//! Sleeping without missing a wake-up: one word on which sleeper and waker meet.
//!
//! ```text
//!            prepare(place)                 notify: owes the system call
//!   AWAKE ─────────────────> ASLEEP(place) ───────────────> NOTIFIED
//!     ^ │                         │                            │ │
//!     │ └── notify ──────────────────────────────────────────> │ │
//!     │                           v wake_up                    │ │
//!     └────────────────────────────────────────────────────────┘ v
//!                      wake_up, take, or a prepare that fails
//! ```
//!
//! Protocol.
//!
//! 1. The waker makes its work visible (pushes into an inbox), then swaps NOTIFIED in.
//! 2. The sleeper moves AWAKE to ASLEEP by compare-exchange, and sleeps only if that succeeded.
//! 3. Whoever takes NOTIFIED off looks at every place where work could be, after taking it off.
//!
//! Proof sketch. All moves are read-modify-writes of one word, so they have one order. If the swap of 1 comes before the
//! compare-exchange of 2, the latter fails, has acquired the push, and 3 finds it. If it comes after, the waker sees
//! ASLEEP and makes the system call. If NOTIFIED stood there already, whoever takes it off later acquires this push too,
//! since the swaps form a release sequence. A second waker that meets NOTIFIED makes no system call: a storm of wake-ups
//! costs one (RCT-15). There is no store followed by a load of another word, hence no fence and no SeqCst.
//!
//! Cases of the catalogue: SCH-09.

use crate::base::atomic::{AtomicUsize, Ordering};

const AWAKE: usize = 0;
const NOTIFIED: usize = 1;
/// ASLEEP(place) is stored as the place plus this.
const ASLEEP: usize = 2;

/// The word. One sleeper, any number of wakers. On cache lines of its own, as an inbox is: wakers swap it for each push.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Parker(AtomicUsize);

impl Parker {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(AWAKE))
    }

    /// Sleeper: about to sleep at `place`. False if somebody notified first; then look for work (step 3).
    #[must_use = "who was notified must look for work"]
    pub(crate) fn prepare(&self, place: usize) -> bool {
        // ORDER: AcqRel, pairs with `notify`; when it fails, Acquire makes the notifier's push visible.
        let slept = self.0.compare_exchange(AWAKE, ASLEEP + place, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !slept {
            // ORDER: AcqRel, pairs with `notify`: a push that came after the failure is seen as well.
            self.0.swap(AWAKE, Ordering::AcqRel);
        }
        slept
    }

    /// Sleeper: awake again; true if somebody notified.
    pub(crate) fn wake_up(&self) -> bool {
        // ORDER: AcqRel, pairs with `notify`: what was pushed before is seen by the look that follows.
        self.0.swap(AWAKE, Ordering::AcqRel) == NOTIFIED
    }

    /// Sleeper, while awake: was there a notification? One plain load when there was none.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // ORDER: Relaxed, a look; the swap below does the ordering, and a miss is found at the next look or by `prepare`.
        self.0.load(Ordering::Relaxed) == NOTIFIED && self.wake_up()
    }

    /// Waker: gives the place where the sleeper sleeps if the caller now owes the system call that wakes it.
    #[must_use = "the sleeper sleeps on unless it is woken"]
    pub(crate) fn notify(&self) -> Option<usize> {
        // ORDER: AcqRel, pairs with `prepare`, `wake_up` and `take`; releases the push made before.
        self.0.swap(NOTIFIED, Ordering::AcqRel).checked_sub(ASLEEP)
    }

    /// A hint: is there a notification that nobody has taken yet?
    pub(crate) fn is_notified(&self) -> bool {
        // ORDER: Relaxed, a hint.
        self.0.load(Ordering::Relaxed) == NOTIFIED
    }

    /// A hint: is the sleeper asleep?
    pub(crate) fn is_asleep(&self) -> bool {
        // ORDER: Relaxed, a hint.
        self.0.load(Ordering::Relaxed) >= ASLEEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, model, model_thread};
    use crate::base::inject::Inject;
    use std::sync::Arc;

    /// The system call, as a counter: a sleeper that was promised a wake-up sees it go up.
    struct Sleeper {
        parker: Parker,
        inbox: Inject<u32>,
        calls: AtomicU32,
    }

    #[test]
    fn model_sch_09_a_push_from_outside_is_never_slept_over() {
        model(|| {
            let shared = Arc::new(Sleeper { parker: Parker::new(), inbox: Inject::new(), calls: AtomicU32::new(0) });
            let pushers: Vec<_> = (0..2)
                .map(|n| {
                    let shared = shared.clone();
                    model_thread::spawn(move || {
                        shared.inbox.push(n).expect("open");
                        if let Some(place) = shared.parker.notify() {
                            assert_eq!(place, 7);
                            shared.calls.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            // The owner: sleeps if the protocol lets it. If it does, either nothing was pushed yet, or a call comes.
            let mut taken = std::collections::VecDeque::new();
            let slept = shared.parker.prepare(7);
            pushers.into_iter().for_each(|pusher| pusher.join().expect("no panic"));
            let calls = shared.calls.load(Ordering::Acquire);
            shared.inbox.take_all(&mut taken);
            assert_eq!(taken.len(), 2);
            if slept {
                assert_eq!(calls, 1, "both pushed while it slept or after: one call, not none and not two");
            } else {
                assert_eq!(calls, 0, "awake: no system call for anybody");
            }
        });
    }

    #[test]
    fn model_who_takes_a_notification_off_sees_what_was_pushed_before_it() {
        model(|| {
            let shared = Arc::new((Parker::new(), AtomicU32::new(0)));
            let other = shared.clone();
            let waker = model_thread::spawn(move || {
                other.1.store(1, Ordering::Relaxed);
                let _ = other.0.notify();
            });
            if shared.0.take() {
                assert_eq!(shared.1.load(Ordering::Relaxed), 1);
            }
            waker.join().expect("no panic");
            assert!(!shared.0.prepare(0) || shared.1.load(Ordering::Relaxed) == 1);
        });
    }
}
