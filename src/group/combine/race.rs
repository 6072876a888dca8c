//! `race` and `race_ok`: the first that ends, the first that succeeds.

use super::combined::{Combined, Plan};
use super::crew::Crew;
use crate::macros::support::draw_for;
use crate::task::CancelCause;
use crate::task::wait::WaitKind;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::Location;

/// Runs several futures and gives the output of the first that ends, whatever it is. The others are cancelled and gone when this
/// resolves.
///
/// They run in turn within this task, may borrow what is around, and make this future [`Send`] if they are; for contestants that
/// are tasks of their own see [`spawned`](super::super::spawned). If several are ready in the same moment, which one wins is
/// drawn: by chance, or from a simulation's seed.
///
/// Those who lose are dropped where they wait; what they have opened (scopes, their children) ends first. With a
/// [`grace`](Combined::grace) they are asked before that and may clean up; the cause they are given names the winner's place. With futures of
/// different kinds, `select!` is the better tool.
///
/// # Cancellation
/// That of the futures: dropping this drops them all. A cancel of the scope around reaches each of them.
///
/// # Panics
/// If there are none, at once. If one of them panics: the others are cancelled, and when they are gone the panic goes on.
///
/// # Examples
/// ```
/// use mainspring::group::race;
/// use mainspring::time::{Duration, Instant, sleep};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let names = ["tortoise", "hare"];
///     let runs = names.iter().zip([90, 20]).map(|(name, ms)| async move {
///         sleep(Duration::from_millis(ms)).await;
///         name // borrowed
///     });
///     let start = Instant::now();
///     assert_eq!(race(runs).await, &"hare");
///     assert_eq!(start.elapsed(), Duration::from_millis(20));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn race<I>(futures: I) -> Combined<Race<I::Item>>
where
    I: IntoIterator<Item: Future>,
{
    let futures: Vec<_> = futures.into_iter().collect();
    assert!(!futures.is_empty(), "a race of nobody would never end: `race` takes at least one future");
    Combined::new(Race { futures }, WaitKind::Race, Location::caller())
}

/// Runs several futures and gives the value of the first that succeeds; the others are cancelled and gone then. If all of them fail it
/// gives their errors, in the order of the futures.
///
/// For several ways to the same thing: addresses of a host, replicas, mirrors. All else is as for [`race`].
///
/// # Cancellation
/// That of the futures: dropping this drops them all, with the errors that are there already.
///
/// # Errors
/// All errors, if nobody succeeds; none, if there are no futures.
///
/// # Panics
/// If one of them panics: the others are cancelled, and when they are gone the panic goes on.
///
/// # Examples
/// ```
/// use mainspring::group::race_ok;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let parse = |text: &'static str| async move { text.parse::<u8>() };
///     assert_eq!(race_ok(["one", "2", "three"].map(parse)).await, Ok(2));
///     let errors = race_ok(["one", "300"].map(parse)).await.unwrap_err();
///     assert_eq!(errors[1].to_string(), "number too large to fit in target type");
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn race_ok<I, F, T, E>(futures: I) -> Combined<RaceOk<F, E>>
where
    I: IntoIterator<Item = F>,
    F: Future<Output = Result<T, E>>,
{
    let futures: Vec<_> = futures.into_iter().collect();
    let errors = futures.iter().map(|_| None).collect();
    Combined::new(RaceOk { futures, errors }, WaitKind::Race, Location::caller())
}

/// The plan of [`race`].
pub struct Race<F> {
    /// Those who have not begun.
    futures: Vec<F>,
}

/// The plan of [`race_ok`].
pub struct RaceOk<F, E> {
    /// Those who have not begun.
    futures: Vec<F>,
    /// The errors so far, by number.
    errors: Vec<Option<E>>,
}

/// All begin, one that is drawn first.
fn start<F: Future>(futures: &mut Vec<F>, crew: &mut Crew<F>) {
    let count = futures.len();
    let first = draw_for("first of a race", count);
    futures.rotate_left(first);
    for (offset, future) in futures.drain(..).enumerate() {
        crew.add((first + offset) % count, future);
    }
}

impl<F: Future> Plan for Race<F> {
    type Part = F;
    type Output = F::Output;

    fn begin(&mut self, crew: &mut Crew<F>) {
        start(&mut self.futures, crew);
    }

    fn ended(&mut self, crew: &mut Crew<F>, number: usize, output: F::Output) -> ControlFlow<(F::Output, CancelCause)> {
        ControlFlow::Break((output, CancelCause::LostRace { to: number, at: crew.at }))
    }

    fn exhausted(&mut self) -> F::Output {
        unreachable!("there is at least one, and the first to end decides")
    }
}

impl<F, T, E> Plan for RaceOk<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Part = F;
    type Output = Result<T, Vec<E>>;

    fn begin(&mut self, crew: &mut Crew<F>) {
        start(&mut self.futures, crew);
    }

    fn ended(
        &mut self,
        crew: &mut Crew<F>,
        number: usize,
        result: Result<T, E>,
    ) -> ControlFlow<(Self::Output, CancelCause)> {
        match result {
            Ok(value) => ControlFlow::Break((Ok(value), CancelCause::LostRace { to: number, at: crew.at })),
            Err(error) => {
                self.errors[number] = Some(error);
                ControlFlow::Continue(())
            }
        }
    }

    fn exhausted(&mut self) -> Self::Output {
        Err(self.errors.drain(..).flatten().collect())
    }
}

impl<F> fmt::Debug for Race<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").field("waiting", &self.futures.len()).finish()
    }
}

impl<F, E> fmt::Debug for RaceOk<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.errors.iter().flatten().count();
        f.debug_struct("RaceOk").field("waiting", &self.futures.len()).field("failed", &failed).finish()
    }
}
