//! The notes that must stand beside dangerous lines: `SAFETY` at unsafe code, `ORDER` at atomic accesses, and at an async function what it
//! loses when it is dropped.
//!
//! Where a note may stand: on a line of the statement itself, or on the comment and attribute lines directly
//! above it. For `ORDER` there is one more place: above an access whose statement ends on the line just before,
//! so that one note can cover a run of accesses without a blank line between.

use crate::source::Source;
use crate::tree::Tree;

/// Methods of the standard atomics that take an ordering; `fetch_*` comes on top.
const ACCESSES: [&str; 5] = ["load", "store", "swap", "compare_exchange", "compare_exchange_weak"];

/// The orderings, as they look when imported.
const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Each `unsafe` says what makes it sound.
pub(crate) fn unsafe_code_is_explained(tree: &Tree) -> Vec<String> {
    tree.files.iter().flat_map(unexplained_unsafe).collect()
}

fn unexplained_unsafe(file: &Source) -> Vec<String> {
    let words = file.tokens.iter().enumerate().filter(|(_, token)| token.text == "unsafe");
    let mut found = Vec::new();
    for (index, token) in words {
        let next = next_word(file, index);
        let (note, what) = match file.text(next) {
            // A type such as `unsafe fn(*const ())` does nothing by itself; a trait has explained its methods.
            "fn" if file.text(next + 1) == "(" || is_in_trait_impl(file, index) => continue,
            "fn" | "trait" => ("# Safety", "give this a `# Safety` section: what must the caller hold to?"),
            "impl" => ("SAFETY:", "write `// SAFETY:` above this: what makes the claim true?"),
            _ => ("SAFETY:", "write `// SAFETY:` above this: which invariant permits it?"),
        };
        let first = file.statement(index).0;
        if !file.notes(first..token.line + 1, note) {
            found.push(file.finding(token.line, what));
        }
    }
    found
}

/// Whether the block around a token is an `impl Trait for Type`.
fn is_in_trait_impl(file: &Source, index: usize) -> bool {
    let Some(open) = (0..index).rev().find(|&open| file.text(open) == "{" && file.closing(open) > index) else {
        return false;
    };
    let header = (0..open).rev().take_while(|&at| !matches!(file.text(at), "{" | "}" | ";"));
    let words: Vec<&str> = header.map(|at| file.text(at)).collect();
    words.contains(&"impl") && words.contains(&"for")
}

/// How many `unsafe` blocks `src` has outside test code, and in how many files.
pub(crate) fn unsafe_blocks(tree: &Tree) -> (usize, usize) {
    let in_file = |file: &Source| {
        let opens = |index: usize| file.text(index) == "unsafe" && file.text(index + 1) == "{";
        (0..file.tokens.len()).filter(|&index| opens(index) && !file.tokens[index].test).count()
    };
    let counts = tree.below("src/").map(in_file).filter(|&count| count > 0);
    counts.fold((0, 0), |(blocks, files), count| (blocks + count, files + 1))
}

/// Skips `async` and `extern "C"` between `unsafe` and what it qualifies.
fn next_word(file: &Source, index: usize) -> usize {
    let mut next = index + 1;
    while file.text(next) == "async" || file.text(next) == "extern" || file.text(next).starts_with('"') {
        next += 1;
    }
    next
}

/// Each atomic access outside test code names its partner.
pub(crate) fn atomic_accesses_are_explained(tree: &Tree) -> Vec<String> {
    tree.below("src/").chain(tree.below("examples/")).flat_map(unexplained_accesses).collect()
}

fn unexplained_accesses(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    // Where the run of accesses under one note has got to.
    let mut covered_to = 0;
    for index in (0..file.tokens.len()).filter(|&index| is_access(file, index)) {
        let line = file.tokens[index].line;
        let (first, last) = file.statement(index);
        let continues_the_run = covered_to > 0 && first <= covered_to + 1;
        if continues_the_run || file.notes(first..last + 1, "ORDER:") {
            covered_to = last;
        } else {
            covered_to = 0;
            found.push(
                file.finding(line, "write `// ORDER:` above this: why this ordering, and which access is its partner?"),
            );
        }
    }
    found
}

/// Whether a call of an atomic's method has its name at `index`, outside test code.
fn is_access(file: &Source, index: usize) -> bool {
    let name = file.text(index);
    let is_named = ACCESSES.contains(&name) || name.starts_with("fetch_");
    let is_called = matches!(file.text(index.wrapping_sub(1)), "." | "::") && file.text(index + 1) == "(";
    if !is_named || !is_called || file.tokens[index].test {
        return false;
    }
    let mut arguments = index + 2..file.closing(index + 1);
    arguments.any(|at| ORDERINGS.contains(&file.text(at)) || file.reads(at, &["Ordering", "::"]))
}

/// Each public async function says what is lost when its future is dropped.
///
/// One that names its future's type is not looked at: by its text it cannot be told from a function that gives something else.
pub(crate) fn async_functions_have_a_grade(tree: &Tree) -> Vec<String> {
    tree.below("src/").flat_map(without_a_grade).collect()
}

fn without_a_grade(file: &Source) -> Vec<String> {
    let what = "give this a `# Cancellation` section: **Strict**, **Lossy** or **Detached**?";
    let functions = (0..file.tokens.len()).filter(|&index| is_public_async(file, index));
    let lines = functions.map(|index| file.tokens[index].line);
    lines.filter(|&line| !file.notes(line..line + 1, "# Cancellation")).map(|line| file.finding(line, what)).collect()
}

/// Whether the `fn` of a public function stands at `index` that is `async` or gives an `impl Future`.
fn is_public_async(file: &Source, index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map_or("", |at| file.text(at));
    let is_async = before(1) == "async";
    let is_public = before(if is_async { 2 } else { 1 }) == "pub";
    if file.text(index) != "fn" || !is_public || file.tokens[index].test {
        return false;
    }
    let header = (index..file.tokens.len()).take_while(|&at| !matches!(file.text(at), "{" | ";"));
    is_async || header.skip(1).any(|at| file.reads(at, &["impl", "Future"]) && file.text(at - 1).ends_with('>'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    const A: &str = "src/a.rs";

    #[test]
    fn unsafe_code_without_its_note_is_caught() {
        judge(
            unsafe_code_is_explained,
            &[
                (A, "fn f() { unsafe { g() } }", 1),
                (A, "// SAFETY: far away.\n\nfn f() {\n  unsafe { g() }\n}", 1),
                (A, "fn f() {\n  // SAFETY: the first only.\n  unsafe { g() };\n  unsafe { g() };\n}", 1),
                (A, "unsafe impl Send for X {}", 1),
                (A, "/// Docs.\npub unsafe fn f() {}", 1),
                (A, "/// Docs.\nunsafe trait T {}", 1),
                (A, "trait T {\n  unsafe fn f();\n}", 1),
                (A, "impl X {\n  unsafe fn f() {}\n}", 1),
                (A, "/// Docs.\nunsafe extern \"C\" fn f() {}", 1),
                (A, "unsafe extern \"C\" { fn f(); }", 1),
                ("tests/a.rs", "fn f() { unsafe { g() } }", 1),
            ],
        );
    }

    #[test]
    fn async_functions_without_a_grade_are_caught_and_no_others() {
        judge(
            async_functions_have_a_grade,
            &[
                (A, "/// Docs.\npub async fn f() {}", 1),
                (A, "/// Docs.\n#[track_caller]\npub fn f<F: Fn(u8)>(f: F)\n  -> impl Future<Output = ()> {}", 1),
                (A, "/// # Cancellation\n/// **Strict.**\npub async fn f() {}\n\n/// Docs.\npub async fn g() {}", 1),
                (
                    A,
                    "/// # Cancellation\n/// **Strict.**\n#[track_caller]\npub fn f() -> impl Future<Output = ()> {}",
                    0,
                ),
                (A, "pub(crate) async fn f() {}\nasync fn g() {}\nfn h() -> impl Future {}", 0),
                (A, "pub fn f(future: impl Future) -> u8 { async fn g() {} }", 0),
                (A, "#[cfg(test)]\nmod tests { pub async fn f() {} }", 0),
                ("tests/a.rs", "pub async fn f() {}", 0),
            ],
        );
    }

    #[test]
    fn unsafe_code_with_its_note_passes() {
        judge(
            unsafe_code_is_explained,
            &[
                (A, "fn f() {\n  // SAFETY: by I2.\n  unsafe { g() };\n}", 0),
                (A, "fn f() {\n  // SAFETY: by I2,\n  // and I3.\n  let x =\n    unsafe { g() };\n}", 0),
                (A, "fn f() {\n  g(1, {\n    // SAFETY: by I2.\n    unsafe { g() }\n  });\n}", 0),
                (A, "fn f() {\n  let x = g(\n    // SAFETY: by I2.\n    unsafe { h() },\n  );\n}", 0),
                (A, "// SAFETY: nothing in it is shared.\n#[cfg(unix)]\nunsafe impl Send for X {}", 0),
                (A, "/// # Safety\n/// Hold the lock.\n#[inline]\npub unsafe fn f() {}", 0),
                (A, "fn a() {}\nimpl<X> T for Y<X>\nwhere\n  X: Z,\n{\n  fn g() {}\n  unsafe fn f() {}\n}", 0),
                (A, "struct V { call: unsafe fn(*const ()), other: unsafe extern \"C\" fn() }", 0),
                (A, "#![allow(unsafe_code)] // unsafe { }\nconst S: &str = \"unsafe { }\";", 0),
            ],
        );
    }

    #[test]
    fn unsafe_blocks_are_counted_and_nothing_else_is() {
        let tree = Tree::of(&[
            (A, "fn f() { unsafe { g() }; unsafe { h() } } unsafe fn h() {} unsafe impl Send for X {} // unsafe {"),
            ("src/b.rs", "fn f() { unsafe { g() } } #[cfg(test)] mod tests { fn f() { unsafe { g() } } }"),
            ("src/c.rs", "fn f() {}"),
            ("tests/d.rs", "fn f() { unsafe { g() } }"),
        ]);
        assert_eq!(unsafe_blocks(&tree), (3, 2));
    }

    #[test]
    fn an_atomic_access_without_its_note_is_caught() {
        judge(
            atomic_accesses_are_explained,
            &[
                (A, "fn f() { x.load(Ordering::Acquire); }", 1),
                (A, "fn f() { x.store(1, Relaxed); }", 1),
                (
                    A,
                    "fn f() {\n  x\n    .compare_exchange(\n      a,\n      b,\n      AcqRel,\n      Acquire,\n    );\n}",
                    1,
                ),
                (A, "fn f() { AtomicU64::fetch_or(&x, 1, Release); }", 1),
                (A, "fn f() {\n  // ORDER: far away.\n\n  x.load(Acquire);\n}", 1),
                (A, "fn f() {\n  // ORDER: the first only.\n  x.load(Acquire);\n\n  y.load(Acquire);\n}", 1),
                (A, "fn f() {\n  // ORDER: the first only.\n  x.load(Acquire);\n  g();\n  y.load(Acquire);\n}", 1),
                (A, "fn f() {\n  x.load(Acquire);\n  y.load(Acquire); // ORDER: the second only.\n}", 1),
                ("examples/a.rs", "fn f() { x.swap(true, Ordering::AcqRel); }", 1),
            ],
        );
    }

    #[test]
    fn an_atomic_access_with_its_note_passes() {
        judge(
            atomic_accesses_are_explained,
            &[
                (A, "fn f() {\n  // ORDER: Acquire, pairs with g.\n  x.load(Acquire);\n}", 0),
                (A, "fn f() {\n  x.load(Acquire); // ORDER: Acquire, pairs with g.\n}", 0),
                (A, "fn f() {\n  // ORDER: both.\n  x.load(Acquire);\n  y.load(Acquire);\n}", 0),
                (A, "fn f() {\n  // ORDER: both.\n  if x.load(Acquire) {\n    y.load(Acquire);\n  }\n}", 0),
                (
                    A,
                    "fn f() {\n  // ORDER: AcqRel.\n  let done = x\n    .y\n    .fetch_update(AcqRel, Acquire, |n| {\n      g(n)\n    });\n}",
                    0,
                ),
                (
                    A,
                    "fn f() -> X {\n  // ORDER: Relaxed, counters.\n  X {\n    a: a.load(Relaxed),\n    b: b.load(Relaxed),\n  }\n}",
                    0,
                ),
                (
                    A,
                    "fn f() {\n  match x {\n    // ORDER: Relaxed.\n    1 => a.load(Relaxed),\n    // ORDER: Relaxed.\n    _ => b.load(Relaxed),\n  }\n}",
                    0,
                ),
                (A, "fn f() { v.swap(1, 2); file.load(path); m.store(a.cmp(b)); }", 0),
                (A, "#[cfg(test)] mod tests { fn f() { x.load(Acquire); } }", 0),
                (A, "// x.load(Acquire)\n", 0),
                ("tests/a.rs", "fn f() { x.load(Acquire); }", 0),
            ],
        );
    }
}
