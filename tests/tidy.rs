//! Tidy: the rules of this crate that no lint can check, each as a test.
//!
//! A rule that is not checked is a wish. What rustc and clippy can see is denied in `Cargo.toml`; what is left
//! is checked here, on the text of the files, with nothing but std:
//!
//! ```text
//!   source   a file as tokens and lines          tree     all files, and which declares which
//!   layers   imports point down only             notes    SAFETY and ORDER stand where they must
//!   files    length, unsafe list, use, top       words    what may not stand in the code
//! ```
//!
//! A failure is a list of `file:line: what to do`. Each check has tests of its own beside it: snippets that it
//! must catch and snippets that it must let pass, because a check that never fails looks just like a clean tree.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/notes.rs"]
mod notes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use std::path::Path;
use tree::Tree;

/// A rule: what it finds wrong, as `file:line: what to do`.
type Check = fn(&Tree) -> Vec<String>;

#[test]
fn imports_point_down_only() {
    hold(layers::imports_point_down);
}

#[test]
fn every_file_has_at_most_400_code_lines() {
    hold(files::files_are_short);
}

#[test]
fn unsafe_stands_only_in_the_files_on_the_list() {
    hold(files::unsafe_stands_where_the_list_says);
}

#[test]
fn snd_03_every_unsafe_says_what_makes_it_sound() {
    hold(notes::unsafe_code_is_explained);
}

/// So that nobody adds one without a second thought, and a reader knows how many there are to read.
#[test]
fn snd_03_the_readme_says_how_many_unsafe_blocks_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (blocks, files) = notes::unsafe_blocks(&Tree::read(root));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the crate has a README.md");
    let said = format!("{blocks} `unsafe` blocks in {files} files");
    assert!(readme.contains(&said), "README.md must say \"{said}\": is the new one needed, and has it a test?");
}

#[test]
fn mis_12_src_reads_no_environment_variable() {
    hold(words::the_environment_is_not_read);
}

#[test]
fn every_public_async_function_says_what_dropping_it_loses() {
    hold(notes::async_functions_have_a_grade);
}

#[test]
fn every_atomic_access_names_its_partner() {
    hold(notes::atomic_accesses_are_explained);
}

#[test]
fn snd_07_src_has_no_fence_no_seqcst_and_no_static_mut() {
    hold(words::no_fence_no_seqcst_no_static_mut);
}

#[test]
fn snd_07_memory_is_what_it_was_written_as() {
    hold(words::memory_is_what_it_was_written_as);
}

#[test]
fn every_file_is_used() {
    hold(files::every_file_is_used);
}

#[test]
fn src_lifts_no_disallowed_lint_outside_the_listed_places() {
    hold(words::disallowed_means_disallowed);
}

#[test]
fn loom_is_named_in_one_file() {
    hold(words::loom_is_named_in_one_place);
}

#[test]
fn the_top_level_is_bare() {
    hold(files::the_top_level_is_bare);
}

#[test]
fn nothing_is_left_undone_and_no_test_is_ignored() {
    hold(words::nothing_is_left_undone);
}

/// Applies a check to this crate.
#[track_caller]
fn hold(check: Check) {
    let found = check(&Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))));
    assert!(found.is_empty(), "{} to put right:\n{}", found.len(), found.join("\n"));
}

/// Applies a check to snippets: path, text, and how many findings there must be.
#[cfg(test)]
#[track_caller]
fn judge(check: Check, cases: &[(&str, &str, usize)]) {
    for (path, text, expected) in cases {
        let found = check(&Tree::of(&[(*path, *text)]));
        assert_eq!(found.len(), *expected, "in {path}:\n{text}\nfound {found:?}");
    }
}
