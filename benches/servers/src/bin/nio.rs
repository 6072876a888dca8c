//! An echo server that closes what has been silent for 30 seconds.

use nio::net::{TcpConnection, TcpListener};
use nio::timeout;
use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    nio::RuntimeBuilder::new().rt()?.block_on(|| async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{:?}", listener.local_addr()?);
        loop {
            let connection = listener.accept().await?;
            drop(nio::spawn_pinned(move || echo(connection)));
        }
    })
}

async fn echo(connection: TcpConnection) -> io::Result<()> {
    let mut stream = connection.connect().await?;
    let mut buffer = [0; 1_024];
    loop {
        match timeout(Duration::from_secs(30), stream.read(&mut buffer)).await.ok_or(io::ErrorKind::TimedOut)?? {
            0 => return Ok(()),
            count => {
                let mut left = &buffer[..count];
                while !left.is_empty() {
                    let written = stream.write(left).await?;
                    left = &left[written..];
                }
            }
        }
    }
}
