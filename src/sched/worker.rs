//! The loop: one for every flavour, for the runtime's own threads and for `block_on` alike.

use super::core::{BATCH_NS, Core, POLLS_PER_LOOK};
use super::idle::GUARD_NAP;
use super::in_place::Grip;
use super::lend::Line;
use super::local::Local;
use super::rescue::Watch;
use super::shared::Shared;
use crate::base::sys::fork;
use crate::driver::clock::real_now;
use crate::driver::{Nap, Turned};
use std::hint;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often a helper that found nothing gives its processor away and looks again.
const LOOKS_BEFORE_SLEEP: u32 = 16;

/// How long one such wait is where each worker has a processor: about a microsecond.
const SPINS_PER_LOOK: u32 = 64;
/// And how long it does so at most. Its sockets and timers wait meanwhile.
const SEARCH_NS: u64 = 100_000;

/// Why a thread has left the loop, still holding its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Leave {
    /// What it ran for is done.
    Done,
    /// A guest needs the core more.
    Lend,
    /// The runtime is being shut down: drain the core, then bury it.
    Stopping,
    /// Simulated only: everything sleeps and no timer is armed.
    Stalled,
}

/// Runs `core` on this thread. `done` is asked after every poll of a local task, and whenever nothing is left to run. `None` if
/// a task has given the core away.
pub(crate) fn work(grip: Grip, local: &Local, staff: bool, done: &dyn Fn() -> bool) -> Option<(Leave, Grip)> {
    let core = grip.memory();
    local.put_grip(grip);
    let leave = or_abort(|| core.hold(|| run_loop(&core, local, staff, done)));
    Some((leave?, local.take_grip()?))
}

/// Runs code of ours that must not unwind.
pub(super) fn or_abort<R>(body: impl FnOnce() -> R) -> R {
    let ours = AbortOnPanic;
    let result = body();
    mem::forget(ours);
    result
}

/// `None` as in `work`: then it returns at once.
fn run_loop(core: &Core, local: &Local, staff: bool, done: &dyn Fn() -> bool) -> Option<Leave> {
    core.take_in();
    local.take_in();
    loop {
        if !core.shared.origin.is_here() {
            fork::end_worker(); // what the driver woke, or a hook, has forked
        }
        core.see_to_guard(local);
        if !core.run_batch(local, done) {
            return None;
        }
        core.take_in(); // what other threads have pushed
        local.take_in();
        if done() {
            core.end_search();
            return Some(Leave::Done);
        }
        if core.shared.is_stopping() {
            return Some(Leave::Stopping);
        }
        if core.is_busy() || local.is_busy() {
            core.end_search(); // there is work here: others may be woken to help
            core.look(); // sockets and timers, in passing
            continue;
        }
        if core.steal() || core.search_on() {
            core.look_when_due(); // one that lives on what it steals has sockets and timers, too
            continue;
        }
        let lends = staff && local.is_empty();
        if lends && core.shared.resting.has_guests() {
            core.end_search();
            return Some(Leave::Lend);
        }
        if core.sleep(local, lends) == Turned::Stalled {
            return Some(Leave::Stalled);
        }
    }
}

/// User code is caught where it is called, so a panic that comes through the loop is a bug of ours: its invariants are
/// broken, and going on would lose tasks silently. Forgotten on the good way out.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        eprintln!("mainspring: the panic above is a bug of the runtime itself; the process cannot go on");
        std::process::abort();
    }
}

/// The life of a thread of the runtime's own: takes a core, runs it, lends it, and at the end drains it.
pub(crate) fn run_thread(shared: &Arc<Shared>) {
    let local = Local::new(shared.clone());
    let watch = Watch::new(shared.workers.len());
    local.inside(|| {
        while let Some(core) = wait_for_core(shared, &local, &watch) {
            match work(core, &local, true, &|| false) {
                Some((Leave::Lend, core)) => shared.resting.put(core),
                Some((Leave::Stopping, core)) => close_with(core, &local).into_iter().for_each(end),
                None => {} // the thread was in place; now it stands in line again
                Some((Leave::Done | Leave::Stalled, _)) => {
                    unreachable!("a thread of the runtime's own works until it is told to stop")
                }
            }
        }
        local.close(); // N2, also for a thread that found no core to end with
    });
}

/// Ends a thread's own tasks with a core in hand, so that what they drop and spawn finds a runtime. `None` if one of them, in
/// place, has given the core away: whoever has it now sees to it.
pub(crate) fn close_with(grip: Grip, local: &Local) -> Option<Grip> {
    let core = grip.memory();
    local.put_grip(grip);
    core.hold(|| {
        local.close();
        if core.is_held() {
            core.worker().end_late(); // what was dropped may have asked for it
        }
    });
    local.take_grip()
}

/// The end of a core: every task of its registry is dropped, then the core itself.
pub(crate) fn end(core: Grip) {
    core.drain();
    core.shared.clone().resting.bury(core);
}

/// The next core for a thread of the runtime's own; `None` when all cores are gone, or this thread is one too many.
fn wait_for_core(shared: &Arc<Shared>, local: &Local, watch: &Watch) -> Option<Grip> {
    let mut core = shared.resting.take_or_wait(local.home(), Line::Staff);
    let since = real_now();
    while core.is_none() {
        if shared.is_stopping() && shared.resting.is_over() {
            return shared.resting.leave_line(local.home());
        }
        if !local.is_empty() {
            core = run_own_tasks(shared, local, watch);
            continue;
        }
        // Without a spare thread nobody has to look whether he is one too many: an idle runtime is silent.
        let keep_alive = shared.in_place.keep_alive(shared.config.limits.keep_alive);
        local.sleep_alone(keep_alive);
        core = local.home().take_gift();
        if core.is_none() && keep_alive.is_some_and(|time| since.elapsed() >= time) && shared.in_place.retire() {
            core = shared.resting.leave_line(local.home());
            match core {
                Some(_) => shared.in_place.stay(),
                None => return None,
            }
        }
    }
    core
}

/// A thread that was in place, and has tasks of its own, sees to these between two times in line (L3); and to the drivers that
/// their timers and sockets stand with, like any guest without a core.
fn run_own_tasks(shared: &Shared, local: &Local, watch: &Watch) -> Option<Grip> {
    let core = shared.resting.leave_line(local.home());
    if core.is_some() {
        return core;
    }
    if shared.is_stopping() {
        local.close();
        return shared.resting.take_or_wait(local.home(), Line::Staff);
    }
    work_alone(local, &|| false);
    let core = shared.resting.take_or_wait(local.home(), Line::Staff);
    if core.is_some() || local.is_busy() {
        return core;
    }
    local.sleep_alone(Some(GUARD_NAP));
    let core = shared.resting.leave_line(local.home());
    if core.is_none() {
        watch.turn_stuck_drivers(shared); // which wakes strangers' tasks, too
        return shared.resting.take_or_wait(local.home(), Line::Staff);
    }
    core
}

/// Runs what is ready on a thread that has no core: its own tasks, `block_on`'s main future among them.
pub(crate) fn work_alone(local: &Local, done: &dyn Fn() -> bool) {
    // Bounded, so that the caller looks for a core, and for wakes from other threads, even while the main future never waits.
    local.take_in();
    for _ in 0..POLLS_PER_LOOK {
        if done() || !local.run_one() {
            break;
        }
    }
}

impl Core {
    /// Runs a batch of the thread's own tasks, then a batch of the core's.
    ///
    /// INSTEAD OF taking them in turn: then a main future that joins ten thousand tasks one by one is woken by each of them
    /// (106 ns a task spawned and joined); behind a batch it finds most of them done (before and after in the log).
    /// Bounded in count and time, so that sockets and timers are never starved. False if a task has given the core away.
    #[must_use]
    fn run_batch(&self, local: &Local, done: &dyn Fn() -> bool) -> bool {
        let batch = self.batch.get() as usize;
        let mut ran = 0;
        loop {
            let before = ran;
            // Those that are ready now: one that yields comes again only after the core's tasks.
            let ready = local.ready_len().min(batch - ran);
            ran += (0..ready).take_while(|_| local.run_one() && self.is_held() && !done()).count();
            if !self.is_held() {
                return false;
            }
            while ran < batch {
                let Some(task) = self.next_task() else { break };
                if !self.run(task) {
                    return false;
                }
                ran += 1;
            }
            if ran == before || ran >= batch {
                break;
            }
        }
        self.worker().end_batch();
        self.ran.set(self.ran.get() + ran as u32);
        true
    }

    /// A look at the driver between two batches, without sleeping.
    fn look(&self) {
        let driver = &self.worker().driver;
        let before = driver.coarse_ns();
        let mut woken = self.woken.borrow_mut();
        let turned = driver.wait(Nap::Look, &mut woken);
        debug_assert!(turned == Turned::Fine, "a look cannot stall");
        self.adapt_batch(driver.coarse_ns().saturating_sub(before));
        self.hand_out(|| driver.deliver(Nap::Look, &mut woken));
        drop(woken);
        self.rescue_when_due();
    }

    /// The batch is over and took so long: the next one is as long as fits into [`BATCH_NS`].
    fn adapt_batch(&self, took_ns: u64) {
        let (ran, batch) = (self.ran.take(), self.batch.get());
        if ran == 0 {
            return;
        }
        self.poll_ns.set((self.poll_ns.get() * 3 + took_ns / u64::from(ran)) / 4);
        let next = if took_ns > BATCH_NS { u64::from(ran) * BATCH_NS / took_ns } else { u64::from(batch) * 2 };
        self.batch.set(u32::try_from(next).unwrap_or(u32::MAX).clamp(1, POLLS_PER_LOOK));
    }

    /// As `look`, if a batch's worth of polls has gone by since the last.
    fn look_when_due(&self) {
        if self.ran.get() >= self.batch.get() {
            self.look();
        }
    }

    /// A helper that came too late, or has run what it took, goes on looking for a moment. While it does, nobody makes a system
    /// call to wake it. Where workers share a processor it gives that away between two looks, which lets the busy one fill its
    /// queue instead of having its tasks fetched one by one; where each has its own it waits on the spot, for on a loaded
    /// machine a processor given away comes back tens of milliseconds later, and sockets and timers wait with the worker.
    fn search_on(&self) -> bool {
        if !self.searching.get() {
            let looks = self.has_helped.take() && self.shared.idle.begin_search();
            self.searching.set(looks);
        }
        if !self.searching.get() {
            return false;
        }
        let driver = &self.worker().driver;
        let started = driver.refresh();
        for _ in 0..LOOKS_BEFORE_SLEEP {
            if self.shared.config.is_crowded {
                thread::yield_now();
            } else {
                (0..SPINS_PER_LOOK).for_each(|_| hint::spin_loop());
            }
            if driver.parker.is_notified() || self.steal() {
                return true;
            }
            if driver.refresh() - started > SEARCH_NS {
                break; // the processor is wanted by others: not a time to wait awake
            }
        }
        false
    }

    /// A helper has work, wherever it came from.
    fn end_search(&self) {
        if self.searching.take() {
            self.shared.idle.found_work();
        }
    }

    /// Sleeps until something happens. Two parkers are prepared, the thread's and the driver's, since a wake-up may come
    /// for either; then the idle book is signed, and only then the last look at the siblings is taken.
    fn sleep(&self, local: &Local, lends: bool) -> Turned {
        if self.worker().late.wake_all() {
            return Turned::Fine; // what woke or buried something since the batch has asked for it
        }
        let driver = &self.worker().driver;
        if !local.prepare_sleep(Some(self.index)) {
            return Turned::Fine;
        }
        if !driver.parker.prepare(0) {
            local.wake_up();
            return Turned::Fine;
        }
        let before = driver.coarse_ns();
        self.adapt_batch(driver.refresh().saturating_sub(before));
        self.pool.ebb(driver.coarse_ns());
        let mut woken = self.woken.borrow_mut();
        let nap = self.sign_out(lends);
        self.shared.tell_quiet();
        let turned = driver.wait(nap, &mut woken);
        let notified = driver.parker.wake_up() | local.wake_up();
        let was_guard = self.sign_in(notified || !woken.is_empty());
        self.hand_out(|| driver.deliver(nap, &mut woken));
        drop(woken);
        if was_guard {
            self.rescue_stuck_siblings();
        }
        turned
    }

    /// Signs the idle book; gives how long this worker may sleep.
    fn sign_out(&self, lends: bool) -> Nap {
        if !self.shared.signs_idle_book() {
            return Nap::Long;
        }
        let is_guard = self.shared.idle.fall_asleep(self.index, self.searching.take(), lends);
        // After the lock: who pushed or queued up before it is seen here, who came after it has seen us asleep.
        if self.sees_work_elsewhere() || (lends && self.shared.resting.has_guests()) {
            return Nap::Look;
        }
        if is_guard { Nap::Capped(GUARD_NAP) } else { Nap::Long }
    }

    /// Awake again: out of the idle book, and nobody stays behind unguarded. True if this was the guard.
    fn sign_in(&self, news: bool) -> bool {
        if !self.shared.signs_idle_book() {
            return false;
        }
        let woken = self.shared.idle.wake_up(self.index, news);
        self.searching.set(woken.is_helper);
        self.unguarded.set(!news && !woken.is_helper);
        self.arm(woken.named);
        woken.was_guard
    }

    /// Before the first poll after a sleep that ended without news: now there is work, so somebody must stand guard.
    fn see_to_guard(&self, local: &Local) {
        if self.unguarded.get() && (self.is_busy() || local.is_busy()) {
            self.unguarded.set(false);
            self.arm(self.shared.idle.name_guard());
        }
    }

    fn arm(&self, guard: Option<usize>) {
        if let Some(guard) = guard {
            self.shared.workers[guard].driver.arm_within(GUARD_NAP);
        }
    }

    /// The end: every task of the registry is asked to go and run until it is gone (S3). Wakes, burials and tasks from
    /// outside keep coming meanwhile, so nobody sleeps longer than a millisecond here.
    pub(crate) fn drain(&self) {
        self.hold(|| {
            self.adopt_queued(); // so that the report counts those that nobody has seen yet
            self.shared.report.take_down(self);
            self.cancel_owned();
            loop {
                self.take_in();
                let ran = self.cancel_queued();
                let empty = self.owned.is_empty() && !self.is_busy();
                if empty && self.worker().inbox.close_if_empty() {
                    break;
                }
                self.worker().end_batch();
                if !ran && !self.steal() {
                    self.nap_in_drain();
                }
            }
            self.worker().end_late();
            self.worker().driver.shut_down();
        });
    }

    /// Takes every task that is queued here into the registry, and leaves it queued.
    fn adopt_queued(&self) {
        self.take_in();
        let mut queued = Vec::new();
        while let Some(task) = self.next_task() {
            queued.push(task);
        }
        for task in queued {
            self.adopt(&task);
            self.push_back(task);
        }
    }

    /// Drops every task that is queued here; true if there was one.
    fn cancel_queued(&self) -> bool {
        let mut any = false;
        while let Some(task) = self.next_task() {
            any = true;
            self.shared.report.take_down_one(self, &task);
            task.cancel_for_shutdown();
            let kept = self.run(task);
            debug_assert!(kept, "nobody gives a core away while the runtime ends");
        }
        any
    }

    /// For a thread that may not drain this core: a moment at the driver, for what its own tasks wait for.
    pub(crate) fn look_while_stopping(&self) {
        self.hold(|| self.nap_in_drain());
    }

    fn nap_in_drain(&self) {
        let driver = &self.worker().driver;
        if driver.parker.prepare(0) {
            let mut woken = self.woken.borrow_mut();
            driver.refresh();
            let _ = driver.wait(Nap::Capped(Duration::from_millis(1)), &mut woken);
            driver.parker.wake_up();
            driver.deliver(Nap::Long, &mut woken);
        }
    }
}
