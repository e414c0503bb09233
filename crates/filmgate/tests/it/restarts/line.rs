//! A client's connection that knows how much of an answer came: whether a request may be sent again depends on that.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In small letters.
    head: String,
    pub(super) body: Vec<u8>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Whole(Answer),
    /// Nobody took the connection.
    Refused,
    /// The connection was closed while it was idle, or as the request went out: not one byte came.
    Closed,
    /// A new connection was taken, and ended without one byte.
    Unanswered,
    /// An answer began and did not end.
    Cut(String),
}

/// A client that is in no hurry: it reads so much at a time, with a pause between.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) bytes: usize,
    pub(super) pause: Duration,
}

/// A connection that is kept as long as it is good.
pub(super) struct Line {
    address: String,
    stream: Option<BufReader<TcpStream>>,
    pace: Option<Pace>,
}

impl Answer {
    /// A header; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        let value = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::len);
        let line = self.head.lines().find(|line| value(line).is_some());
        line.map_or("", |line| line[name.len() + 1..].trim())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Line {
    pub(super) fn to(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, pace: None }
    }

    pub(super) fn at_pace(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Sends a request; on a new connection, if there is no good one.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Outcome {
        let (mut stream, is_new) = match self.stream.take() {
            Some(stream) => (stream, false),
            None => match self.connect().await {
                Ok(stream) => (BufReader::new(stream), true),
                Err(_) => return Outcome::Refused,
            },
        };
        // One that was closed meanwhile is noticed when nothing comes.
        let _ = stream.get_mut().write_all(request).await;
        let mut reading = Reading { from: &mut stream, pace: self.pace, got: 0 };
        match reading.answer().await {
            Ok(answer) => {
                if answer.header("connection") != "close" {
                    self.stream = Some(stream);
                }
                Outcome::Whole(answer)
            }
            Err(_) if reading.got == 0 && is_new => Outcome::Unanswered,
            Err(_) if reading.got == 0 => Outcome::Closed,
            Err(problem) => Outcome::Cut(format!("{problem} after {} bytes", reading.got)),
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if self.pace.is_some() {
            // Or the system would read for the client.
            socket.set_recv_buffer_size(64 * 1024)?;
        }
        let stream = socket.connect(self.address.parse().unwrap()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

struct Reading<'a, R> {
    from: &'a mut R,
    pace: Option<Pace>,
    /// Bytes that came.
    got: usize,
}

impl<R: AsyncRead + Unpin> Reading<'_, R> {
    async fn answer(&mut self) -> Result<Answer, String> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let mut answer = Answer { status, head, body: Vec::new() };
        answer.body = if answer.header("transfer-encoding") == "chunked" {
            self.chunks().await?
        } else {
            let length = answer.header("content-length").parse().map_err(|_| "no length")?;
            self.exactly(length).await?
        };
        Ok(answer)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        loop {
            let size = self.until(b"\r\n").await?;
            let size = String::from_utf8_lossy(&size);
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| "no size of a chunk")?;
            let chunk = self.exactly(size + 2).await?;
            all.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(all);
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            all.push(self.from.read_u8().await.map_err(|error| error.to_string())?);
            self.got += 1;
        }
        Ok(all)
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        let mut all = vec![0; length];
        let mut at = 0;
        while at < length {
            let most = self.pace.map_or(length, |pace| pace.bytes).min(length - at);
            match self.from.read(&mut all[at..at + most]).await {
                Ok(0) => return Err(format!("the connection ended, {} bytes before the end", length - at)),
                Ok(n) => (at, self.got) = (at + n, self.got + n),
                Err(error) => return Err(error.to_string()),
            }
            if let Some(pace) = self.pace {
                tokio::time::sleep(pace.pause).await;
            }
        }
        Ok(all)
    }
}
