//! Files whose bytes are in memory, and a file that is written and synced.
//!
//! A file that is in the kernel's cache needs no disk, so all that stands between std and a runtime here is the runtime:
//! a hop to a thread, a copy through a buffer of its own, or neither. `file_read_64k` reads one large file in pieces;
//! `file_read_4k` reads many small ones whole, in the shortest way the crate has, and `file_open_4k` opens each and
//! reads it to the end; `file_read_4k_64` has 64 of them under way. `file_write_64k` writes a file in pieces and syncs it,
//! which nobody can do without waiting for the disk: its spread is that of the disk.
//!
//! Rows whose name ends in `_pool` are ours with every operation forced to go to a thread: what there is on file systems
//! that do not answer from memory, and on other systems than Linux.

use super::common::case::{Case, Field, Figures, Size, Workload, of_second_pass, wall_of_second_pass};
use super::common::disk::{Folder, PIECE};
use super::common::doors::Files;
use super::common::runtime::{Join, Runtime};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    let small = [F::cases::<ReadWhole>(), F::cases::<OpenAndRead>(), F::cases::<ReadWholeMany>()].concat();
    [F::cases::<ReadPieces>(), small, F::cases::<WritePieces>()].concat()
}

/// Bytes of a small file.
const SMALL: usize = 4_096;

/// A cached file in pieces of 64 KiB.
struct ReadPieces;

impl Workload for ReadPieces {
    const NAME: &'static str = "file_read_64k";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_reads_pieces);

    fn suits<R: Runtime>() -> bool {
        R::Files::OPENS
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (_folder, path, pieces) = large(size);
        let runtime = R::start(2);
        of_second_pass(pieces, || {
            let path = path.clone();
            let read = runtime.run(async move {
                let mut file = R::Files::open(&path).await.expect("it is there");
                let mut buf = vec![0; PIECE];
                let mut read = 0;
                loop {
                    match R::Files::read(&mut file, &mut buf, read as u64).await.expect("it can be read") {
                        0 => return read,
                        count => read += count,
                    }
                    black_box(&buf);
                }
            });
            assert_eq!(read, pieces * PIECE, "all of it");
        })
    }
}

/// The file: 1 GiB of it in full.
fn large(size: Size) -> (Folder, PathBuf, usize) {
    let pieces = size.of(16_384);
    let folder = Folder::of_the_run().expect("there is a place for files");
    let path = folder.of_pieces(pieces).expect("there is room for the file");
    (folder, path, pieces)
}

fn std_reads_pieces(size: Size) -> Figures {
    let (_folder, path, pieces) = large(size);
    of_second_pass(pieces, || {
        let mut file = File::open(&path).expect("it is there");
        let mut buf = vec![0; PIECE];
        let mut read = 0;
        loop {
            match file.read(&mut buf).expect("it can be read") {
                0 => break,
                count => read += count,
            }
            black_box(&buf);
        }
        assert_eq!(read, pieces * PIECE, "all of it");
    })
}

/// Small cached files, whole, one after the other.
struct ReadWhole;

impl Workload for ReadWhole {
    const NAME: &'static str = "file_read_4k";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_reads_whole);

    fn suits<R: Runtime>() -> bool {
        R::Files::OFFERED
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (_folder, paths) = small(size);
        let runtime = R::start(2);
        of_second_pass(paths.len(), || {
            let paths = Arc::clone(&paths);
            let count = paths.len();
            let read = runtime.run(async move {
                let mut read = 0;
                for path in &*paths {
                    read += black_box(R::Files::read_whole(path).await.expect("it is there")).len();
                }
                read
            });
            assert_eq!(read, count * SMALL, "all of them");
        })
    }
}

/// The files: 20,000 in full.
fn small(size: Size) -> (Folder, Arc<Vec<PathBuf>>) {
    let folder = Folder::of_the_run().expect("there is a place for files");
    let paths = folder.of_files(size.of(20_000), SMALL).expect("there is room for the files");
    (folder, Arc::new(paths))
}

fn std_reads_whole(size: Size) -> Figures {
    let (_folder, paths) = small(size);
    of_second_pass(paths.len(), || {
        let read: usize = paths.iter().map(|path| black_box(fs::read(path).expect("it is there")).len()).sum();
        assert_eq!(read, paths.len() * SMALL, "all of them");
    })
}

/// The same files, opened and read to the end.
struct OpenAndRead;

impl Workload for OpenAndRead {
    const NAME: &'static str = "file_open_4k";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_opens_and_reads);

    fn suits<R: Runtime>() -> bool {
        R::Files::OPENS
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (_folder, paths) = small(size);
        let runtime = R::start(2);
        of_second_pass(paths.len(), || {
            let paths = Arc::clone(&paths);
            let count = paths.len();
            let read = runtime.run(async move {
                let mut read = 0;
                for path in &*paths {
                    read += black_box(R::Files::open_and_read(path).await.expect("it is there")).len();
                }
                read
            });
            assert_eq!(read, count * SMALL, "all of them");
        })
    }
}

fn std_opens_and_reads(size: Size) -> Figures {
    let (_folder, paths) = small(size);
    of_second_pass(paths.len(), || {
        let read_one = |path: &PathBuf| {
            let mut buf = Vec::new();
            File::open(path).expect("it is there").read_to_end(&mut buf).expect("it can be read");
            black_box(buf).len()
        };
        let read: usize = paths.iter().map(read_one).sum();
        assert_eq!(read, paths.len() * SMALL, "all of them");
    })
}

/// So many small files under way.
const AT_ONCE: usize = 64;

/// Small cached files, many at once.
struct ReadWholeMany;

impl Workload for ReadWholeMany {
    const NAME: &'static str = "file_read_4k_64";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_reads_whole);

    fn suits<R: Runtime>() -> bool {
        R::Files::OFFERED
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (_folder, paths) = small(size);
        let runtime = R::start(2);
        of_second_pass(paths.len(), || {
            let (count, paths) = (paths.len(), Arc::clone(&paths));
            let read = runtime.run(async move {
                let share = |first: usize| {
                    let paths = Arc::clone(&paths);
                    R::spawn_with_leaves(async move {
                        let mut read = 0;
                        for path in paths.iter().skip(first).step_by(AT_ONCE) {
                            read += black_box(R::Files::read_whole(path).await.expect("it is there")).len();
                        }
                        read
                    })
                };
                let readers: Vec<Join<R, usize>> = (0..AT_ONCE).map(share).collect();
                let mut read = 0;
                for reader in readers {
                    read += reader.await.expect("it does not panic");
                }
                read
            });
            assert_eq!(read, count * SMALL, "all of them");
        })
    }
}

/// A file written in pieces of 64 KiB, then synced.
struct WritePieces;

impl Workload for WritePieces {
    const NAME: &'static str = "file_write_64k";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_writes_pieces);

    fn suits<R: Runtime>() -> bool {
        R::Files::OPENS
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let (pieces, folder) = (size.of(4_096), Folder::of_the_run().expect("there is a place for files"));
        let path = folder.at("written");
        let runtime = R::start(2);
        let figures = wall_of_second_pass(pieces, || {
            let path = path.clone();
            runtime.run(async move {
                let mut file = R::Files::create(&path).await.expect("it can be made");
                let mut buf = vec![7; PIECE];
                for piece in 0..pieces {
                    let place = (piece * PIECE) as u64;
                    R::Files::write(&mut file, &mut buf, place).await.expect("there is room");
                }
                R::Files::sync(&mut file).await.expect("the disk works");
            });
        });
        assert_eq!(fs::metadata(&path).expect("it is there").len(), (pieces * PIECE) as u64, "all of it");
        fs::remove_file(&path).expect("it was ours");
        figures
    }
}

fn std_writes_pieces(size: Size) -> Figures {
    let (pieces, folder) = (size.of(4_096), Folder::of_the_run().expect("there is a place for files"));
    let path = folder.at("written");
    let figures = wall_of_second_pass(pieces, || {
        let mut file = File::create(&path).expect("it can be made");
        let buf = vec![7; PIECE];
        (0..pieces).for_each(|_| file.write_all(&buf).expect("there is room"));
        file.sync_all().expect("the disk works");
    });
    fs::remove_file(&path).expect("it was ours");
    figures
}
