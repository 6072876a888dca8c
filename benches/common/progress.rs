//! One line that overwrites itself, for whoever sits in front of it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Characters of the bar.
const WIDTH: usize = 24;

/// How far a run has come.
pub(crate) struct Progress {
    /// Steps begun.
    begun: usize,
    /// Steps there will be.
    all: usize,
    started: Instant,
    /// Nothing is drawn into a file.
    drawn: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self { begun: 0, all, started: Instant::now(), drawn: io::stderr().is_terminal() }
    }

    /// The next step begins.
    pub(crate) fn step(&mut self, what: &str) {
        let done = self.begun;
        self.begun += 1;
        if !self.drawn {
            return;
        }
        let filled = WIDTH * done / self.all.max(1);
        let bar: String = (0..WIDTH).map(|place| if place < filled { '█' } else { '░' }).collect();
        let left = match self.started.elapsed().checked_div(u32::try_from(done).unwrap_or(u32::MAX)) {
            None => String::new(),
            Some(each) => format!(", {} left", in_words(each * u32::try_from(self.all - done).unwrap_or(u32::MAX))),
        };
        draw(&format!("{bar} {done} of {}{left}: {what}", self.all));
    }

    /// Makes room for other output.
    pub(crate) fn clear(&self) {
        if self.drawn {
            draw("");
        }
    }
}

fn draw(line: &str) {
    eprint!("\r{line}\x1b[K");
    // A terminal that has gone away is no reason to stop measuring.
    drop(io::stderr().flush());
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
