//! A readiness guard is of a descriptor that is still watched.

pub async fn kept() -> std::io::Result<()> {
    let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    let fd = mainspring::net::AsyncFd::new(near)?;
    let mut guard = fd.readable().await?;
    drop(fd.into_inner()); //~ E0505: cannot move out of `fd`
    guard.clear_ready();
    Ok(())
}
