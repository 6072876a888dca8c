//! The report as a picture: bars for each question, two workers on the left, one thread on the right.
//!
//! Every panel has its own scale, which begins at zero: a bar twice as long is twice the cost. A bar that would leave
//! the others no room is cut off, and says so. The picture has no background and its colours stand on a white page as
//! well as on a dark one.

use crate::benches::common::case::Class;
use crate::judge::{Question, is_ours};
use crate::markdown::number;
use std::fmt::Write as _;

/// Between the left edges of the two columns.
const COLUMN: f64 = 470.0;
/// From a panel's left edge to where its bars begin: room for a name.
const NAMES: f64 = 118.0;
/// The longest bar.
const BARS: f64 = 250.0;
/// From one bar to the next.
const STEP: f64 = 17.0;
/// How thick a bar is.
const THICK: f64 = 11.0;
/// A panel's title and the gap above it.
const TITLE: f64 = 34.0;
/// The heading of the picture.
const HEAD: f64 = 66.0;
/// A bar this many times as long as the median one is cut off.
const CUT: f64 = 4.0;

/// What is not drawn: it follows from its neighbour, or needs more rounds than bars can show.
const NOT_DRAWN: [&str; 3] = ["p99 us", "latency p50 us", "latency p99 us"];

/// The whole picture.
pub(crate) fn draw(questions: &[Question]) -> String {
    let drawn = |question: &&Question| !NOT_DRAWN.contains(&question.figure.as_str());
    let of_class = |class| questions.iter().filter(drawn).filter(move |question| question.class == class);
    let mut body = String::new();
    let mut top = HEAD;
    let mut done: Vec<(&str, &str)> = Vec::new();
    for question in questions.iter().filter(drawn) {
        let name = (question.workload.as_str(), question.figure.as_str());
        if done.contains(&name) {
            continue;
        }
        done.push(name);
        let same = |other: &&Question| (other.workload.as_str(), other.figure.as_str()) == name;
        let left = of_class(Class::TwoWorkers).chain(of_class(Class::WholeCrate)).find(same);
        let right = of_class(Class::OneThread).find(same);
        let panels = [(left, 0.0), (right, COLUMN)];
        let height = |question: Option<&Question>| question.map_or(0.0, |one| one.answers.len() as f64 * STEP);
        panels.into_iter().for_each(|(question, x)| question.map_or((), |one| panel(&mut body, one, x + 10.0, top)));
        top += TITLE + height(left).max(height(right));
    }
    format!("{}{body}</svg>\n", opening(top + 12.0))
}

fn opening(height: f64) -> String {
    let width = 2.0 * COLUMN;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="mainspring and its peers: cost of each workload, less is better">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #59636e }}
.head {{ font-size: 15px; font-weight: 600 }} .title {{ font-weight: 600 }} .end {{ text-anchor: end }}
.ours {{ fill: #d9730d }} .tokio {{ fill: #4f7cac }} .peer {{ fill: #93a1b0 }}
.mine {{ font-weight: 600; fill: #b85f08 }} .floor {{ stroke: #59636e; stroke-dasharray: 2 2 }}
.spread {{ stroke: #59636e; stroke-opacity: .8 }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #aab4bf }} .mine {{ fill: #f0973c }} .floor, .spread {{ stroke: #c5ced8 }}
}}
</style>
<text class="head" x="10" y="22">Two workers</text><text class="head" x="{}" y="22">One thread</text>
<text x="10" y="42">Less is better. Bar: median. Thin line: the middle half of the rounds. Dashed: no runtime at all. Each panel has its own scale from zero.</text>
"##,
        COLUMN + 10.0
    )
}

/// One question: a title, and a bar for each runtime.
fn panel(body: &mut String, question: &Question, x: f64, top: f64) {
    let scale = BARS / longest(question);
    let length = |value: f64| (value * scale).min(BARS);
    let zero = x + NAMES;
    let bottom = top + TITLE - 8.0 + question.answers.len() as f64 * STEP;
    put(
        body,
        &format!(
            r#"<text class="title" x="{x}" y="{:.1}">{}, {}</text>"#,
            top + 14.0,
            question.workload,
            question.figure
        ),
    );
    for (index, (name, answer)) in question.answers.iter().enumerate() {
        let y = top + TITLE - 10.0 + index as f64 * STEP;
        let middle = y + THICK / 2.0;
        let (bar, label) = match name {
            name if is_ours(name) => ("ours", "mine"),
            name if name.starts_with("tokio") => ("tokio", ""),
            _ => ("peer", ""),
        };
        let end = zero + length(answer.median);
        let cut = if answer.median * scale > BARS { " (cut off)" } else { "" };
        let (low, high) = (zero + length(answer.quartiles.0), zero + length(answer.quartiles.1));
        let text = number(answer.median);
        let baseline = middle + 4.0;
        put(body, &format!(r#"<text class="end {label}" x="{:.1}" y="{baseline:.1}">{name}</text>"#, zero - 6.0));
        let thickness = format!(r#"height="{THICK}" rx="2""#);
        put(body, &format!(r#"<rect class="{bar}" x="{zero}" y="{y:.1}" width="{:.1}" {thickness}/>"#, end - zero));
        put(body, &format!(r#"<line class="spread" x1="{low:.1}" x2="{high:.1}" y1="{middle:.1}" y2="{middle:.1}"/>"#));
        let after = end.max(high) + 5.0;
        put(body, &format!(r#"<text class="{label}" x="{after:.1}" y="{baseline:.1}">{text}{cut}</text>"#));
    }
    if let Some(floor) = question.floor {
        let at = zero + length(floor.median);
        put(
            body,
            &format!(
                r#"<line class="floor" x1="{at:.1}" x2="{at:.1}" y1="{:.1}" y2="{bottom:.1}"/>"#,
                top + TITLE - 13.0
            ),
        );
    }
}

fn put(body: &mut String, line: &str) {
    writeln!(body, "{line}").expect("a string takes everything");
}

/// The value that fills a panel.
fn longest(question: &Question) -> f64 {
    let mut medians: Vec<f64> = question.answers.iter().map(|(_, answer)| answer.median).collect();
    medians.sort_by(f64::total_cmp);
    let (middle, greatest) = (medians[medians.len() / 2], medians[medians.len() - 1]);
    greatest.min(middle * CUT).max(f64::MIN_POSITIVE)
}
