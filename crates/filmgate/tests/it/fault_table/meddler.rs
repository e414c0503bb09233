//! A man in the middle: he sits between the gateway and the simulator, and spoils chosen answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the gateway asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Submit,
    Poll,
    Fetch,
}

/// What is done in place of passing an answer on. In texts, `{token}` is the credential that came, `{addr}` the
/// meddler's own address, and `{other}` the upstream's id of the job's [decoy].
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A whole answer: status, further header lines, body.
    Answer(u16, &'static str, String),
    /// These bytes as they are.
    Raw(Vec<u8>),
    /// The first, and then the second again and again.
    Flood(&'static str, Vec<u8>),
    /// This, and then a byte now and then.
    Drip(&'static str),
    /// No answer at all.
    Hang,
    /// The request is read, and the connection is reset.
    Reset,
    /// The file is changed.
    Spoil(fn(Vec<u8>) -> Vec<u8>),
    /// The file of the decoy.
    OthersFile,
    /// The answer as it is.
    Nothing,
}

/// What is played to the requests of one job.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) stage: Stage,
    /// One after the other; then all goes on as it should.
    pub(crate) script: Vec<Deed>,
    /// Whether the last of them goes on for ever.
    pub(crate) always: bool,
    /// Whether the simulator gets the request all the same.
    pub(crate) passed_on: bool,
}

/// The man in the middle.
pub(crate) struct Meddler {
    pub(crate) addr: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    addr: SocketAddr,
    leads_to: OnceLock<SocketAddr>,
    plays: Mutex<HashMap<String, (Play, usize)>>,
    /// Whose video an id is.
    ids: Mutex<HashMap<String, String>>,
}

impl Meddler {
    /// Opens the door; [`Meddler::leads_to`] says where it leads.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (leads_to, plays, ids) = Default::default();
        let inner = Arc::new(Inner { addr, leads_to, plays, ids });
        let meddler = Meddler { addr, inner: Arc::clone(&inner) };
        tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                let inner = Arc::clone(&inner);
                // A visitor who leaves harms nobody.
                tokio::spawn(async move { inner.serve(visitor).await.unwrap_or_default() });
            }
        });
        meddler
    }

    pub(crate) fn leads_to(&self, simulator: SocketAddr) {
        self.inner.leads_to.set(simulator).unwrap();
    }

    /// Plays this to the job whose prompt has `{{name}}` in it.
    pub(crate) fn play(&self, name: &str, play: Play) {
        self.inner.plays.lock().unwrap().insert(name.to_owned(), (play, 0));
    }

    /// How often something was played to a job.
    pub(crate) fn played(&self, name: &str) -> usize {
        self.inner.plays.lock().unwrap().get(name).map_or(0, |(_, played)| *played)
    }

    /// Lets a job alone from now on.
    pub(crate) fn stop(&self, name: &str) {
        self.inner.plays.lock().unwrap().remove(name);
    }

    /// What stands for a job's name in a prompt.
    pub(crate) fn mark(name: &str) -> String {
        format!("{{{{{name}}}}}")
    }
}

struct Request {
    stage: Stage,
    head: String,
    body: Vec<u8>,
}

impl Request {
    async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = bytes.split_off(end);
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(None);
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let stage = match path {
            _ if head.starts_with("POST ") => Stage::Submit,
            path if path.contains("/files/") || path.ends_with("/content") => Stage::Fetch,
            _ => Stage::Poll,
        };
        Ok(Some(Self { stage, head, body }))
    }

    /// The last part of the path: an id, but for its ending.
    fn id(&self) -> &str {
        let path = self.head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().trim_end_matches(".mp4")
    }

    fn token(&self) -> &str {
        header(&self.head, "authorization").unwrap_or_default().trim_start_matches("Bearer ")
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &&str| line.split(':').next().is_some_and(|it| it.eq_ignore_ascii_case(name));
    head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
}

impl Inner {
    async fn serve(&self, mut visitor: TcpStream) -> std::io::Result<()> {
        visitor.set_nodelay(true)?;
        let Some(request) = Request::read(&mut visitor).await? else { return Ok(()) };
        let name = self.name_of(&request);
        let due = name.as_deref().and_then(|name| self.due(name, request.stage));
        let passed_on = due.as_ref().is_none_or(|(_, passed_on)| *passed_on);
        let answer = if passed_on { self.pass_on(&request, name.as_deref()).await? } else { Vec::new() };
        let deed = due.map_or(Deed::Nothing, |(deed, _)| deed);
        match deed {
            Deed::Nothing => visitor.write_all(&answer).await?,
            Deed::Answer(status, headers, body) => {
                let fill_in = |text: &str| self.fill_in(text, &request, name.as_deref());
                let answer = answer_of(status, &fill_in(headers), fill_in(&body).as_bytes());
                visitor.write_all(&answer).await?;
            }
            Deed::Raw(bytes) => visitor.write_all(&bytes).await?,
            Deed::Flood(first, again) => {
                visitor.write_all(first.as_bytes()).await?;
                loop {
                    visitor.write_all(&again).await?;
                    // The others of this process want to be served, too.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Deed::Drip(first) => {
                visitor.write_all(first.as_bytes()).await?;
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    visitor.write_all(b" ").await?;
                }
            }
            Deed::Hang => {
                // Ends when the visitor has left.
                let _ = visitor.read(&mut [0; 16]).await;
            }
            Deed::Reset => return visitor.set_zero_linger(),
            Deed::Spoil(spoil) => {
                let at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                let spoilt = spoil(answer[at..].to_vec());
                visitor.write_all(&answer_of(200, "content-type: video/mp4\r\n", &spoilt)).await?;
            }
            Deed::OthersFile => {
                let id = self.id_of_decoy(name.as_deref());
                let head = format!("GET /files/{id}.mp4 HTTP/1.1\r\nhost: there\r\n\r\n");
                let file = Request { stage: Stage::Fetch, head, body: Vec::new() };
                let answer = self.pass_on(&file, None).await?;
                visitor.write_all(&answer).await?;
            }
        }
        visitor.shutdown().await
    }

    /// Whose request it is: by its prompt, or by the id that the answer to it had.
    fn name_of(&self, request: &Request) -> Option<String> {
        if request.stage != Stage::Submit {
            return self.ids.lock().unwrap().get(request.id()).cloned();
        }
        let body = String::from_utf8_lossy(&request.body);
        let (_, rest) = body.split_once("{{")?;
        Some(rest.split_once("}}")?.0.to_owned())
    }

    /// What is to be played now, and whether the simulator gets the request.
    fn due(&self, name: &str, stage: Stage) -> Option<(Deed, bool)> {
        let mut plays = self.plays.lock().unwrap();
        let (play, played) = plays.get_mut(name).filter(|(play, _)| play.stage == stage)?;
        let last = play.script.len() - 1;
        let at = if play.always { (*played).min(last) } else { *played };
        let deed = play.script.get(at)?.clone();
        *played += 1;
        Some((deed, play.passed_on))
    }

    async fn pass_on(&self, request: &Request, name: Option<&str>) -> std::io::Result<Vec<u8>> {
        let mut inside = TcpStream::connect(self.leads_to.get().unwrap()).await?;
        let lines = request.head.trim_end().lines();
        let lines = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head: Vec<&str> = lines.chain(["connection: close", "", ""]).collect();
        inside.write_all(head.join("\r\n").as_bytes()).await?;
        inside.write_all(&request.body).await?;
        let mut answer = Vec::new();
        inside.read_to_end(&mut answer).await?;
        if request.stage == Stage::Submit
            && let Some(name) = name
            && let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n")
            && let Ok(answer) = serde_json::from_slice::<Value>(&answer[at + 4..])
            && let Some(id) = answer["request_id"].as_str()
        {
            self.ids.lock().unwrap().insert(id.to_owned(), name.to_owned());
        }
        Ok(answer)
    }

    fn id_of_decoy(&self, name: Option<&str>) -> String {
        let decoy = decoy(name.unwrap_or_default());
        let ids = self.ids.lock().unwrap();
        ids.iter().find(|(_, name)| **name == decoy).map(|(id, _)| id.clone()).unwrap_or_default()
    }

    fn fill_in(&self, text: &str, request: &Request, name: Option<&str>) -> String {
        let text = text.replace("{token}", request.token()).replace("{addr}", &self.addr.to_string());
        text.replace("{other}", &self.id_of_decoy(name))
    }
}

/// The name of the job whose id or whose file the job of this name is given.
pub(crate) fn decoy(name: &str) -> String {
    format!("decoy of {name}")
}

/// A whole answer.
fn answer_of(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} As It Were\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
