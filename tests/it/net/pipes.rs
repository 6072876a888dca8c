//! Pipes, with names and without.
//!
//! Cases of the catalogue: MIS-05, NET-01, NET-10, NET-13, RCT-10.

use super::kit::{both, bytes, everywhere, once};
use mainspring::net::unix::pipe::{OpenOptions, Receiver, Sender, pipe};
use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Command;

#[test]
fn net_01_a_pipe_gives_what_it_took_and_waits_for_room_and_for_data() {
    everywhere(|| async {
        let (sender, receiver) = pipe().unwrap();
        let (sent, mut got) = (bytes(3, 1 << 20), vec![0; 1 << 20]);
        let send = async {
            sender.write_all(&sent).await.unwrap();
            drop(sender);
        };
        both(send, receiver.read_exact(&mut got)).await.1.unwrap();
        assert!(sent == got);
        assert_eq!(receiver.read(&mut got).await.unwrap(), 0);
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut got).unwrap(), 0, "the end stays");
    });
}

#[test]
fn net_10_and_net_13_a_pipe_that_nobody_reads_and_one_that_is_full() {
    everywhere(|| async {
        let (sender, receiver) = pipe().unwrap();
        assert_eq!(sender.write(&[]).await.unwrap(), 0);
        assert_eq!(receiver.read(&mut []).await.unwrap(), 0);
        assert_eq!(sender.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).await.unwrap(), 3);
        let (mut one, mut two) = ([0; 1], [0; 4]);
        let count = receiver.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).await.unwrap();
        assert_eq!((count, &one, &two[..2]), (3, b"a", &b"bc"[..]));
        assert_eq!(receiver.try_read(&mut two).unwrap_err().kind(), ErrorKind::WouldBlock);
        while sender.try_write(&[0; 4_096]).is_ok() {}
        assert!(once(sender.writable()).await.is_none());
        assert!(once(sender.write_all(b"x")).await.is_none());
        let writer = mainspring::spawn(async move { sender.write_all(&[0; 1 << 20]).await });
        receiver.read_exact(&mut [0; 4_096]).await.unwrap();
        drop(receiver);
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe, "who waits for room hears of it");
    });
}

#[test]
fn a_pipe_with_a_name_is_opened_without_waiting_for_the_other_end() {
    everywhere(|| async {
        let path = std::env::temp_dir().join(format!("mainspring-it-fifo-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let nobody = OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::ENXIO));
        let receiver = OpenOptions::new().open_receiver(&path).unwrap();
        assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 0, "nobody writes yet");
        let sender = OpenOptions::new().open_sender(&path).unwrap();
        assert!(once(receiver.read(&mut [0; 4])).await.is_none());
        sender.write_all(b"x").await.unwrap();
        assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 1);
        drop(sender);
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 4]).unwrap(), 0, "the writer has gone");
        let sender = OpenOptions::new().open_sender(&path).unwrap();
        assert_eq!(receiver.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock, "and another has come");
        assert!(once(receiver.readable()).await.is_none(), "the old end is no readiness");
        sender.write_all(b"x").await.unwrap();
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 4]).unwrap(), 1);
        drop((sender, receiver));
        let receiver = OpenOptions::new().read_write(true).open_receiver(&path).unwrap();
        for _ in 0..3 {
            OpenOptions::new().open_sender(&path).unwrap().write_all(b"y").await.unwrap();
            assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 1);
            assert!(once(receiver.read(&mut [0; 4])).await.is_none(), "it holds the other end itself");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(OpenOptions::new().open_receiver(&path).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(OpenOptions::new().open_receiver("Cargo.toml").unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn rct_10_and_mis_05_descriptors_come_and_go_and_what_is_no_pipe_is_refused() {
    everywhere(|| async {
        let (mut sender, mut receiver) = pipe().unwrap();
        for _ in 0..100 {
            assert!(once(receiver.readable()).await.is_none());
            receiver = Receiver::from_owned_fd(receiver.into_blocking_fd().unwrap()).unwrap();
            sender = Sender::from_file(File::from(sender.into_nonblocking_fd().unwrap())).unwrap();
            sender.write_all(b"x").await.unwrap();
            assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 1);
        }
        let (mut blocking, mut other) =
            (File::from(receiver.into_blocking_fd().unwrap()), File::from(sender.into_blocking_fd().unwrap()));
        other.write_all(b"std").unwrap();
        assert_eq!(blocking.read(&mut [0; 8]).unwrap(), 3);
        let file = || OwnedFd::from(File::open("Cargo.toml").unwrap());
        let socket = || OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        for fd in [file(), socket()] {
            assert_eq!(Receiver::from_owned_fd(fd).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        for fd in [file(), socket()] {
            assert_eq!(Sender::from_owned_fd(fd).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}
