//! Words that may not stand in the code, or only where a reason was given once and for all.

use crate::source::Source;
use crate::tree::Tree;

/// Where `src` may reach past the driver for clock, threads or chance, and why. A path that ends with `/` means
/// the folder.
const MAY_ALLOW_DISALLOWED: [(&str, &str); 3] = [
    ("src/driver/clock.rs", "the one place that reads the clock"),
    ("src/base/sys/", "the one place that makes threads"),
    ("src/base/atomic.rs", "gives models their threads"),
];

/// Where memory may be taken for something else than it was written as, and what makes it good there (SND-07).
const MAY_REINTERPRET: [(&str, &str, &str); 4] = [
    ("transmute", "src/sched/local.rs", "changes a lifetime alone"),
    ("transmute", "src/group/block_on_scope.rs", "changes a lifetime alone"),
    ("transmute", "src/base/sys/signals.rs", "an address that the kernel gave becomes the function that it was"),
    ("set_len", "src/base/sys/linux/files.rs", "behind what the kernel has written"),
];

/// Orderings and fences that neither a reader nor loom can pair with anything, and mutable statics.
pub(crate) fn no_fence_no_seqcst_no_static_mut(tree: &Tree) -> Vec<String> {
    let judged = |file: &Source, index: usize| {
        let called = file.text(index + 1) == "(";
        match file.text(index) {
            "fence" | "compiler_fence" if called => {
                Some("no fences: order the accesses themselves, by read-modify-writes if need be")
            }
            "SeqCst" => {
                Some("no SeqCst: name the partner, and use AcqRel read-modify-writes where two must see each other")
            }
            "static" if file.text(index + 1) == "mut" => {
                Some("no `static mut`: use an atomic, a lock or a thread-local")
            }
            _ => None,
        }
    };
    tree.below("src/").flat_map(|file| each_token(file, judged)).collect()
}

/// A `transmute` relies on how std lays its types out, and a vector whose length is set before it is written gives out garbage:
/// neither stands anywhere but where a reason was given.
pub(crate) fn memory_is_what_it_was_written_as(tree: &Tree) -> Vec<String> {
    tree.below("src/").flat_map(reinterpreted).collect()
}

fn reinterpreted(file: &Source) -> Vec<String> {
    // A file has a length, too; a vector's is set in unsafe code only.
    let has_unsafe = (0..file.tokens.len()).any(|index| file.text(index) == "unsafe");
    let judged = |file: &Source, index: usize| {
        let word = file.text(index);
        let is_excepted = MAY_REINTERPRET.iter().any(|&(may, path, _)| may == word && path == file.path);
        match word {
            "transmute" | "transmute_copy" if !is_excepted => Some(
                "no transmute: use a cast, a union of ours, or a pointer; the exceptions are in tests/tidy/words.rs",
            ),
            "set_len" if has_unsafe && !is_excepted => {
                Some("write first and set the length after; the places that do are listed in tests/tidy/words.rs")
            }
            _ => None,
        }
    };
    each_token(file, judged)
}

/// Clock, threads, chance and hash maps come from the driver, so `src` may not lift the lint that says so.
pub(crate) fn disallowed_means_disallowed(tree: &Tree) -> Vec<String> {
    let is_excepted = |path: &str| {
        MAY_ALLOW_DISALLOWED.iter().any(|(place, _)| path == *place || place.ends_with('/') && path.starts_with(place))
    };
    let judged = |file: &Source, index: usize| {
        let token = &file.tokens[index];
        let lifts = token.attribute && !token.test && token.text.starts_with("disallowed_");
        lifts.then_some("take it from the driver, so that a simulation can supply it; the exceptions are listed in tests/tidy/words.rs")
    };
    tree.below("src/").filter(|file| !is_excepted(&file.path)).flat_map(|file| each_token(file, judged)).collect()
}

/// What a runtime does is in its builder and nowhere else: a variable with garbage in it, or with another program's meaning,
/// changes nothing.
pub(crate) fn the_environment_is_not_read(tree: &Tree) -> Vec<String> {
    let judged = |file: &Source, index: usize| {
        let reads = |name: &str| file.reads(index, &["env", "::", name]) && !file.tokens[index].test;
        let names = ["var", "var_os", "vars", "vars_os"];
        names.into_iter().any(reads).then_some("make it a setting of a builder: the environment is not read")
    };
    tree.below("src/").flat_map(|file| each_token(file, judged)).collect()
}

/// `base/atomic.rs` chooses between std and loom, so nothing else needs to ask.
pub(crate) fn loom_is_named_in_one_place(tree: &Tree) -> Vec<String> {
    let judged = |file: &Source, index: usize| {
        (file.text(index) == "loom").then_some("`loom` belongs in src/base/atomic.rs alone: use what that gives")
    };
    tree.below("src/")
        .filter(|file| file.path != "src/base/atomic.rs")
        .flat_map(|file| each_token(file, judged))
        .collect()
}

/// What is begun is finished before it is committed, and a test that exists is run.
pub(crate) fn nothing_is_left_undone(tree: &Tree) -> Vec<String> {
    let judged = |file: &Source, index: usize| {
        let is_macro = file.reads(index + 1, &["!", "("]);
        match file.text(index) {
            "todo" | "unimplemented" if is_macro => Some("finish this, or return an error that says so"),
            "dbg" if is_macro => Some("take this out again"),
            "ignore" if file.tokens[index].attribute => Some("run this test or delete it: nobody reads ignored ones"),
            _ => None,
        }
    };
    tree.files.iter().flat_map(|file| each_token(file, judged)).collect()
}

/// A finding for each token of the file about which `judged` has something to say.
fn each_token<'a>(file: &Source, judged: impl Fn(&Source, usize) -> Option<&'a str>) -> Vec<String> {
    let said = (0..file.tokens.len()).filter_map(|index| Some((index, judged(file, index)?)));
    said.map(|(index, what)| file.finding(file.tokens[index].line, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    #[test]
    fn fences_and_their_like_are_caught() {
        judge(
            no_fence_no_seqcst_no_static_mut,
            &[
                ("src/a.rs", "fn f() { fence(Acquire); }", 1),
                ("src/a.rs", "fn f() { std::sync::atomic::compiler_fence(Acquire); }", 1),
                ("src/a.rs", "use Ordering::SeqCst;", 1),
                ("src/a.rs", "static mut X: u8 = 0;", 1),
                ("src/a.rs", "// No fence(Acquire), no SeqCst.\nstatic X: u8 = 0;", 0),
                ("src/a.rs", "const S: &str = \"fence( SeqCst static mut\";", 0),
                ("benches/a.rs", "fn f() { fence(SeqCst); }", 0),
            ],
        );
    }

    #[test]
    fn memory_taken_for_something_else_is_caught() {
        judge(
            memory_is_what_it_was_written_as,
            &[
                ("src/a.rs", "fn f() { unsafe { mem::transmute(x) } }", 1),
                ("src/a.rs", "fn f() { unsafe { std::mem::transmute_copy::<A, B>(&x) } }", 1),
                ("src/a.rs", "fn f() { unsafe { buffer.set_len(9) } }", 1),
                ("src/sched/local.rs", "fn f() { unsafe { mem::transmute(x) } }", 0),
                ("src/sched/local.rs", "fn f() { unsafe { buffer.set_len(9) } }", 1),
                ("src/a.rs", "fn f() { file.set_len(9) } // transmute", 0),
                ("tests/a.rs", "fn f() { unsafe { mem::transmute(x) } }", 0),
            ],
        );
    }

    #[test]
    fn a_lifted_lint_is_caught_outside_the_listed_places() {
        let lifted = "#![allow(clippy::disallowed_methods, reason = \"x\")]";
        judge(
            disallowed_means_disallowed,
            &[
                ("src/task/a.rs", lifted, 1),
                ("src/task/a.rs", "#[expect(clippy::disallowed_types)] fn f() {}", 1),
                ("src/driver/clock.rs", lifted, 0),
                ("src/driver/clock2.rs", lifted, 1),
                ("src/base/sys/linux.rs", lifted, 0),
                ("src/task/a.rs", "#[cfg(test)] #[allow(clippy::disallowed_methods)] mod tests {}", 0),
                ("examples/a.rs", lifted, 0),
            ],
        );
    }

    #[test]
    fn a_look_at_the_environment_is_caught() {
        judge(
            the_environment_is_not_read,
            &[
                ("src/a.rs", "fn f() { std::env::var(\"MAINSPRING_WORKERS\"); }", 1),
                ("src/a.rs", "fn f() { env::vars_os(); env::var_os(x); }", 2),
                ("src/a.rs", "fn f() { env::current_dir(); command.env(a, b); env!(\"X\"); } // env::var", 0),
                ("src/a.rs", "#[cfg(test)] mod tests { fn f() { env::var(x); } }", 0),
                ("tests/a.rs", "fn f() { env::var(x); }", 0),
            ],
        );
    }

    #[test]
    fn loom_is_caught_outside_its_place() {
        judge(
            loom_is_named_in_one_place,
            &[
                ("src/task/a.rs", "#[cfg(loom)] mod x {}", 1),
                ("src/task/a.rs", "#[cfg(test)] mod tests { fn f() { if cfg!(loom) {} } }", 1),
                ("src/base/atomic.rs", "#[cfg(loom)] mod x {}", 0),
                ("src/task/a.rs", "// loom\nfn f() {}", 0),
            ],
        );
    }

    #[test]
    fn unfinished_work_is_caught() {
        judge(
            nothing_is_left_undone,
            &[
                ("src/a.rs", "fn f() { todo!() }", 1),
                ("tests/a.rs", "fn f() { unimplemented!(\"x\") }", 1),
                ("examples/a.rs", "fn f() { dbg!(1); }", 1),
                ("tests/a.rs", "#[test] #[ignore] fn f() {}", 1),
                ("tests/a.rs", "#[test] #[ignore = \"slow\"] fn f() {}", 1),
                ("src/a.rs", "/// ```ignore\nfn f() { ignore(); let todo = 1; }", 0),
            ],
        );
    }
}
