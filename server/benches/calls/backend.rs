//! The upstream of the API tool: gives every request on a connection the same small answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::Failed;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 46\r\n\r\n\
    {\"id\":7,\"name\":\"seven\",\"tags\":[\"a\",\"b\",\"cc\"]}\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Starts it; it ends with this process.
pub(crate) fn start() -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// Requests here have no body, and a client sends the next one after the answer.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        head.extend_from_slice(buffer.get(..n).unwrap_or_default());
        if head.ends_with(END_OF_HEAD) {
            head.clear();
            stream.write_all(ANSWER)?;
        }
    }
}
