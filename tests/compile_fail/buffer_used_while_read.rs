//! A read holds its buffer until it is over.
use mainspring::net::TcpStream;

pub async fn buffer_used_while_read(stream: &TcpStream) {
    let mut buffer = [0; 4];
    let read = stream.read(&mut buffer);
    buffer[0] = 1; //~ E0506: cannot assign to `buffer[_]` because it is borrowed
    drop(read.await);
}
