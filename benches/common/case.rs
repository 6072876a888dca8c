//! A question, a runtime, and the two together: one measurement.

use super::machine;
use super::runtime::{Outside, Runtime};
use std::time::{Duration, Instant};

/// What a measurement found: names, with their units, and numbers. Less is better in each.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// A question put to every runtime.
pub(crate) trait Workload {
    /// Its name in the table, and on the command line of a child process.
    const NAME: &'static str;
    /// Whether all threads share one cpu. That gives the quietest figures, and says nothing about parallelism.
    const PINNED: bool = true;
    /// Whether it is a question about the second worker, which one thread cannot answer.
    const PARALLEL: bool = false;
    /// Whether it is about yields, and so means nothing where they let nobody pass.
    const YIELDS: bool = false;
    /// Whether it is too long for a first look.
    const LONG: bool = false;
    /// The same work with no runtime at all, where that means something: what nobody can beat.
    const FLOOR: Option<fn(Size) -> Figures> = None;

    /// Whether this runtime has what the question is about.
    fn suits<R: Runtime>() -> bool {
        !R::FILES_ONLY
    }

    /// Does the work, checks its result, and says what it cost.
    fn run<R: Runtime>(size: Size) -> Figures;
}

/// A question put to every runtime that takes tasks from threads outside. Such a thread has a cpu to itself, as it would in
/// life: nothing is pinned.
pub(crate) trait OutsideWorkload {
    /// As in [`Workload`].
    const NAME: &'static str;

    /// As in [`Workload`].
    fn run<R: Outside>(size: Size) -> Figures;
}

/// How much of a workload to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// What the README's figures are made with.
    Full,
    /// A tenth, for a first look.
    Quick,
    /// Just enough to see that it works.
    Tiny,
}

impl Size {
    /// Scales a count; never to nothing.
    pub(crate) fn of(self, full: usize) -> usize {
        match self {
            Size::Full => full,
            Size::Quick => (full / 10).max(1),
            Size::Tiny => (full / 1_000).max(2),
        }
    }
}

/// Who is compared with whom: a figure of one thread says nothing about one of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    TwoWorkers,
    OneThread,
    /// What a crate costs whoever builds it, whichever flavour he uses.
    WholeCrate,
}

impl Class {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 3] = [Self::TwoWorkers, Self::OneThread, Self::WholeCrate];

    /// The word for it between two processes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::TwoWorkers => "two-workers",
            Self::OneThread => "one-thread",
            Self::WholeCrate => "whole-crate",
        }
    }

    /// The other way round.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// The runtime that stands for 1.00.
    pub(crate) fn yardstick(self) -> &'static str {
        match self {
            Self::TwoWorkers => "tokio_mt",
            Self::OneThread => "tokio_ct",
            Self::WholeCrate => "tokio",
        }
    }
}

/// The name under which the work without a runtime stands in the table.
pub(crate) const FLOOR: &str = "floor";

/// One workload on one runtime.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) workload: &'static str,
    pub(crate) runtime: &'static str,
    pub(crate) class: Class,
    /// Whether its process is bound to one cpu.
    pub(crate) pinned: bool,
    /// Whether a first look leaves it out.
    pub(crate) long: bool,
    /// What its process does.
    pub(crate) run: fn(Size) -> Figures,
}

/// Those that a program can run: the trait through which a list of types is handed to every question.
pub(crate) trait Field {
    /// The workload on each of them.
    fn cases<W: Workload>() -> Vec<Case>;

    /// The workload on each that takes tasks from outside.
    fn outside_cases<W: OutsideWorkload>() -> Vec<Case> {
        Vec::new()
    }
}

/// The workload on one runtime, or on none if that cannot do what it is about.
pub(crate) fn case<W: Workload, R: Runtime>() -> Option<Case> {
    let (workload, runtime) = (W::NAME, R::NAME);
    let case = Case { workload, runtime, class: R::CLASS, pinned: W::PINNED, long: W::LONG, run: W::run::<R> };
    let can = (R::CLASS == Class::TwoWorkers || !W::PARALLEL) && (R::YIELDS_TO_OTHERS || !W::YIELDS);
    (can && W::suits::<R>()).then_some(case)
}

/// A workload from outside on one runtime.
pub(crate) fn outside_case<W: OutsideWorkload, R: Outside>() -> Case {
    Case { workload: W::NAME, runtime: R::NAME, class: R::CLASS, pinned: false, long: false, run: W::run::<R> }
}

/// The workload without a runtime.
pub(crate) fn floor<W: Workload>() -> Option<Case> {
    let (workload, class) = (W::NAME, Class::OneThread);
    let of = |run| Case { workload, runtime: FLOOR, class, pinned: W::PINNED, long: W::LONG, run };
    W::FLOOR.map(of)
}

/// Runs `pass` on a fresh runtime twice, once to warm up, and says what one of its `operations` cost.
pub(crate) fn per_operation<R: Runtime>(operations: usize, pass: impl Fn(&R)) -> Figures {
    let runtime = R::start(2);
    of_second_pass(operations, || pass(&runtime))
}

/// The same without a runtime.
pub(crate) fn of_second_pass(operations: usize, pass: impl Fn()) -> Figures {
    pass();
    let (wall, cpu) = clocked(pass);
    let each = |time: Duration| time.as_nanos() as f64 / operations as f64;
    vec![("cpu ns", each(cpu)), ("wall ns", each(wall))]
}

/// The same where waiting counts as much as working: microseconds by the clock on the wall.
pub(crate) fn wall_of_second_pass(operations: usize, mut pass: impl FnMut()) -> Figures {
    pass();
    let (wall, cpu) = clocked(pass);
    vec![
        ("us", wall.as_nanos() as f64 / 1e3 / operations as f64),
        ("cpu ns", cpu.as_nanos() as f64 / operations as f64),
    ]
}

/// How long something took, and how much cpu time of all threads went into it.
pub(crate) fn clocked(body: impl FnOnce()) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), machine::cpu_time());
    body();
    (start.elapsed(), machine::cpu_time() - cpu)
}
