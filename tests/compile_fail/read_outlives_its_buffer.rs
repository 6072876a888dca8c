//! So it cannot be given away without it.
use mainspring::net::TcpStream;

pub fn read_outlives_its_buffer(stream: &TcpStream) -> mainspring::net::tcp::Read<'_, TcpStream> {
    let mut buffer = [0; 4];
    stream.read(&mut buffer) //~ E0515: cannot return value referencing local variable `buffer`
}
