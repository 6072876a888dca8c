#![allow(unsafe_code, reason = "lends the main future, borrowed from this stack, to the thread's local tasks")]
//! Going in: `block_on`, `run`, and the enter guard.

use crate::base::context::{self, Held};
use crate::driver::{DRIVER, Driver};
use crate::sched::core::Core;
use crate::sched::in_place::{self, Grip};
use crate::sched::idle::GUARD_NAP;
use crate::sched::lend::Line;
use crate::sched::local::{LOCAL, Local};
use crate::sched::report::{describe, describe_one};
use crate::sched::rescue::Watch;
use crate::sched::shared::{RUNTIME, Shared, coarse_ms};
use crate::sched::worker::{Leave, close_with, end, work, work_alone};
use crate::task::{Birth, CURRENT, JoinHandle, may_block};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a guest waits for a sleeping worker to hand its core over, in steps of a millisecond, before it starts without.
const PATIENCE_MS: u32 = 10;
/// And one that has something to run meanwhile.
const STEP: Duration = Duration::from_millis(1);

/// See [`Runtime::block_on`](super::Runtime::block_on).
#[track_caller]
pub(super) fn block_on<F: Future>(shared: &Arc<Shared>, future: F) -> F::Output {
    enter(shared, future, false, Location::caller())
}

/// See [`Runtime::run`](super::Runtime::run).
#[track_caller]
pub(super) fn run<F: Future>(shared: &Arc<Shared>, future: F) -> F::Output {
    enter(shared, future, true, Location::caller())
}

#[track_caller]
fn enter<F: Future>(shared: &Arc<Shared>, future: F, until_quiet: bool, at: &'static Location<'static>) -> F::Output {
    shared.origin.require("block_on");
    let is_in_place = in_place::is_in_place();
    assert!(
        may_block() && (is_in_place || LOCAL.as_ptr().is_null()),
        "`block_on` inside a task or another `block_on` would block the worker that must run what it waits for: use \
         `.await`, or call it from a thread of your own or inside `block_in_place`"
    );
    assert!(
        !until_quiet || !is_in_place,
        "`run` inside `block_in_place` would wait for the task around it: use `block_on`"
    );
    assert!(
        !until_quiet || !CURRENT.with(|job| job.is_some_and(|job| shared.waits_for(job))),
        "`run` inside a blocking job of the same runtime would wait for that job: use `block_on`, or make the job a daemon"
    );
    let _outside = context::pause();
    in_place::let_go();
    // Before the task that this thread is in is hidden: main inherits from it.
    let birth = Birth::of_main(at);
    CURRENT.without(|| host(shared, future, until_quiet, birth))
}

/// Nothing of a task that is in place around this shows through.
fn host<F: Future>(shared: &Arc<Shared>, future: F, until_quiet: bool, birth: Birth) -> F::Output {
    let mut output = None;
    {
        let output = &mut output;
        let local = Local::new(shared.clone());
        let host = || {
            // Pinned inside the scopes, so that what is dropped of it on unwinding still finds its runtime.
            let main = pin!(async move { *output = Some(future.await) });
            Guest::new(shared, &local).host(main, until_quiet, birth);
        };
        local.inside(host);
    }
    output.expect("the main task has ended without a panic, so its output is there")
}

/// A thread in `block_on`, with the core it has, if it has one.
struct Guest<'a> {
    shared: &'a Arc<Shared>,
    local: &'a Local,
    core: Option<Grip>,
    /// Who is stuck while this thread has no core.
    watch: Watch,
}

impl<'a> Guest<'a> {
    fn new(shared: &'a Arc<Shared>, local: &'a Local) -> Self {
        let mut guest = Self { shared, local, core: None, watch: Watch::new(shared.workers.len()) };
        guest.core = guest.ask_for_core();
        guest
    }

    /// A resting core, or a sleeping worker's. `None` if all are busy; then one may come later.
    fn ask_for_core(&self) -> Option<Grip> {
        let home = self.local.home();
        match self.stand_in_line() {
            Ok(core) => return Some(core),
            Err(false) => {}
            Err(true) => {
                let gift = (0..PATIENCE_MS).find_map(|_| {
                    self.local.sleep_alone(Some(STEP));
                    home.take_gift()
                });
                if gift.is_some() {
                    return gift;
                }
            }
        }
        self.shared.resting.leave_line(home)
    }

    /// Takes a resting core, or stands in line and says whether a sleeping worker was asked for its own. Whoever falls asleep from
    /// here on sees this thread in line; and the caller is out of it again before any user code runs (L3).
    fn stand_in_line(&self) -> Result<Grip, bool> {
        if let Some(core) = self.shared.resting.take_or_wait(self.local.home(), Line::Guests) {
            return Ok(core);
        }
        let lender = self.shared.idle.pick_lender();
        if let Some(lender) = lender {
            self.shared.workers[lender].driver.notify();
        }
        Err(lender.is_some())
    }

    /// Runs the main future to its end, and with `until_quiet` everything else that is no daemon.
    fn host(mut self, main: Pin<&mut (dyn Future<Output = ()> + '_)>, until_quiet: bool, birth: Birth) {
        // SAFETY: `self` closes the `Local` when it is dropped, which is before `main` goes, on every way out (N2).
        let handle = unsafe { self.local.spawn_main(main, birth) };
        self.work_until(&|| handle.is_finished());
        let result = output_of(handle);
        if until_quiet && result.is_ok() {
            let shared = self.shared.clone();
            shared.wait_for_quiet(self.local.home());
            self.work_until(&|| shared.is_quiet());
        }
        drop(self);
        if let Err(error) = result {
            error.resume();
        }
    }

    fn work_until(&mut self, done: &dyn Fn() -> bool) {
        while !done() {
            match self.core.take() {
                Some(core) => self.work_with(core, done),
                None => {
                    work_alone(self.local, done);
                    if !done() {
                        self.core = self.wait_for_core();
                    }
                }
            }
        }
    }

    /// Between two rounds without a core: a resting one, or that of a worker that sleeps. If there is nothing to run, sleeps until
    /// somebody notifies, with a core perhaps. The future's timers and sockets stand with the first worker, which may be stuck, and
    /// perhaps all of them are: so this thread looks after them, for as long as there are any.
    fn wait_for_core(&self) -> Option<Grip> {
        let asked = match self.stand_in_line() {
            Ok(core) => return Some(core),
            Err(asked) => asked,
        };
        let (idle, is_over) = (!self.local.is_busy(), self.shared.resting.is_over());
        if idle {
            self.local.sleep_alone((!is_over).then_some(GUARD_NAP));
        } else if asked {
            self.local.sleep_alone(Some(STEP));
        }
        let core = self.shared.resting.leave_line(self.local.home());
        if core.is_none() && idle && !is_over {
            self.watch.turn_stuck_drivers(self.shared);
        }
        core
    }

    fn work_with(&mut self, core: Grip, done: &dyn Fn() -> bool) {
        let Some((leave, core)) = work(core, self.local, false, done) else {
            // The main future was in place, or a task beside it.
            if !done() {
                self.core = self.ask_for_core();
            }
            return;
        };
        match leave {
            Leave::Done => self.core = Some(core),
            // The task in place below may be one of this core's: then another thread must wait for its end. If there is none, this
            // one comes back for the core, and its sockets and timers must not wait meanwhile.
            Leave::Stopping if in_place::is_below() => {
                core.look_while_stopping();
                self.shared.resting.put(core);
            }
            Leave::Stopping => end(core),
            Leave::Stalled => {
                let report = stall_report(&core, self.local);
                self.core = Some(core);
                panic!("{report}");
            }
            Leave::Lend => unreachable!("a guest keeps its core until it is done"),
        }
    }
}

impl Drop for Guest<'_> {
    /// The thread's own tasks end first, while it still has a core; then the core goes back (N2).
    fn drop(&mut self) {
        match self.core.take() {
            Some(core) => self.core = close_with(core, self.local),
            None => self.local.close(),
        }
        self.shared.stop_waiting_for_quiet(self.local.home());
        let gift = self.shared.resting.leave_line(self.local.home());
        for core in self.core.take().into_iter().chain(gift) {
            self.shared.resting.put(core);
        }
        // A core that rests while the runtime is being shut down may have nobody else to drain it. If the shutdown begins
        // after this look, whoever begins it finds the core at rest.
        while self.shared.is_stopping() {
            match self.shared.take_to_drain() {
                Some(core) => end(core),
                None => break,
            }
        }
    }
}

/// The main task has ended: this takes its result without waiting.
fn output_of(mut handle: JoinHandle<()>) -> Result<(), crate::task::JoinError> {
    match Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the main task is finished"),
    }
}

/// What a stalled simulation has to say: who is there, and what each waits for.
#[cold]
fn stall_report(core: &Core, local: &Local) -> String {
    let mut report = "deadlock: every task is asleep and no timer is armed, so nothing can ever happen again".to_owned();
    let now_ms = coarse_ms(&core.worker().driver);
    let mut tasks = local.describe(|header| describe_one(header, now_ms));
    tasks.append(&mut describe(core));
    for task in tasks {
        report.push_str(&format!("\n  {task}"));
    }
    report
}

/// Makes a runtime the current one of this thread; see [`Handle::enter`](super::Handle::enter).
#[must_use = "the runtime is left again when the guard is dropped"]
pub struct EnterGuard<'a> {
    /// Dropped in this order: the inner one first.
    _driver: Held<Arc<Driver>>,
    _runtime: Held<Arc<Shared>>,
    handle: PhantomData<&'a Shared>,
}

impl EnterGuard<'_> {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let runtime = RUNTIME.hold(shared.clone());
        let driver = DRIVER.hold(shared.workers[0].driver.clone());
        Self { _driver: driver, _runtime: runtime, handle: PhantomData }
    }
}

impl std::fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnterGuard")
    }
}
