//! Who is ahead: every row of the table, and how we stand in it against the best of the others.
//!
//! The middle half of our rounds is compared with that of the best peer's. Where the two overlap, a difference of
//! the medians may be chance, and the row is level. One round has no halves: it is taken for the middle of what most rows
//! spread by. Less is better in every row.

use crate::benches::common::case::{Class, FLOOR};
use crate::benches::common::table::{Row, Summary, Table};

/// On one cpu it is the cpu time and what other processes took away meanwhile, so it is kept among the values but not
/// judged.
const WALL: &str = "wall ns";

/// A figure of one workload, among those that may be compared.
pub(crate) struct Question {
    pub(crate) workload: String,
    /// What was counted, with its unit.
    pub(crate) figure: String,
    pub(crate) class: Class,
    /// What it costs with no runtime at all.
    pub(crate) floor: Option<Summary>,
    /// The runtimes and what they need.
    pub(crate) answers: Vec<(String, Summary)>,
    /// One for each of our flavours.
    pub(crate) verdicts: Vec<Verdict>,
}

/// How one flavour of ours stands.
pub(crate) struct Verdict {
    /// Its name.
    pub(crate) ours: String,
    /// The name of the best peer.
    pub(crate) best: String,
    pub(crate) standing: Standing,
    /// Our median over the peer's.
    pub(crate) ratio: f64,
}

/// Against the best peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ahead,
    /// The difference is inside the spread.
    Level,
    Behind,
}

impl Question {
    /// A runtime's answer.
    pub(crate) fn answer(&self, runtime: &str) -> Option<Summary> {
        self.answers.iter().find(|(name, _)| name == runtime).map(|&(_, summary)| summary)
    }
}

/// Is this a flavour of ours?
pub(crate) fn is_ours(runtime: &str) -> bool {
    runtime.starts_with("mainspring")
}

/// All of them, class by class, in the order in which they were measured.
pub(crate) fn questions(table: &Table) -> Vec<Question> {
    let mut found: Vec<Question> = Vec::new();
    for class in Class::ALL {
        let is_asked = move |row: &&Row| row.class == class && row.runtime != FLOOR && row.figure != WALL;
        let rows = || table.rows().map(|(row, _)| row).filter(is_asked);
        for row in rows() {
            let is_known =
                |one: &Question| one.class == class && one.workload == row.workload && one.figure == row.figure;
            if found.iter().any(is_known) {
                continue;
            }
            let is_same = |one: &str, figure: &str| one == row.workload && figure == row.figure;
            let answer = |runtime: &String| {
                let summary = table.summary(&row.workload, &row.figure, runtime)?;
                Some((runtime.clone(), summary))
            };
            let runtimes = rows().filter(|row| is_same(&row.workload, &row.figure)).map(|row| &row.runtime);
            let answers: Vec<_> = runtimes.filter_map(answer).collect();
            found.push(Question {
                workload: row.workload.clone(),
                figure: row.figure.clone(),
                class,
                floor: table.summary(&row.workload, &row.figure, FLOOR),
                verdicts: verdicts(&answers),
                answers,
            });
        }
    }
    found
}

fn verdicts(answers: &[(String, Summary)]) -> Vec<Verdict> {
    let peers = answers.iter().filter(|(name, _)| !is_ours(name));
    let Some((best, best_summary)) = peers.min_by(|(_, one), (_, other)| one.median.total_cmp(&other.median)) else {
        return Vec::new();
    };
    let verdict = |(ours, summary): &(String, Summary)| Verdict {
        ours: ours.clone(),
        best: best.clone(),
        standing: standing(*summary, *best_summary),
        ratio: summary.median / best_summary.median,
    };
    answers.iter().filter(|(name, _)| is_ours(name)).map(verdict).collect()
}

/// By so much a single value may be off, either way: with two of them, what the server rows call a tie.
const SPREAD_OF_ONE: f64 = 0.04;

fn standing(ours: Summary, best: Summary) -> Standing {
    let (ours, best) = (middle(ours), middle(best));
    if ours.1 < best.0 {
        Standing::Ahead
    } else if ours.0 > best.1 {
        Standing::Behind
    } else {
        Standing::Level
    }
}

/// Between these two lies the middle half.
fn middle(summary: Summary) -> (f64, f64) {
    match summary.rounds {
        1 => (summary.median * (1.0 - SPREAD_OF_ONE), summary.median * (1.0 + SPREAD_OF_ONE)),
        _ => summary.quartiles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_inside_the_spread_is_level() {
        let of = Summary::of;
        assert_eq!(standing(of(&[1.0, 2.0, 3.0]), of(&[4.0, 5.0, 6.0])), Standing::Ahead);
        assert_eq!(standing(of(&[4.0, 5.0, 6.0]), of(&[1.0, 2.0, 3.0])), Standing::Behind);
        assert_eq!(standing(of(&[1.0, 2.0, 3.0]), of(&[3.0, 4.0, 5.0])), Standing::Level);
        assert_eq!(standing(of(&[208.0; 3]), of(&[208.0; 3])), Standing::Level);
        // One bad round among seven does not hide a difference.
        let disturbed = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0];
        assert_eq!(standing(of(&disturbed), of(&[2.0; 7])), Standing::Ahead);
        // One round shows only what is larger than most spreads.
        assert_eq!(standing(of(&[1.0]), of(&[1.07])), Standing::Level);
        assert_eq!(standing(of(&[1.0]), of(&[1.1])), Standing::Ahead);
    }
}
