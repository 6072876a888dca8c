//! The report as Markdown: a table for each class, readable as it stands.

use crate::benches::common::case::{Class, Size};
use crate::benches::common::runner::Plan;
use crate::benches::common::table::Summary;
use crate::judge::{Question, Standing, Verdict, is_ours};
use std::process::Command;
use std::thread;

/// The tables, how they were made, and what went wrong.
pub(crate) fn report(questions: &[Question], plan: &Plan, notes: &[String]) -> String {
    let mut parts = vec![how(plan)];
    for class in Class::ALL {
        let of_class: Vec<&Question> = questions.iter().filter(|question| question.class == class).collect();
        if !of_class.is_empty() {
            parts.push(format!("### {}", heading(class)));
            parts.push(table(&of_class, class));
        }
    }
    parts.push(tally(questions));
    parts.extend(notes.iter().cloned());
    parts.join("\n\n")
}

fn heading(class: Class) -> &'static str {
    match class {
        Class::TwoWorkers => "Two workers",
        Class::OneThread => "One thread",
        Class::WholeCrate => "A small server, built clean",
    }
}

/// What a reader must know to believe the figures.
fn how(plan: &Plan) -> String {
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let size = if plan.size == Size::Quick { "a tenth of the full size" } else { "full size" };
    let pinned = if plan.pinned {
        "Task, timer-creation, memory and server rows are pinned to cpu 0 (the load has cpu 1); sleep, fire, speed-up and \
         start-together rows are not pinned."
    } else {
        "Nothing is pinned but the load."
    };
    format!(
        "{cpus} cpus, Linux {}, {}; {size}, {}, interleaved, each measurement in a process of its own. {pinned} \
         A cell: median, ± half the distance between the quartiles, and in brackets the ratio to tokio with as many \
         threads. Ahead, level or behind: against the best peer of the row, level where the middle halves of the rounds \
         overlap, or within 8 % where there is one round. `cpu` counts the \
         process's time on all cpus; the wall time of the same passes is in values.tsv.",
        output_of("uname", "-r"),
        output_of("rustc", "--version"),
        if plan.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", plan.rounds) },
    )
}

fn output_of(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output
        .map_or_else(|_| format!("{program} unknown"), |found| String::from_utf8_lossy(&found.stdout).trim().to_owned())
}

fn table(questions: &[&Question], class: Class) -> String {
    let mut runtimes: Vec<&str> = Vec::new();
    for (name, _) in questions.iter().flat_map(|question| &question.answers) {
        if !runtimes.contains(&name.as_str()) {
            runtimes.push(name);
        }
    }
    let mut rows = vec![heads(&runtimes)];
    rows.extend(questions.iter().map(|question| cells(question, class, &runtimes)));
    aligned(&rows)
}

fn heads(runtimes: &[&str]) -> Vec<String> {
    let own = ["", "floor"].into_iter().chain(runtimes.iter().copied());
    own.chain(["best peer", "mainspring is"]).map(str::to_owned).collect()
}

fn cells(question: &Question, class: Class, runtimes: &[&str]) -> Vec<String> {
    let none = || "-".to_owned();
    let mut cells = vec![format!("{}, {}", question.workload, question.figure)];
    cells.push(question.floor.map_or_else(none, |floor| number(floor.median)));
    let yardstick = question.answer(class.yardstick());
    cells.extend(runtimes.iter().map(|name| question.answer(name).map_or_else(none, |answer| cell(answer, yardstick))));
    cells.push(question.verdicts.first().map_or_else(none, |verdict| verdict.best.clone()));
    let verdicts: Vec<String> = question.verdicts.iter().map(words).collect();
    cells.push(if verdicts.is_empty() { none() } else { verdicts.join(", ") });
    cells
}

fn cell(answer: Summary, yardstick: Option<Summary>) -> String {
    let spread = match answer.rounds {
        1 => String::new(),
        _ => format!(" ±{:.0} %", (answer.quartiles.1 - answer.quartiles.0) / 2.0 / answer.median * 100.0),
    };
    let ratio = yardstick.map_or(String::new(), |yardstick| format!(" ({})", ratio(answer.median / yardstick.median)));
    format!("{}{spread}{ratio}", number(answer.median))
}

/// `ct: **ahead** .63`; the flavour is left out where there is only one.
fn words(verdict: &Verdict) -> String {
    let flavour = verdict.ours.trim_start_matches("mainspring").trim_start_matches('_');
    let label = if matches!(flavour, "" | "mt") { String::new() } else { format!("{flavour}: ") };
    let standing = match verdict.standing {
        Standing::Ahead => "**ahead**",
        Standing::Level => "level",
        Standing::Behind => "*behind*",
    };
    format!("{label}{standing} {}", ratio(verdict.ratio))
}

/// How many rows are won.
fn tally(questions: &[Question]) -> String {
    let count = |standing| {
        let verdicts = questions.iter().flat_map(|question| &question.verdicts);
        verdicts.filter(|verdict| verdict.standing == standing).count()
    };
    let asked = questions.iter().flat_map(|question| &question.answers).filter(|(name, _)| is_ours(name)).count();
    format!(
        "Of {asked} figures of mainspring's, {} are ahead of the best peer, {} level with it, {} behind.",
        count(Standing::Ahead),
        count(Standing::Level),
        count(Standing::Behind)
    )
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => {
            let digits = format!("{value:.0}").into_bytes();
            let groups: Vec<_> = digits.rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Two digits, without the zero in front.
fn ratio(value: f64) -> String {
    let text = if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

/// Padded, so that a terminal shows it as well as a browser. The first row is the heading.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, &width)| match column {
        0 => "-".repeat(width),
        _ => format!("{}:", "-".repeat(width - 1)),
    });
    let mut lines = vec![line(&rows[0]), format!("| {} |", rule.collect::<Vec<_>>().join(" | "))];
    lines.extend(rows[1..].iter().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> = [0.5, 12.34, 123.4, 1_234.4, 1_123_456.0].into_iter().map(number).collect();
        assert_eq!(shown, ["0.50", "12.3", "123", "1,234", "1,123,456"]);
        assert_eq!([0.1, 1.0, 12.0].map(ratio), [".10", "1.00", "12"]);
    }
}
