//! Owned halves take the stream.
use mainspring::net::TcpStream;

pub fn stream_used_after_split(stream: TcpStream) {
    drop(stream.into_split());
    drop(stream.local_addr()); //~ E0382: borrow of moved value: `stream`
}
