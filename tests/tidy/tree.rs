//! All Rust files of the crate, and which file declares which as a module.
//!
//! The checks take a [`Tree`], never the disk, so that each can be shown a tree made up of a few snippets and
//! proved to bark.

use crate::source::Source;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The folders that hold Rust code.
const FOLDERS: [&str; 4] = ["src", "examples", "benches", "tests"];

/// The crate as the checks see it.
pub(crate) struct Tree {
    /// Every `.rs` file in [`FOLDERS`], by path.
    pub(crate) files: Vec<Source>,
    /// What lies at the top level, folders included.
    pub(crate) top: Vec<String>,
}

/// A `mod name;` line, and where its file may be.
struct Declared {
    /// Paths below the crate's root, one of which must exist.
    candidates: Vec<String>,
    /// It is declared under `#[cfg(test)]`.
    test: bool,
}

impl Tree {
    /// Reads the crate at `root`. Folders that do not exist are empty.
    pub(crate) fn read(root: &Path) -> Self {
        let mut found = Vec::new();
        for folder in FOLDERS {
            collect(root, folder, &mut found);
        }
        let mut tree = Self::of(&found);
        tree.top = names(root);
        tree
    }

    /// A tree of these paths and texts.
    pub(crate) fn of<T: AsRef<str>>(found: &[(T, T)]) -> Self {
        let files = found.iter().map(|(path, text)| Source::new(path.as_ref(), text.as_ref())).collect();
        let mut tree = Self { files, top: Vec::new() };
        tree.mark_test_files();
        tree
    }

    /// The files below a folder.
    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(move |file| file.path.starts_with(folder))
    }

    /// The paths that cargo's targets reach by `mod` lines.
    pub(crate) fn reachable(&self) -> BTreeSet<&str> {
        let mut reached: BTreeSet<&str> =
            self.files.iter().filter(|file| is_root(&file.path)).map(|file| file.path.as_str()).collect();
        let mut todo: Vec<&str> = reached.iter().copied().collect();
        while let Some(path) = todo.pop() {
            let Some(file) = self.files.iter().find(|file| file.path == path) else { continue };
            let declared: Vec<String> = modules(file).into_iter().flat_map(|module| module.candidates).collect();
            let children = self.files.iter().map(|file| file.path.as_str()).filter(|path| contains(&declared, path));
            todo.extend(children.filter(|path| reached.insert(path)));
        }
        reached
    }

    /// A file declared under `#[cfg(test)]`, or by such a file, is test code from its first line.
    fn mark_test_files(&mut self) {
        loop {
            let declared: Vec<Declared> = self.files.iter().flat_map(modules).filter(|module| module.test).collect();
            let paths: Vec<String> = declared.into_iter().flat_map(|module| module.candidates).collect();
            let is_new = |file: &&mut Source| file.tokens.iter().any(|token| !token.test);
            let fresh = self.files.iter_mut().filter(|file| contains(&paths, &file.path)).filter(is_new);
            if fresh.map(|file| file.mark_test(0..file.tokens.len())).count() == 0 {
                return;
            }
        }
    }
}

fn contains(paths: &[String], path: &str) -> bool {
    paths.iter().any(|candidate| candidate == path)
}

/// Whether cargo makes a target of this file by itself.
pub(crate) fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["src", "lib.rs" | "main.rs"] => true,
        ["src", ..] => false,
        [_, _] | [_, _, "main.rs"] => true,
        // A package of its own inside the benches: what the main one shall not have to build.
        ["benches", _, "src", "main.rs"] | ["benches", _, "src", "bin", _] => true,
        _ => false,
    }
}

/// The `mod name;` lines of a file.
fn modules(file: &Source) -> Vec<Declared> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (index, token) in file.tokens.iter().enumerate() {
        if token.text != "mod" || token.attribute || file.text(index + 2) != ";" {
            continue;
        }
        let mut home = vec![home_of(&file.path)];
        home.extend(inline_modules(file, index));
        let (home, name) = (home.join("/"), file.text(index + 1));
        let mut candidates = vec![format!("{home}/{name}.rs"), format!("{home}/{name}/mod.rs")];
        candidates.extend(named_paths(file, index).into_iter().map(|path| format!("{folder}/{path}")));
        found.push(Declared { candidates, test: token.test });
    }
    found
}

/// The folder in which a file's own modules lie.
fn home_of(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    if is_root(path) || matches!(stem, "mod") { folder.to_owned() } else { format!("{folder}/{stem}") }
}

/// The names of the `mod name { .. }` blocks around a token, outermost first.
pub(crate) fn inline_modules(file: &Source, index: usize) -> Vec<String> {
    let mut around = Vec::new();
    for start in 0..index {
        let opens = file.text(start) == "mod" && file.text(start + 2) == "{";
        if opens && file.closing(start + 2) > index {
            around.push(file.text(start + 1).to_owned());
        }
    }
    around
}

/// What the attributes above a `mod` line give as `path = "..."`; more than one where a `cfg_attr` chooses.
fn named_paths(file: &Source, index: usize) -> Vec<String> {
    let mut first = index;
    while first > 0 && (file.tokens[first - 1].attribute || matches!(file.text(first - 1), "pub" | "(" | "crate" | ")"))
    {
        first -= 1;
    }
    let given = (first..index).filter(|&at| file.reads(at, &["path", "="]));
    given.map(|at| file.text(at + 2).trim_matches('"').to_owned()).collect()
}

fn collect(root: &Path, folder: &str, found: &mut Vec<(String, String)>) {
    for name in names(&root.join(folder)) {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            collect(root, &path, found);
        } else if path.ends_with(".rs") {
            // A file may be renamed away between the listing and the reading: then it is not there.
            found.extend(fs::read_to_string(root.join(&path)).ok().map(|text| (path, text)));
        }
    }
}

/// The names in a folder, sorted; none if there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_rust_looks_for_them() {
        let tree = Tree::of(&[
            ("src/lib.rs", "mod a; above! { pub mod b; } mod inline { mod c; } #[cfg(test)] mod t;"),
            ("src/a.rs", "mod d;"),
            ("src/a/d.rs", ""),
            ("src/b/mod.rs", "#[cfg_attr(unix, path = \"unix.rs\")] #[cfg_attr(not(unix), path = \"no.rs\")] mod os;"),
            ("src/b/unix.rs", ""),
            ("src/b/no.rs", ""),
            ("src/inline/c.rs", ""),
            ("src/t.rs", "mod deep;"),
            ("src/t/deep.rs", "fn f() {}"),
            ("src/lost.rs", ""),
            ("tests/it/main.rs", "mod one;"),
            ("tests/it/one.rs", ""),
            ("tests/it/two.rs", ""),
        ]);
        let reached = tree.reachable();
        let lost: Vec<_> =
            tree.files.iter().map(|file| file.path.as_str()).filter(|path| !reached.contains(path)).collect();
        assert_eq!(lost, ["src/lost.rs", "tests/it/two.rs"]);
        let deep = tree.files.iter().find(|file| file.path == "src/t/deep.rs").expect("it was given");
        assert!(deep.tokens.iter().all(|token| token.test), "a module of a test module is test code");
    }
}
