//! The server against a client that asks for what it should get, and for what it should not.

use crate::Server;
use mainspring::fs;
use mainspring::net::{TcpListener, TcpStream};
use std::io;
use std::net::{Shutdown, SocketAddr};

/// Sends this, and returns all that comes until the server closes.
async fn ask(address: SocketAddr, requests: &str) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(requests.as_bytes()).await?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn get(address: SocketAddr, target: &str, headers: &str) -> io::Result<String> {
    ask(address, &format!("GET {target} HTTP/1.1\r\nHost: here\r\n{headers}\r\n")).await
}

pub(crate) async fn demo() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("mainspring-serve-files-{}", std::process::id()));
    let root = folder.join("public");
    fs::create_dir_all(root.join("sub/with index")).await?;
    let text: String = (0..40_000).map(|number| format!("line {number}\n")).collect();
    fs::write(root.join("long.txt"), text.clone()).await?;
    fs::write(root.join("empty"), "").await?;
    fs::write(root.join("sub/with index/index.html"), "<p>index").await?;
    fs::write(folder.join("secret"), "secret").await?;
    fs::symlink(folder.join("secret"), root.join("way-out")).await?;

    let server = Server::new(&root, false).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = mainspring::spawn(server.clone().serve(listener));

    let whole = get(address, "/long.txt", "").await?;
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with(&format!("\r\n\r\n{text}")));
    let head = ask(address, "HEAD /long.txt HTTP/1.1\r\n\r\n").await?;
    assert!(head.contains(&format!("Content-Length: {}\r\n", text.len())) && head.ends_with("\r\n\r\n"), "{head}");
    let none = get(address, "/empty", "").await?;
    assert!(none.contains("200 OK") && none.ends_with("\r\n\r\n"), "{none}");
    let length = text.len();
    for (range, part) in
        [("0-3", 0..4), ("5-", 5..length), ("-10", length - 10..length), ("70000-900000000", 70_000..length)]
    {
        let answer = get(address, "/long.txt", &format!("Range: bytes={range}\r\n")).await?;
        let said = format!("206 Partial Content\r\nContent-Range: bytes {}-{}/{length}\r\n", part.start, part.end - 1);
        assert!(answer.contains(&said) && answer.ends_with(&format!("\r\n\r\n{}", &text[part])), "{range}");
    }
    let beyond = get(address, "/long.txt", "Range: bytes=900000000-\r\n").await?;
    assert!(beyond.contains("416 Range") && beyond.contains(&format!("bytes */{length}")), "{beyond}");
    assert!(get(address, "/long.txt", "Range: bytes=9-2\r\n").await?.contains("200 OK"), "nonsense is ignored");
    must_not_get(address).await?;

    server.stop.cancel();
    serving.await??;
    assert!(TcpStream::connect(address).await.is_err(), "it does not listen any more");
    let listing = crate::listing(&root).await?;
    assert!(listing.contains("<a href=\"./sub/\">sub/</a>"), "{listing}");
    fs::remove_dir_all(&folder).await?;
    println!("served a folder: parts, wholes, and nothing from outside");
    Ok(())
}

/// Paths that lead out of the folder or nowhere, methods and heads that are none, and what comes after the end.
async fn must_not_get(address: SocketAddr) -> io::Result<()> {
    assert!(get(address, "/sub/with%20index/", "").await?.ends_with("<p>index"));
    assert!(get(address, "/sub/", "").await?.contains("403 Forbidden"));

    let refused = [
        ("/way-out", "404"),
        ("/nothing", "404"),
        ("/../secret", "400"),
        ("/%2e%2e/secret", "400"),
        ("//etc/passwd", "400"),
    ];
    for (target, status) in
        refused.into_iter().chain([("/sub/../../secret", "400"), ("/a%00b", "400"), ("/%zz", "400")])
    {
        let answer = get(address, target, "").await?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && !answer.ends_with("secret"),
            "{target}: {answer}"
        );
    }
    assert!(ask(address, "POST / HTTP/1.1\r\n\r\n").await?.contains("405 Method"));
    assert!(ask(address, "nonsense\r\n\r\n").await?.contains("400 Bad"));
    assert!(ask(address, &"x".repeat(8_192)).await?.contains("431"), "a head without end");
    // Two requests at once on one connection, the second of which ends it.
    let two = ask(
        address,
        "GET /empty HTTP/1.1\r\n\r\nGET /empty HTTP/1.1\r\nConnection: close\r\n\r\nGET /empty HTTP/1.1\r\n\r\n",
    )
    .await?;
    assert_eq!(two.matches("200 OK").count(), 2, "{two}");
    Ok(())
}
