//! TSK-02: the life of a task, in every combination of what can happen to it.
//!
//! ```text
//!   flavour            current, multi, local, local on multi, simulated                                  5
//!   future panics      never, in its last poll, when dropped, both                                       4
//!   output panics      when dropped: no, yes                                                             2
//!   handle is polled   before the first poll: no, yes                                                    2
//!   handle's fate      joined; dropped before the first poll, while the task waits, after its end        4
//!   abort              never; before the first poll, in it, while it waits, after the end                5
//!     asked by         the join handle, an abort handle, another thread, another task                    4
//!   waker              dropped with the wait, kept beyond the runtime                                    2
//! ```
//!
//! The future waits once: its first poll is Pending, its second one is the last. What cannot be (an abort by a handle
//! that is gone) is left out; [`Cell::expected`] is the table of what must come of the rest.

use crate::{PATIENCE, Watch, message_of, panic_quietly, poll_with, result_of, until};
use mainspring::runtime::Builder;
use mainspring::task::{AbortHandle, JoinHandle, spawn, spawn_local};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Current,
    Multi,
    Local,
    LocalOnMulti,
    Simulated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Panics {
    Never,
    InPoll,
    InDrop,
    InBoth,
}

/// What becomes of the join handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    DroppedFirst,
    DroppedWaiting,
    DroppedLast,
    Joined,
}

/// When the task is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    First,
    InPoll,
    Waiting,
    Last,
}

/// Who aborts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    JoinHandle,
    AbortHandle,
    Thread,
    Task,
}

const FLAVOURS: [Flavour; 5] =
    [Flavour::Current, Flavour::Multi, Flavour::Local, Flavour::LocalOnMulti, Flavour::Simulated];
const PANICS: [Panics; 4] = [Panics::Never, Panics::InPoll, Panics::InDrop, Panics::InBoth];
const FATES: [Fate; 4] = [Fate::DroppedFirst, Fate::DroppedWaiting, Fate::DroppedLast, Fate::Joined];
const WHENS: [When; 4] = [When::First, When::InPoll, When::Waiting, When::Last];
const BYS: [By; 4] = [By::JoinHandle, By::AbortHandle, By::Thread, By::Task];

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Cell {
    flavour: Flavour,
    panics: Panics,
    output_panics: bool,
    polls_handle: bool,
    fate: Fate,
    abort: Option<(When, By)>,
    keeps_waker: bool,
}

/// What comes of one life. Panics are told apart by what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    polls: usize,
    futures_dropped: usize,
    outputs_made: usize,
    outputs_dropped: usize,
    /// The joiner's: `value`, `cancelled`, or a panic's message.
    joined: Option<String>,
    /// The panics that went to the hook, in the order of the alphabet.
    unhandled: Vec<String>,
}

impl Cell {
    fn all() -> impl Iterator<Item = Self> {
        let both = [false, true];
        let aborts: Vec<_> = WHENS.iter().flat_map(|&when| BYS.map(|by| Some((when, by)))).chain([None]).collect();
        let mut cells = Vec::new();
        for (flavour, panics) in FLAVOURS.iter().flat_map(|&flavour| PANICS.map(|panics| (flavour, panics))) {
            for (fate, &abort) in FATES.iter().flat_map(|&fate| aborts.iter().map(move |abort| (fate, abort))) {
                for choices in 0..8 {
                    let [output_panics, polls_handle, keeps_waker] = [0, 1, 2].map(|bit| both[choices >> bit & 1]);
                    cells.push(Self { flavour, panics, output_panics, polls_handle, fate, abort, keeps_waker });
                }
            }
        }
        cells.into_iter().filter(Self::can_be)
    }

    fn can_be(&self) -> bool {
        match self.abort {
            None => true,
            // A task that is ready to abort another comes after it in the queue, and not into its poll at all.
            Some((When::First | When::InPoll, By::Task)) => false,
            Some((When::First, By::JoinHandle)) => true,
            Some((When::InPoll, By::JoinHandle)) => self.fate > Fate::DroppedFirst,
            Some((When::Waiting, By::JoinHandle)) => self.fate > Fate::DroppedFirst,
            Some((When::Last, By::JoinHandle)) => self.fate > Fate::DroppedWaiting,
            Some(_) => true,
        }
    }

    /// The table: what must come of this life, but for `polls` of a task that is aborted before its first poll while
    /// another worker may have begun it.
    fn expected(&self) -> Outcome {
        let polls = match self.abort {
            Some((When::First, _)) => 0,
            Some((When::InPoll | When::Waiting, _)) => 1,
            None | Some((When::Last, _)) => 2,
        };
        let (ends, bad_drop) = (polls == 2, matches!(self.panics, Panics::InDrop | Panics::InBoth));
        let bad_poll = ends && matches!(self.panics, Panics::InPoll | Panics::InBoth);
        let output = ends && !bad_poll;
        let result = match (ends, bad_poll, bad_drop) {
            (false, _, true) => "in drop",
            (false, _, false) => "cancelled",
            (true, true, _) => "in poll",
            (true, false, _) => "value",
        };
        let mut unhandled = Vec::new();
        // The future's drop after its last poll is nobody's result.
        unhandled.extend((ends && bad_drop).then_some("in drop"));
        if self.fate != Fate::Joined {
            unhandled.extend((output && self.output_panics).then_some("of output"));
            unhandled.extend(result.starts_with("in ").then_some(result));
        }
        unhandled.sort_unstable();
        Outcome {
            polls,
            futures_dropped: 1,
            outputs_made: usize::from(output),
            outputs_dropped: usize::from(output),
            joined: (self.fate == Fate::Joined).then(|| result.to_owned()),
            unhandled: unhandled.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// What the future, its output and the test share.
struct Life {
    index: usize,
    cell: Cell,
    counts: [AtomicUsize; 4],
    waker: Mutex<Option<Waker>>,
    handle: Mutex<Option<JoinHandle<Value>>>,
    abort: Mutex<Option<AbortHandle>>,
    joined: Mutex<Option<String>>,
    aborter: mpsc::Sender<Request>,
}

/// Please abort this, and say when it is done.
type Request = (AbortHandle, mpsc::Sender<()>);

const POLLS: usize = 0;
const FUTURES_DROPPED: usize = 1;
const OUTPUTS_MADE: usize = 2;
const OUTPUTS_DROPPED: usize = 3;

impl Life {
    fn count(&self, which: usize) -> usize {
        self.counts[which].load(Ordering::SeqCst)
    }

    fn add(&self, which: usize) -> usize {
        self.counts[which].fetch_add(1, Ordering::SeqCst) + 1
    }

    fn panic(&self, place: &str) -> ! {
        panic_quietly(format!("{} {place}", self.index))
    }

    /// Everything that is done at this stage by something other than another task.
    fn abort_at(&self, when: When) {
        match self.cell.abort {
            Some((at, By::JoinHandle)) if at == when => self.handle.lock().unwrap().as_ref().unwrap().abort(),
            Some((at, By::AbortHandle)) if at == when => self.abort.lock().unwrap().as_ref().unwrap().abort(),
            Some((at, By::Thread)) if at == when => {
                let (say_done, done) = mpsc::channel();
                let abort = self.abort.lock().unwrap().clone().unwrap();
                self.aborter.send((abort, say_done)).unwrap();
                done.recv().unwrap();
            }
            _ => {}
        }
    }

    fn drop_handle_at(&self, fate: Fate) {
        if self.cell.fate == fate {
            // Not under the lock: the output's drop may do anything.
            let handle = self.handle.lock().unwrap().take();
            drop(handle);
        }
    }
}

/// The future.
struct Task(Arc<Life>);

/// Its output.
#[derive(Debug)]
struct Value(Arc<Life>);

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cell.fmt(f)
    }
}

impl Future for Task {
    type Output = Value;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        let life = &self.0;
        if life.add(POLLS) == 1 {
            life.abort_at(When::InPoll);
            *life.waker.lock().unwrap() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if matches!(life.cell.panics, Panics::InPoll | Panics::InBoth) {
            life.panic("in poll");
        }
        life.add(OUTPUTS_MADE);
        Poll::Ready(Value(life.clone()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.add(FUTURES_DROPPED);
        if matches!(self.0.cell.panics, Panics::InDrop | Panics::InBoth) {
            self.0.panic("in drop");
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.add(OUTPUTS_DROPPED);
        if self.0.cell.output_panics {
            self.0.panic("of output");
        }
    }
}

/// Spawns the task, and looks at its handle before it can do anything.
fn begin(life: &Arc<Life>) {
    let is_local = matches!(life.cell.flavour, Flavour::Local | Flavour::LocalOnMulti);
    // Locked first: the task may run at once on another worker, and looks for its handles.
    let (mut handle, mut abort) = (life.handle.lock().unwrap(), life.abort.lock().unwrap());
    let task = Task(life.clone());
    let spawned = handle.insert(if is_local { spawn_local(task) } else { spawn(task) });
    if matches!(life.cell.abort, Some((_, By::AbortHandle | By::Thread | By::Task))) {
        *abort = Some(spawned.abort_handle());
    }
    if life.cell.polls_handle {
        // On two workers it may have begun, but it waits in its first poll.
        assert!(poll_with(spawned, Waker::noop()).is_pending());
    }
}

/// Lives one life, inside the runtime.
async fn live(life: &Arc<Life>) {
    begin(life);
    life.abort_at(When::First);
    life.drop_handle_at(Fate::DroppedFirst);
    until(|| life.waker.lock().unwrap().is_some() || life.count(FUTURES_DROPPED) == 1).await;
    let waker = life.waker.lock().unwrap().take();
    if life.cell.keeps_waker {
        life.waker.lock().unwrap().clone_from(&waker);
    }
    if life.cell.abort.is_some_and(|(when, _)| when == When::Waiting) {
        drop(waker);
        life.abort_at(When::Waiting);
        abort_by_task(life, When::Waiting).await;
        life.drop_handle_at(Fate::DroppedWaiting);
    } else {
        life.drop_handle_at(Fate::DroppedWaiting);
        waker.into_iter().for_each(Waker::wake);
    }
    until(|| life.count(FUTURES_DROPPED) == 1 && has_ended(life)).await;
    life.abort_at(When::Last);
    abort_by_task(life, When::Last).await;
    life.drop_handle_at(Fate::DroppedLast);
    if life.cell.fate == Fate::Joined {
        let handle = life.handle.lock().unwrap().take().unwrap();
        let said = catch_unwind(AssertUnwindSafe(|| said(life, result_of(handle))));
        *life.joined.lock().unwrap() = Some(said.unwrap_or_else(|_| "value".to_owned()));
    }
}

async fn abort_by_task(life: &Life, when: When) {
    if life.cell.abort == Some((when, By::Task)) {
        let abort = life.abort.lock().unwrap().clone().unwrap();
        spawn(async move { abort.abort() }).await.unwrap();
    }
}

/// As far as somebody is left who can ask.
fn has_ended(life: &Life) -> bool {
    life.handle.lock().unwrap().as_ref().is_none_or(JoinHandle::is_finished)
        && life.abort.lock().unwrap().as_ref().is_none_or(AbortHandle::is_finished)
}

fn said(life: &Life, result: Result<Value, mainspring::task::JoinError>) -> String {
    match result {
        Ok(value) => {
            // First: a value whose destructor panics after the words were made would take them along.
            drop(value);
            "value".to_owned()
        }
        Err(error) if error.is_cancelled() => "cancelled".to_owned(),
        Err(error) => own_words(life.index, &message_of(error.into_panic())),
    }
}

/// Takes the number off a panic's message; it says whose panic it was.
fn own_words(index: usize, message: &str) -> String {
    message.strip_prefix(&format!("{index} ")).unwrap_or(message).to_owned()
}

/// Lives all lives of one flavour in one runtime, ends it, and only then looks.
fn live_all(flavour: Flavour, lives: &[Arc<Life>]) -> Vec<Outcome> {
    let builder = match flavour {
        Flavour::Current | Flavour::Local => Builder::new_current_thread(),
        Flavour::Multi | Flavour::LocalOnMulti => Builder::new_multi_thread().workers(2),
        Flavour::Simulated => Builder::new_simulated(11),
    };
    let (runtime, watch) = Watch::build(builder);
    runtime.block_on(async {
        for life in lives {
            live(life).await;
        }
    });
    drop(runtime);
    for life in lives {
        if let Some(waker) = life.waker.lock().unwrap().take() {
            let by_value = waker.clone();
            waker.wake_by_ref();
            by_value.wake();
        }
        drop(life.abort.lock().unwrap().take());
    }
    let mut unhandled: Vec<Vec<String>> = lives.iter().map(|_| Vec::new()).collect();
    for message in watch.seen() {
        let index: usize = message.split(' ').next().unwrap().parse().expect("only planned panics");
        let place = lives.iter().position(|life| life.index == index).expect("of this flavour");
        unhandled[place].push(own_words(index, &message));
    }
    watch.assert_freed();
    let outcomes = lives.iter().zip(unhandled).map(|(life, unhandled)| Outcome {
        polls: life.count(POLLS),
        futures_dropped: life.count(FUTURES_DROPPED),
        outputs_made: life.count(OUTPUTS_MADE),
        outputs_dropped: life.count(OUTPUTS_DROPPED),
        joined: life.joined.lock().unwrap().take(),
        unhandled,
    });
    outcomes.collect()
}

#[test]
fn tsk_02_every_life_of_a_task_ends_as_the_table_says() {
    let start = Instant::now();
    let (aborter, requests) = mpsc::channel::<Request>();
    thread::spawn(move || {
        for (abort, done) in requests {
            abort.abort();
            done.send(()).unwrap();
        }
    });
    let new = |(index, cell): (usize, Cell)| {
        let (counts, aborter) = (Default::default(), aborter.clone());
        let (waker, handle, abort, joined) = Default::default();
        Arc::new(Life { index, cell, counts, waker, handle, abort, joined, aborter })
    };
    let lives: Vec<_> = Cell::all().enumerate().map(new).collect();
    let mut wrong = Vec::new();
    for flavour in FLAVOURS {
        let lives: Vec<_> = lives.iter().filter(|life| life.cell.flavour == flavour).cloned().collect();
        for (life, outcome) in lives.iter().zip(live_all(flavour, &lives)) {
            let mut expected = life.cell.expected();
            if flavour == Flavour::Multi && expected.polls == 0 {
                // Another worker may have been quicker than the abort.
                expected.polls = outcome.polls.min(1);
            }
            if outcome != expected {
                wrong.push(format!("{:?}\n  is        {outcome:?}\n  should be {expected:?}", life.cell));
            }
        }
    }
    let first = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} lives went wrong:\n{first}", wrong.len(), lives.len());
    assert!(lives.len() >= 5_000, "{} lives are too few", lives.len());
    assert!(lives.iter().all(|life| Arc::strong_count(life) == 1), "nothing of a life is left behind");
    assert!(start.elapsed() < PATIENCE);
}
