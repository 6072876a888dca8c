//! Imports point down only.
//!
//! The crate is built in rings, and a module may name only what lies below it: that is what lets a reader stop
//! at any ring and have understood everything he read. The table is the one in the crate's design. `src/lib.rs`
//! stands outside the rings; doc comments and test code may look anywhere.

use crate::source::Source;
use crate::tree::{Tree, inline_modules};

/// Each module, and which others it may name beside itself. The order is the reading order.
const MAY_NAME: [(&str, &str); 20] = [
    ("base", ""),
    ("world", "base"),
    ("task", "base"),
    ("sync", "base task"),
    ("driver", "base task world"),
    ("sched", "base task world driver"),
    ("runtime", "base task world driver sched"),
    ("io", "base world task sync driver sched runtime"),
    ("time", BELOW_DOORS),
    ("net", BELOW_DOORS),
    ("fs", BELOW_DOORS),
    ("thread", BELOW_DOORS),
    ("process", BELOW_DOORS),
    ("signal", BELOW_DOORS),
    ("group", "base world task sync io driver sched runtime time macros"),
    ("macros", "base world task sync io driver sched runtime time group"),
    ("sim", EVERYTHING),
    ("inspect", EVERYTHING),
    ("compat", EVERYTHING),
    ("testing", EVERYTHING),
];

/// What users call stands on the engine and on nothing beside it: one door never opens into another.
const BELOW_DOORS: &str = "base world task sync io driver sched runtime";

/// The tools are built last and may use all that is there.
const EVERYTHING: &str = "base world task sync io driver sched runtime time net fs thread process signal group \
                          macros sim inspect compat testing";

/// Above a `pub use` that lets users find a name beside what it belongs to, although its code stands further up.
/// It is a door sign, not an import: nothing in the lower module may use the name.
const FACE_NOTE: &str = "FACE:";

/// One finding for each path that names a module above, beside, or unknown.
pub(crate) fn imports_point_down(tree: &Tree) -> Vec<String> {
    tree.below("src/").filter(|file| file.path != "src/lib.rs").flat_map(imports_of).collect()
}

fn imports_of(file: &Source) -> Vec<String> {
    let modules = module_path(&file.path);
    let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == modules[0]) else {
        return vec![file.finding(1, "this module has no ring: give it one in tests/tidy/layers.rs and in src/lib.rs")];
    };
    let mut found = Vec::new();
    let is_judged = |index: usize| !file.tokens[index].test && !is_face(file, index);
    for (index, token) in file.tokens.iter().enumerate().filter(|(index, _)| is_judged(*index)) {
        for named in top_level_names(file, index, &modules) {
            if named != modules[0] && !allowed.split(' ').any(|name| name == named) {
                let may = if allowed.is_empty() { "nothing of ours" } else { allowed };
                let what = format!(
                    "`{}` may not name `{named}`, only {may}: move the code, or let `{named}` implement a trait declared here",
                    modules[0]
                );
                found.push(file.finding(token.line, &what));
            }
        }
    }
    found
}

/// Whether the path that begins here is a `pub use` with its note.
fn is_face(file: &Source, index: usize) -> bool {
    let is_export = index >= 2 && file.reads(index - 2, &["pub", "use"]);
    is_export && file.notes(file.tokens[index].line..file.tokens[index].line + 1, FACE_NOTE)
}

/// `src/task/cell.rs` is `task::cell`; `src/task/mod.rs` and `src/task.rs` are `task`.
fn module_path(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').collect()
}

/// The names just below the crate's root that the path beginning at `index` reaches, if a path begins there.
fn top_level_names<'a>(file: &'a Source, index: usize, modules: &[&str]) -> Vec<&'a str> {
    let mut at = index;
    // `pub(in crate::x)` restricts, it imports nothing; the rest of `super::super` was seen with its first word.
    if file.text(index.wrapping_sub(1)) == "in" || file.text(index.wrapping_sub(1)) == "::" {
        return Vec::new();
    }
    if file.reads(index, &["crate", "::"]) {
        at += 2;
    } else if file.reads(index, &["super", "::"]) {
        let depth = modules.len() + inline_modules(file, index).len();
        while file.reads(at, &["super", "::"]) {
            at += 2;
        }
        if (at - index) / 2 < depth {
            return Vec::new();
        }
    } else {
        return Vec::new();
    }
    if file.text(at + 1) == "!" {
        return exported_macro(file, at);
    }
    if file.text(at) == "{" { group(file, at) } else { vec![file.text(at)] }
}

/// `$crate::name!`: exported macros stand at the crate's root, wherever they are written. In the file that defines it a macro
/// may name itself; elsewhere it counts as one of the ring `macros`.
fn exported_macro(file: &Source, at: usize) -> Vec<&str> {
    let name = file.text(at);
    let defines = |index| file.reads(index, &["macro_rules", "!"]) && file.text(index + 2) == name;
    if (0..file.tokens.len()).any(defines) { Vec::new() } else { vec!["macros"] }
}

/// The first words of the branches of `{a::b, c::{d, e}}`.
fn group(file: &Source, open: usize) -> Vec<&str> {
    let (mut names, mut at, end) = (Vec::new(), open + 1, file.closing(open));
    let mut is_first = true;
    while at < end {
        match file.text(at) {
            "{" => at = file.closing(at),
            "," => is_first = true,
            name if is_first => {
                names.push(name);
                is_first = false;
            }
            _ => {}
        }
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    #[test]
    fn an_import_that_points_up_or_sideways_is_caught() {
        judge(
            imports_point_down,
            &[
                ("src/base/a.rs", "use crate::task::X;", 1),
                ("src/base/a.rs", "use crate::{base::x, task::{driver, y}, net};", 2),
                ("src/base/a.rs", "fn f() { crate::driver::f() }", 1),
                ("src/base/a.rs", "macro_rules! m { () => { $crate::net::x() }; }", 1),
                ("src/base/a.rs", "use super::super::task;", 1),
                ("src/base/mod.rs", "use super::task;", 1),
                ("src/base/mod.rs", "mod a { use super::super::task; }", 1),
                ("src/base.rs", "pub(crate) use crate::task::X;", 1),
                ("src/task/a.rs", "use crate::world::X;", 1),
                ("src/io/a.rs", "use crate::net::X;", 1),
                ("src/driver/a.rs", "use crate::sched::X;", 1),
                ("src/sched/a.rs", "use crate::runtime::Handle;", 1),
                ("src/runtime/a.rs", "use crate::time::sleep;", 1),
                ("src/net/a.rs", "use crate::time::sleep;", 1),
                ("src/group/a.rs", "use crate::net::X;", 1),
                ("src/task/a.rs", "use crate::spawn;", 1),
                ("src/task/a.rs", "fn f() { crate::select!() }", 1),
                ("src/task/a.rs", "macro_rules! m { () => { $crate::other!() }; }", 1),
                ("src/task/a.rs", "use crate::*;", 1),
                ("src/extra/a.rs", "", 1),
                ("src/task/a.rs", "pub use crate::runtime::spawn;", 1),
                ("src/task/a.rs", "// FACE: why.\npub(crate) use crate::runtime::spawn;", 1),
                ("src/task/a.rs", "// FACE: why.\nuse crate::runtime::spawn;", 1),
            ],
        );
    }

    #[test]
    fn imports_that_point_down_pass() {
        judge(
            imports_point_down,
            &[
                ("src/base/a.rs", "use crate::base::x; use super::y; pub(in crate::base) fn f() {}", 0),
                ("src/base/a.rs", "pub(crate) fn f() {} /// See [`crate::net`].\nfn g() {}", 0),
                ("src/base/a.rs", "#[cfg(test)] mod tests { use crate::task::X; use super::*; }", 0),
                ("src/base/sys/a.rs", "use super::super::rng;", 0),
                ("src/task/a.rs", "use crate::{base::{a, b}, task::c}; use super::super::base;", 0),
                ("src/task/a.rs", "m! {\n  // FACE: why.\n  #[doc(inline)]\n  pub use crate::runtime::spawn;\n}", 0),
                ("src/sched/a.rs", "use crate::driver::X; use crate::world::Y;", 0),
                ("src/net/tcp/a.rs", "use crate::io::X; use crate::runtime::Y; use crate::net::Z;", 0),
                ("src/task/a.rs", "macro_rules! m { () => { $crate::m!() }; }", 0),
                ("src/group/a.rs", "fn f() { crate::select!() }", 0),
                ("src/sim/a.rs", "use crate::net::X; use crate::inspect::Y;", 0),
                ("src/lib.rs", "pub use crate::task::spawn;", 0),
                ("tests/it/main.rs", "use crate::anything;", 0),
            ],
        );
    }
}
