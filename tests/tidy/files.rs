//! What holds for whole files: their length, the list of those with unsafe code, that each is used, and what
//! lies beside them at the top level.

use crate::source::Source;
use crate::tree::Tree;

/// More than a reader can hold in mind at once.
const CODE_LINES_MAX: usize = 400;

/// The heading in the documentation of `src/lib.rs` above the list of files with unsafe code. Below it stands a
/// fenced block (any language) with one file a line, as `src/base/deque.rs`; what follows a blank is a remark.
const UNSAFE_HEADING: &str = "Where unsafe lives";

/// What may lie at the top level; names that begin with a dot may too.
const TOP_LEVEL: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "README.md", "CHANGELOG.md", "src", "examples", "tests", "benches", "target"];

/// Lines that are neither blank, nor comment, nor test code inside another file.
pub(crate) fn files_are_short(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        // A file that is test code as a whole is measured like any other.
        let all_test = file.tokens.iter().all(|token| token.test);
        let counts = |line: &&_| is_code(line, all_test);
        let count = file.lines.iter().filter(counts).count();
        if count > CODE_LINES_MAX {
            let what = format!("{count} code lines, {CODE_LINES_MAX} is the limit: divide this file by meaning");
            found.push(file.finding(1, &what));
        }
    }
    found
}

fn is_code(line: &crate::source::Line, all_test: bool) -> bool {
    line.code && (all_test || !line.test)
}

/// The files in `src` that hold unsafe code are those, and only those, on the list in `src/lib.rs`, and each
/// opens by saying why.
pub(crate) fn unsafe_stands_where_the_list_says(tree: &Tree) -> Vec<String> {
    let Some(lib) = tree.below("src/lib.rs").next() else { return Vec::new() };
    let Some((heading, listed)) = unsafe_list(lib) else {
        let what =
            format!("no heading `{UNSAFE_HEADING}` with a fenced list below it in the documentation of this file");
        return vec![lib.finding(1, &what)];
    };
    let mut found = Vec::new();
    for (line, path) in &listed {
        if !tree.files.iter().any(|file| file.path == *path && holds_unsafe(file)) {
            found
                .push(lib.finding(*line, &format!("take `{path}` off this list: it holds no unsafe code, or is gone")));
        }
    }
    for file in tree.below("src/").filter(|file| holds_unsafe(file)) {
        if !listed.iter().any(|(_, path)| *path == file.path) {
            let what = format!(
                "unsafe code outside the list in src/lib.rs:{heading}: remove it, or add this file with its reason"
            );
            found.push(file.finding(1, &what));
        }
        if !opens_with_its_reason(file) {
            found.push(file.finding(1, "open this file with `#![allow(unsafe_code, reason = \"...\")]`"));
        }
    }
    found
}

/// The heading's line, and the listed paths with theirs.
fn unsafe_list(lib: &Source) -> Option<(usize, Vec<(usize, String)>)> {
    let text = |line: usize| lib.lines[line].comment.trim_start_matches("//!").trim();
    let is_heading = |line: &usize| text(*line).starts_with('#') && text(*line).contains(UNSAFE_HEADING);
    let heading = (1..lib.lines.len()).find(is_heading)?;
    let fences: Vec<usize> = (heading..lib.lines.len()).filter(|&line| text(line).starts_with("```")).take(2).collect();
    let [open, close] = fences[..] else { return None };
    let words = (open + 1..close).filter_map(|line| Some((line, text(line).split_whitespace().next()?)));
    Some((heading, words.map(|(line, path)| (line, path.to_owned())).collect()))
}

/// The keyword, or an `allow` of it.
fn holds_unsafe(file: &Source) -> bool {
    let allows = |index| file.reads(index, &["(", "unsafe_code"]) && matches!(file.text(index - 1), "allow" | "expect");
    (1..file.tokens.len() + 1).any(|index| file.text(index - 1) == "unsafe" || allows(index))
}

/// Among the inner attributes at the top of the file is the allow with a reason.
fn opens_with_its_reason(file: &Source) -> bool {
    let opening: Vec<&str> =
        file.tokens.iter().take_while(|token| token.attribute).map(|token| token.text.as_str()).collect();
    let opening = opening.concat();
    opening.starts_with("#!") && opening.contains("#![allow(unsafe_code,reason=\"")
}

/// Every `.rs` file is reached by `mod` lines, or lies in a folder that a test names in a string, as the cases
/// of a compile-fail test do.
pub(crate) fn every_file_is_used(tree: &Tree) -> Vec<String> {
    let reached = tree.reachable();
    let named = |path: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut tests =
            tree.files.iter().filter(|file| reached.contains(file.path.as_str()) && file.path.starts_with("tests/"));
        folder != "src"
            && tests.any(|file| file.tokens.iter().any(|token| token.text.starts_with(&format!("\"{folder}/"))))
    };
    let unused = tree.files.iter().filter(|file| !reached.contains(file.path.as_str()) && !named(&file.path));
    unused.map(|file| file.finding(1, "nothing uses this file: declare it with a `mod` line, or delete it")).collect()
}

/// The top level is what a newcomer sees first, so nothing gathers there.
pub(crate) fn the_top_level_is_bare(tree: &Tree) -> Vec<String> {
    let is_fine = |name: &str| TOP_LEVEL.contains(&name) || name.starts_with('.') || name.starts_with("LICENSE");
    let strange = tree.top.iter().filter(|name| !is_fine(name));
    strange.map(|name| format!("{name}:1: not at the top level: move or delete it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    #[test]
    fn a_file_is_measured_by_its_code_lines() {
        let at_limit = "fn f() {}\n".repeat(CODE_LINES_MAX);
        let noise = "// comment\n\n/* more */\n#[cfg(test)]\nmod tests {\n  fn f() {}\n}\n";
        let long_test = format!("#![cfg(test)]\n{at_limit}");
        judge(
            files_are_short,
            &[
                ("src/a.rs", &at_limit, 0),
                ("src/a.rs", &format!("{at_limit}{noise}"), 0),
                ("src/a.rs", &format!("{at_limit}fn f() {{}}"), 1),
                ("tests/a.rs", &format!("{at_limit}fn f() {{}}"), 1),
                ("src/a.rs", &long_test, 1),
            ],
        );
    }

    /// Judges a `src/base/a.rs` against a list in `src/lib.rs`.
    fn listed(list: &str, text: &str) -> usize {
        let lib = format!("//! # Where unsafe lives\n//!\n//! ```text\n{list}//! ```\n");
        let tree = Tree::of(&[("src/lib.rs", lib.as_str()), ("src/base/a.rs", text)]);
        unsafe_stands_where_the_list_says(&tree).len()
    }

    #[test]
    fn unsafe_code_off_the_list_is_caught_and_so_is_a_list_that_is_too_long() {
        let good = "//! A.\n\n#![allow(unsafe_code, reason = \"why\")]\n// SAFETY: x\nfn f() { unsafe { g() } }";
        let entry = "//! src/base/a.rs   system calls\n";
        assert_eq!(listed(entry, good), 0);
        assert_eq!(listed("", "fn f() {}"), 0);
        assert_eq!(listed("", "//! unsafe\nfn f() {}"), 0);
        assert_eq!(listed("", good), 1, "not on the list");
        assert_eq!(listed(entry, "fn f() {}"), 1, "on the list without need");
        assert_eq!(listed("//! src/base/gone.rs\n", "fn f() {}"), 1, "on the list, but gone");
        assert_eq!(listed(entry, "fn f() { unsafe { g() } }"), 1, "no allow at its top");
        assert_eq!(listed(entry, "#![allow(unsafe_code)]\nfn f() { unsafe { g() } }"), 1, "no reason");
        assert_eq!(listed("", "#[allow(unsafe_code, reason = \"why\")] fn f() {}"), 2, "an allow is enough");
        judge(unsafe_stands_where_the_list_says, &[("src/lib.rs", "//! No list.", 1), ("src/a.rs", "unsafe {}", 0)]);
    }

    #[test]
    fn an_unused_file_is_caught() {
        judge(every_file_is_used, &[("src/lost.rs", "", 1), ("tests/it/lost.rs", "", 1), ("tests/it/main.rs", "", 0)]);
        judge(
            every_file_is_used,
            &[("examples/a.rs", "", 0), ("examples/kv/main.rs", "", 0), ("examples/kv/b.rs", "", 1)],
        );
        let case = ("tests/compile_fail/a.rs", "");
        let user = ("tests/fail.rs", "fn f() { t.compile_fail(\"tests/compile_fail/*.rs\") }");
        assert_eq!(every_file_is_used(&Tree::of(&[case, user])), [""; 0]);
    }

    #[test]
    fn only_known_names_lie_at_the_top_level() {
        let top = |name: &str| the_top_level_is_bare(&Tree { files: Vec::new(), top: vec![name.to_owned()] }).len();
        assert!(["src", ".gitignore", "LICENSE-MIT", "CHANGELOG.md", "Cargo.lock"].iter().all(|name| top(name) == 0));
        assert!(["notes.txt", "scripts", "build.rs", "docs"].iter().all(|name| top(name) == 1));
    }
}
