//! A descriptor that is being sent stays open until it is.

pub async fn closed(stream: mainspring::net::UnixStream, file: std::fs::File) {
    use std::os::fd::AsFd;
    let fds = [file.as_fd()];
    let sending = stream.send_fds(b"x", &fds);
    drop(file); //~ E0505: cannot move out of `file`
    let _ = sending.await;
}
