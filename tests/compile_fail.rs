//! SND-02: programs that must not compile, and why each does not.
//!
//! ```text
//!   tests/compile_fail/*.rs   one program each; its lines that say `//~ E0277: words` are where rustc must complain,
//!                             with this code (or `error` if it has none) and these words somewhere in the message
//! ```
//!
//! Every complaint must be expected and every expected one made, so a case cannot fail for a reason that is not its own.
//! One program without a mark must compile: it says that the others fail because of what they do and not because of how
//! they are compiled. Codes, lines and a few words are compared, not the whole text, which changes from compiler to
//! compiler; and rustc is called directly, since the library that is linked was just built for this very test.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

/// Where the programs are.
const CASES: &str = "tests/compile_fail/";

/// A complaint: on which line, with which code, in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Complaint {
    line: usize,
    code: String,
    words: String,
}

#[test]
fn snd_02_what_would_be_unsound_does_not_compile() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for path in programs() {
        let text = fs::read_to_string(&path).unwrap();
        let expected = marks(&text);
        let found = complaints(&compile(&path));
        if let Some(reason) = difference(&expected, &found) {
            wrong.push(format!("{}: {reason}", path.display()));
        }
        cases += usize::from(!expected.is_empty());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 20, "{cases} programs are not all");
}

#[test]
fn a_program_that_does_nothing_wrong_compiles() {
    let fine = programs().into_iter().find(|path| path.ends_with("fine.rs")).unwrap();
    assert_eq!(marks(&fs::read_to_string(&fine).unwrap()), []);
    assert_eq!(complaints(&compile(&fine)), []);
}

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(CASES);
    let mut programs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    programs.sort();
    programs
}

/// What the marks in a program ask for, in the order of the lines.
fn marks(text: &str) -> Vec<Complaint> {
    let marked = text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, line.split_once("//~ ")?.1)));
    let complaint = |(line, mark): (usize, &str)| {
        let (code, words) = mark.split_once(": ").expect("a mark is `//~ code: words`");
        Complaint { line, code: code.to_owned(), words: words.to_owned() }
    };
    marked.map(complaint).collect()
}

/// Type-checks and borrow-checks a program against the library; gives what rustc printed.
fn compile(program: &Path) -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let mut rustc = Command::new(rustc);
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=short", "--color=never"]);
    rustc.arg("--out-dir").arg(env!("CARGO_TARGET_TMPDIR")).arg("-L").arg(format!("dependency={}", deps.display()));
    rustc.arg("--extern").arg(format!("mainspring={}", library(&deps).display())).arg(program);
    let output = rustc.output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// The library that was built last.
fn library(deps: &Path) -> PathBuf {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libmainspring-") && name.ends_with(".rlib")
    };
    let built = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let files = fs::read_dir(deps).unwrap().map(|entry| entry.unwrap().path());
    files.filter(is_library).max_by_key(built).expect("cargo has built the library for this test")
}

/// The errors in what rustc printed: `path:line:column: error[code]: words`.
fn complaints(printed: &str) -> Vec<Complaint> {
    let complaint = |line: &str| {
        let (place, error) = line.split_once(": error")?;
        let mut place = place.rsplit(':');
        let (_column, line) = (place.next()?, place.next()?.parse().ok()?);
        let (code, words) = error.split_once(": ")?;
        let code = code.trim_start_matches('[').trim_end_matches(']');
        let code = if code.is_empty() { "error" } else { code };
        Some(Complaint { line, code: code.to_owned(), words: words.to_owned() })
    };
    let mut found: Vec<_> = printed.lines().filter_map(complaint).collect();
    found.sort_by_key(|complaint| complaint.line);
    // An error without a place is about the compilation, and none of the programs' doing.
    let stray = printed.lines().filter(|line| line.starts_with("error") && !line.starts_with("error: aborting"));
    found.extend(stray.map(|line| Complaint { line: 0, code: "error".to_owned(), words: line.to_owned() }));
    found
}

fn difference(expected: &[Complaint], found: &[Complaint]) -> Option<String> {
    // rustc may say the same of one line several times.
    let by_line = |complaints: &[Complaint]| {
        let mut lines: BTreeMap<usize, Vec<Complaint>> = BTreeMap::new();
        complaints.iter().for_each(|complaint| lines.entry(complaint.line).or_default().push(complaint.clone()));
        lines
    };
    let (expected, found) = (by_line(expected), by_line(found));
    let matches = |line: &usize| {
        let (Some(marks), Some(errors)) = (expected.get(line), found.get(line)) else { return false };
        let is_met = |mark: &Complaint, error: &Complaint| mark.code == error.code && error.words.contains(&mark.words);
        marks.iter().all(|mark| errors.iter().any(|error| is_met(mark, error)))
            && errors.iter().all(|error| marks.iter().any(|mark| mark.code == error.code))
    };
    let lines: Vec<_> = expected.keys().chain(found.keys()).filter(|line| !matches(line)).collect();
    (!lines.is_empty()).then(|| format!("line {lines:?}\n  should be {expected:?}\n  is        {found:?}"))
}

#[test]
fn the_comparison_sees_missing_strange_and_other_complaints() {
    let text = "a //~ E0277: cannot be sent\nb";
    let printed =
        "x.rs:1:5: error[E0277]: `Rc<u8>` cannot be sent\nx.rs:1:5: error[E0277]: again\nerror: aborting due to 2";
    assert_eq!(difference(&marks(text), &complaints(printed)), None);
    let others = [
        "",
        "x.rs:2:5: error[E0277]: `Rc<u8>` cannot be sent",
        "x.rs:1:5: error[E0308]: cannot be sent",
        "x.rs:1:5: error[E0277]: other words",
        "x.rs:1:5: error: cannot be sent",
        "x.rs:1:5: error[E0277]: cannot be sent\nx.rs:2:1: error: more",
        "x.rs:1:5: error[E0277]: cannot be sent\nerror[E0463]: can't find crate",
    ];
    for other in others {
        assert!(difference(&marks(text), &complaints(other)).is_some(), "{other}");
    }
}
