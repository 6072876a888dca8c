//! How a file is opened.

use super::File;
use super::inline;
use super::job::Operation;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::Location;
use std::path::Path;

/// How a file is to be opened: std's options, and whether reads may be answered on the caller's thread.
///
/// # Examples
/// ```
/// use mainspring::fs::OpenOptions;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let path = std::env::temp_dir().join(format!("mainspring-doc-options-{}", std::process::id()));
/// let log = OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_all(b"one line\n").await?;
/// assert_eq!(mainspring::fs::read_to_string(&path).await?, "one line\n");
/// # mainspring::fs::remove_file(&path).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    std: std::fs::OpenOptions,
    /// For reading, and nothing else was ever asked for: then the open itself may be tried on the caller's thread.
    only_read: bool,
    /// Reading was asked for.
    read: bool,
    /// Tries on the caller's thread are allowed.
    inline: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self { std: std::fs::OpenOptions::new(), only_read: true, read: false, inline: true }
    }

    /// Whether the file can be read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self.std.read(read);
        self
    }

    /// Whether the file can be written.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.with(|std| std.write(write))
    }

    /// Whether every write goes to the end of the file, wherever the cursor is.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.with(|std| std.append(append))
    }

    /// Whether the file is emptied.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.with(|std| std.truncate(truncate))
    }

    /// Whether the file is made if it is not there.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.with(|std| std.create(create))
    }

    /// Whether the file must be made, and be an error if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.with(|std| std.create_new(create_new))
    }

    /// The permissions of a file that is made, before the process's mask.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.with(|std| std.mode(mode))
    }

    /// More flags for the system's `open`.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.with(|std| std.custom_flags(flags))
    }

    /// Whether an answer from the system's cache is taken on the caller's thread (the default), or everything goes to the
    /// pool. For measuring, and for files whose pages must be assumed not to be in memory.
    pub fn inline(&mut self, inline: bool) -> &mut Self {
        self.inline = inline;
        self
    }

    /// Anything but reading makes the open itself a matter for the pool.
    fn with(&mut self, change: impl FnOnce(&mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions) -> &mut Self {
        self.only_read = false;
        change(&mut self.std);
        self
    }

    /// Opens the file.
    ///
    /// # Cancellation
    /// **Detached.** If a job opens the file, it is closed again; if it makes the file, it stays.
    ///
    /// # Errors
    /// As [`std::fs::OpenOptions::open`].
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Operation<File> {
        let (options, path, at, inline) = (self.std.clone(), path.as_ref().to_owned(), Location::caller(), self.inline);
        if !(inline && self.read && self.only_read) {
            return Operation::new(at, move || by_the_pool(&options, &path, inline));
        }
        Operation::tried(at, move || match inline::open(&path) {
            Some((file, len)) => Ok(File::of_cached(file, len)),
            None => Err(Box::new(move || by_the_pool(&options, &path, inline))),
        })
    }
}

fn by_the_pool(options: &std::fs::OpenOptions, path: &Path, inline: bool) -> io::Result<File> {
    let file = options.open(path)?;
    let inline = inline && inline::learn(&file);
    Ok(File::of(file, inline))
}
