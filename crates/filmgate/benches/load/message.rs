//! HTTP/1.1 as plainly as can be, so that the generator and the upstream cost next to nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request, ready to send.
pub(crate) fn request(method: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One message after the other from a connection.
pub(crate) struct Messages {
    buffer: Vec<u8>,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::with_capacity(8192) }
    }

    /// The next message, head and body; `None` when the other side is gone. Its length is in its head.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = whole(&self.buffer)
                && self.buffer.len() >= length
            {
                let rest = self.buffer.split_off(length);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            match stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// How long the message is that begins here, once its head is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length.unwrap_or(0))
}

/// A client that asks one thing after the other on one connection.
pub(crate) struct Asker {
    stream: TcpStream,
    messages: Messages,
}

impl Asker {
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, messages: Messages::new() }
    }

    /// The whole answer, head and body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> String {
        self.stream.write_all(request).await.expect("the server is there");
        let answer = self.messages.next(&mut self.stream).await.expect("an answer");
        String::from_utf8(answer).expect("texts")
    }
}
