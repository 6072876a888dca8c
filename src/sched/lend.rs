//! Where cores rest, and how they pass from thread to thread.
//!
//! A thread that wants a core takes a resting one or stands in line. Two lines: *guests* are threads in `block_on`, which
//! go first, because they run the main future, its accept loop and its I/O, and want no wake-up across threads for them;
//! *staff* are the runtime's own threads. A core that comes back goes to the first in line, else it rests.
//!
//! A guest that finds no core asks a sleeping worker for its own: that worker wakes, sees the guest, gives its core up and
//! joins the staff line. If nobody sleeps, the guest polls only its own future, and stands in line between two rounds of that:
//! the first worker that runs out of work meanwhile hands over, and one that has done so before is asked. A worker that is stuck
//! in a task is never robbed: its thread may touch the core at any instant (S1).
//!
//! - **L1** A core is in one place: in `resting`, in one `LocalHome::gift`, or on one thread's stack.
//! - **L2** Nobody in line sleeps over a gift: it is placed first and notified then (`driver::parker`).
//! - **L3** Nobody in line runs user code: what waits plainly there, for a task perhaps, would keep a core that nobody runs.

use super::in_place::Grip;
use super::local::LocalHome;
use crate::base::atomic::{AtomicUsize, Mutex, MutexGuard, Ordering};
use std::sync::Arc;
use std::thread::Thread;

/// The place where the cores of one runtime rest.
pub(crate) struct Resting {
    locked: Mutex<Lines>,
    /// How many guests stand in line: a hint for workers that run out of work, written under the lock.
    guests: AtomicUsize,
}

struct Lines {
    resting: Vec<Grip>,
    // As many as there are threads, so taking the first may move the others; a `VecDeque` takes 4 kB more of a program.
    guests: Vec<Arc<LocalHome>>,
    staff: Vec<Arc<LocalHome>>,
    /// Cores that are not gone yet.
    alive: usize,
    /// Who waits for the end.
    waits_for_end: Option<Thread>,
}

/// In which line to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Guests,
    Staff,
}

impl Resting {
    pub(crate) fn new(cores: usize) -> Self {
        let lines = Lines {
            resting: Vec::with_capacity(cores),
            guests: Vec::new(),
            staff: Vec::new(),
            alive: cores,
            waits_for_end: None,
        };
        Self { locked: Mutex::new(lines), guests: AtomicUsize::new(0) }
    }

    /// A hint: does a guest wait for a core?
    #[inline]
    pub(crate) fn has_guests(&self) -> bool {
        // ORDER: Relaxed, a hint. A worker asks again after it took the idle lock to fall asleep, and a guest takes that
        // lock after it joined the line: so one of the two sees the other.
        self.guests.load(Ordering::Relaxed) > 0
    }

    /// A core to run, or a place in line; then the gift comes with a notification. Who stands in line already keeps its place.
    pub(crate) fn take_or_wait(&self, home: &Arc<LocalHome>, line: Line) -> Option<Grip> {
        let mut lines = self.locked.lock();
        let core = home.take_gift().or_else(|| lines.resting.pop());
        if core.is_some() {
            lines.leave(home);
        } else {
            let line = lines.of(line);
            if !line.iter().any(|waiting| Arc::ptr_eq(waiting, home)) {
                line.push(home.clone());
            }
        }
        self.publish(&lines);
        core
    }

    /// Leaves the line; gives the core if one came meanwhile.
    pub(crate) fn leave_line(&self, home: &Arc<LocalHome>) -> Option<Grip> {
        let mut lines = self.locked.lock();
        lines.leave(home);
        self.publish(&lines);
        home.take_gift()
    }

    /// A core comes back: to the first in line, or to rest.
    pub(crate) fn put(&self, core: Grip) {
        if let Err((mut lines, core)) = self.give_to_first(self.locked.lock(), core) {
            lines.resting.push(core);
            // Nobody may be left to run it: who waits for the end drains it.
            lines.waits_for_end.iter().for_each(|thread| thread.unpark());
        }
    }

    /// To the first in line, or back to the caller if nobody is.
    pub(super) fn give(&self, core: Grip) -> Result<(), Grip> {
        self.give_to_first(self.locked.lock(), core).map_err(|(_, core)| core)
    }

    fn give_to_first<'a>(
        &self,
        mut lines: MutexGuard<'a, Lines>,
        core: Grip,
    ) -> Result<(), (MutexGuard<'a, Lines>, Grip)> {
        let line = if lines.guests.is_empty() { &mut lines.staff } else { &mut lines.guests };
        if line.is_empty() {
            return Err((lines, core));
        }
        let home = line.remove(0);
        self.publish(&lines);
        // L1 and L2: placed under the lock, so that `leave_line` finds it; notified after.
        home.place_gift(core);
        drop(lines);
        home.notify();
        Ok(())
    }

    /// A core that rests, if any, for the thread that shuts the runtime down.
    pub(crate) fn take(&self) -> Option<Grip> {
        self.locked.lock().resting.pop()
    }

    /// A core is gone for good.
    pub(crate) fn bury(&self, core: Grip) {
        drop(core);
        let mut lines = self.locked.lock();
        lines.alive -= 1;
        if lines.alive == 0 {
            lines.staff.drain(..).for_each(|home| home.notify());
            lines.waits_for_end.take().into_iter().for_each(|thread| thread.unpark());
        }
    }

    /// Are all cores gone?
    pub(crate) fn is_over(&self) -> bool {
        self.locked.lock().alive == 0
    }

    /// As `is_over`, and if not then `thread` is unparked when they are.
    pub(crate) fn is_over_or_unpark(&self, thread: Thread) -> bool {
        let mut lines = self.locked.lock();
        lines.waits_for_end = Some(thread);
        lines.alive == 0
    }

    /// Shutdown: everybody in line looks up.
    pub(crate) fn wake_everybody(&self) {
        let lines = self.locked.lock();
        lines.guests.iter().chain(&lines.staff).for_each(|home| home.notify());
    }

    fn publish(&self, lines: &Lines) {
        // ORDER: Relaxed, pairs with the hint in `has_guests`.
        self.guests.store(lines.guests.len(), Ordering::Relaxed);
    }
}

impl Lines {
    fn of(&mut self, line: Line) -> &mut Vec<Arc<LocalHome>> {
        match line {
            Line::Guests => &mut self.guests,
            Line::Staff => &mut self.staff,
        }
    }

    fn leave(&mut self, home: &Arc<LocalHome>) {
        self.guests.retain(|waiting| !Arc::ptr_eq(waiting, home));
        self.staff.retain(|waiting| !Arc::ptr_eq(waiting, home));
    }
}
