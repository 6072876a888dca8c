//! Folders of which it is known whether a look before an open is worth while.
//!
//! Of each no more is kept than a number made of its name, in one word, and a bit: files alone were found there, or something else
//! once. Two folders may have the same place, and the later one gets it; two may have the same number, once in 2^63. Then a look is
//! made that was not needed, or one is left out, whose costs the chapter of `inline` names (I4).

use crate::base::atomic::{AtomicU64, Ordering};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// So many folders are known at a time.
const PLACES: usize = 64;

/// Something else than a file was found there.
const SURPRISE: u64 = 1;

/// The number of a folder; its lowest bit is zero.
#[derive(Clone, Copy)]
pub(super) struct Folder(u64);

impl Folder {
    /// The folder of a file, by the path up to its name.
    pub(super) fn of(file: &Path) -> Self {
        let path = file.as_os_str().as_bytes();
        let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        // The same in every run: it has no key.
        let mut hasher = DefaultHasher::new();
        hasher.write(&path[..end]);
        Self(hasher.finish() & !SURPRISE)
    }

    fn place(self) -> usize {
        (self.0 >> 32) as usize % PLACES
    }
}

/// What is known.
pub(super) struct Folders([AtomicU64; PLACES]);

impl Folders {
    pub(super) fn new() -> Self {
        Self([const { AtomicU64::new(SURPRISE) }; PLACES])
    }

    /// Were files found there, and nothing else?
    pub(super) fn has_files(&self, folder: Folder) -> bool {
        // ORDER: Relaxed, with the stores below: a word guards nothing but itself.
        self.0[folder.place()].load(Ordering::Relaxed) == folder.0
    }

    /// A file was found there by a look.
    pub(super) fn note_file(&self, folder: Folder) {
        let place = &self.0[folder.place()];
        // ORDER: Relaxed, with `note_surprise`: a surprise that is overlooked here and now is met again.
        if place.load(Ordering::Relaxed) != folder.0 | SURPRISE {
            // ORDER: Relaxed, with `has_files`, as said there.
            place.store(folder.0, Ordering::Relaxed);
        }
    }

    /// Something else was found there.
    pub(super) fn note_surprise(&self, folder: Folder) {
        // ORDER: Relaxed, with `has_files` and `note_file`, as said there.
        self.0[folder.place()].store(folder.0 | SURPRISE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surprise_is_remembered_until_another_folder_needs_the_place() {
        let (folders, folder) = (Folders::new(), Folder::of(Path::new("/a/folder/file")));
        assert!(!folders.has_files(folder));
        folders.note_file(folder);
        assert!(folders.has_files(folder) && folders.has_files(Folder::of(Path::new("/a/folder/other"))));
        for elsewhere in ["/a/folder", "/a/folder/file/x", "folder/file", "file"] {
            assert!(!folders.has_files(Folder::of(Path::new(elsewhere))), "{elsewhere}");
        }
        folders.note_surprise(folder);
        folders.note_file(folder);
        assert!(!folders.has_files(folder), "found to have something else, once and for all");
        let names = (0..100_000).map(|n| Folder::of(Path::new(&format!("/{n}/file"))));
        let other = names.into_iter().find(|other| other.place() == folder.place()).expect("there are 64 places");
        folders.note_file(other);
        folders.note_file(folder);
        assert!(folders.has_files(folder), "forgotten");
    }
}
