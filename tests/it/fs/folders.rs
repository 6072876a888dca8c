//! Folders, links, names and permissions.

use super::kit::{Folder, everywhere};
use mainspring::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_folder_of_a_thousand_is_listed_whole_with_the_kind_of_each() {
    everywhere(|_| async move {
        let folder = Folder::new();
        for n in 0..1_000 {
            match n % 3 {
                0 => drop(folder.with(&n.to_string(), "x")),
                1 => std::fs::create_dir(folder.at(&n.to_string())).unwrap(),
                _ => std::os::unix::fs::symlink("nowhere", folder.at(&n.to_string())).unwrap(),
            }
        }
        let mut listing = fs::read_dir(folder.path()).await.unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = listing.next_entry().await.unwrap() {
            let n: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
            assert_eq!(entry.path(), folder.at(&n.to_string()));
            let kind = entry.file_type().unwrap();
            let expected = [kind.is_file(), kind.is_dir(), kind.is_symlink()].iter().position(|&is| is);
            assert_eq!(expected, Some(n as usize % 3));
            if n < 10 {
                assert_eq!(entry.metadata().await.unwrap().file_type(), kind);
            }
            seen.push(n);
        }
        assert!(listing.next_entry().await.unwrap().is_none(), "and it stays at its end");
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    });
}

#[test]
fn folders_of_one_batch_exactly_and_of_none_end_as_well() {
    everywhere(|_| async move {
        for len in [0, 1, 63, 64, 65, 128] {
            let folder = Folder::new();
            (0..len).for_each(|n| drop(folder.with(&n.to_string(), "")));
            let mut listing = fs::read_dir(folder.path()).await.unwrap();
            let mut count = 0;
            while listing.next_entry().await.unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, len);
        }
    });
}

#[test]
fn names_links_and_permissions_are_those_that_std_sees() {
    everywhere(|_| async move {
        let folder = Folder::new();
        let at = |name: &str| folder.at(name);
        fs::create_dir_all(at("a/b/c")).await.unwrap();
        fs::write(at("a/text"), "some text").await.unwrap();
        assert_eq!(fs::copy(at("a/text"), at("a/b/copy")).await.unwrap(), 9);
        fs::rename(at("a/b/copy"), at("a/b/c/moved")).await.unwrap();
        assert_eq!(std::fs::read(at("a/b/c/moved")).unwrap(), b"some text");
        fs::hard_link(at("a/text"), at("second")).await.unwrap();
        fs::symlink("a/text", at("link")).await.unwrap();
        assert_eq!(fs::read_link(at("link")).await.unwrap().to_str(), Some("a/text"));
        assert_eq!(fs::read_to_string(at("link")).await.unwrap(), "some text");
        assert!(fs::symlink_metadata(at("link")).await.unwrap().is_symlink());
        assert!(fs::metadata(at("link")).await.unwrap().is_file());
        let whole = std::fs::canonicalize(at("a/text")).unwrap();
        assert_eq!(fs::canonicalize(at("a/../link")).await.unwrap(), whole);
        fs::set_permissions(at("second"), PermissionsExt::from_mode(0o640)).await.unwrap();
        assert_eq!(std::fs::metadata(at("a/text")).unwrap().permissions().mode() & 0o777, 0o640);
        let file = fs::File::open(at("a/text")).await.unwrap();
        file.set_permissions(PermissionsExt::from_mode(0o600)).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(at("second")).await.unwrap();
        assert!(!fs::try_exists(at("second")).await.unwrap());
        fs::remove_dir(at("a/b")).await.unwrap_err();
        fs::remove_dir_all(at("a")).await.unwrap();
        assert!(!at("a").exists() && fs::try_exists(at("link")).await.is_ok_and(|is| !is));
    });
}

#[test]
fn a_batch_gives_its_error_and_its_panic_to_who_waits() {
    for (_, runtime) in crate::runtimes() {
        let error = runtime.block_on(fs::batch(|| std::fs::read("/nowhere"))).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let task = runtime.spawn(async { fs::batch::<()>(|| crate::panic_quietly("in the batch")).await });
        let payload = runtime.block_on(task).unwrap_err().into_panic();
        assert_eq!(crate::message_of(payload), "in the batch");
    }
}
