//! A server that follows a script: one list of steps for each connection, in the order they come in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does next on a connection. At the end of the list it closes the connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads one request, headers and body, and keeps it.
    Read,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes this again and again until nobody reads it any more.
    Flood(Vec<u8>),
    /// Does nothing until the client goes away.
    Hang,
    /// Waits a little.
    Pause,
    /// Breaks the connection with a reset.
    Reset,
}

pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server for as many connections as there are scripts; further ones are closed at once.
    pub(crate) async fn start(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let mut scripts: Vec<_> = scripts.into_iter().collect();
        scripts.reverse();
        let (seen, count) = (Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                tokio::spawn(play(stream, scripts.pop().unwrap_or_default(), Arc::clone(&seen)));
            }
        });
        Self { port, requests, connections, task }
    }

    /// A server that answers each request with the next of these, on a connection of its own.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::start(answers.into_iter().map(|answer| vec![Step::Read, Step::Write(answer)])).await
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The base URL of an API there.
    pub(crate) fn base(&self) -> String {
        format!("{}/v1", self.origin())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far, headers and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer that ends with its connection. `head` is status and headers, one a line.
pub(crate) fn answer(head: &str, body: &str) -> Vec<u8> {
    let head = head.replace('\n', "\r\n");
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// `answer` with status 200.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer("200 OK\nContent-Type: application/json", body)
}

async fn play(mut stream: TcpStream, script: Vec<Step>, requests: Arc<Mutex<Vec<String>>>) {
    for step in script {
        match step {
            Step::Read => match read_request(&mut stream).await {
                Some(request) => requests.lock().unwrap().push(request),
                None => return,
            },
            Step::Write(bytes) => stream.write_all(&bytes).await.unwrap_or(()),
            Step::Flood(bytes) => while stream.write_all(&bytes).await.is_ok() {},
            Step::Hang => {
                let mut sink = [0; 1024];
                while matches!(stream.read(&mut sink).await, Ok(1..)) {}
            }
            Step::Pause => tokio::time::sleep(Duration::from_millis(20)).await,
            Step::Reset => return stream.set_zero_linger().unwrap(),
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
