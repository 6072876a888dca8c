//! FSX-03: a full disk says so, at every write, and never pretends.

use super::kit::{Folder, everywhere, fresh};
use mainspring::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

/// A file system of 64 KiB in memory.
struct Small {
    folder: Folder,
}

impl Small {
    /// None, with a word, if this process may not mount.
    fn mount() -> Option<Self> {
        let folder = Folder::new();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            refused => {
                eprintln!("skipped: no file system of 64 KiB can be mounted here: {refused:?}");
                None
            }
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.at(name)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        assert!(unmounted.unwrap().success() || std::thread::panicking());
    }
}

#[test]
fn fsx_03_a_full_device_is_an_error_every_time() {
    everywhere(|inline| async move {
        let file = OpenOptions::new().write(true).inline(inline).open("/dev/full").await.unwrap();
        for _ in 0..5 {
            assert_eq!(file.write(b"x").await.unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(file.write_all(&[0; 300_000]).await.unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(file.write_at(b"x", 0).await.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        assert_eq!(fs::write("/dev/full", "x").await.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

#[test]
fn fsx_03_a_disk_of_64_kib_takes_64_kib_and_no_more() {
    let Some(small) = Small::mount() else { return };
    everywhere(|inline| {
        let path = small.at("filling");
        async move {
            let file = fresh(&path, inline).await;
            let error = file.write_all(&[7; 100_000]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            for _ in 0..3 {
                assert_eq!(file.write(b"more").await.unwrap_err().kind(), ErrorKind::StorageFull, "again");
            }
            file.sync_all().await.unwrap(); // each error had its hearer: there is none left to tell of
            let len = file.metadata().await.unwrap().len();
            assert_eq!((len, file.stream_position().await.unwrap()), (65_536, 65_536));
            assert!(fs::read(&path).await.unwrap() == [7; 65_536], "what was taken is there");
            file.set_len(0).await.unwrap();
            file.write_at(b"room again", 0).await.unwrap();
            fs::remove_file(&path).await.unwrap();
        }
    });
}
