//! Addresses that clients name: what is fetched, what is delivered, and where it ends.

mod hostile;
mod surroundings;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_upstream::{Outside, OutsideError};
use http::{HeaderMap, HeaderValue, StatusCode};
use rstest::rstest;

use self::surroundings::{LONG, Names, PUBLIC_NAME, Silent, Tls, guarded, open};
use crate::server::{Server, Step, answer, ok};

/// For tests in which nothing comes.
const SOON: Duration = Duration::from_millis(300);

fn redirect(to: &str) -> Vec<u8> {
    answer(&format!("302 Found\nLocation: {to}\nSet-Cookie: a=b"), "elsewhere")
}

/// A little at a time, for longer than any test takes.
fn drip(head: &str, drop: &str) -> Vec<Step> {
    let drops = (0..100_000).flat_map(|_| [Step::Pause, Step::Write(drop.into())]);
    [Step::Read, Step::Write(head.into())].into_iter().chain(drops).collect()
}

#[rstest]
#[case("https://example.com/a.png?sig=1")]
#[case("https://example.com:8443")]
#[case("https://8.8.8.8/")]
#[case("https://[2606:4700::1111]/")]
#[case("https://[64:ff9b::8.8.8.8]/")]
#[case("https://bücher.example/狐.png")]
#[case("https://localhost.example.com/")]
#[case("https://internal.example.com/")]
fn addresses_on_the_internet(#[case] url: &str) {
    Outside::new(false, LONG).unwrap().check(url).unwrap();
}

#[rstest]
#[case("", "it is no URL")]
#[case("a.png", "it is no URL")]
#[case("https://", "it is no URL")]
#[case("https://[::1", "it is no URL")]
#[case("https://1.2.3.256/", "it is no URL")]
#[case("https://[fe80::1%25eth0]/", "it is no URL")]
#[case("http://example.com/", "it has to begin with https://")]
#[case("ftp://example.com/", "it has to begin with https://")]
#[case("file:///etc/passwd", "it has to begin with https://")]
#[case("gopher://127.0.0.1:6379/_FLUSHALL", "it has to begin with https://")]
#[case("data:image/png;base64,AAAA", "it has to begin with https://")]
#[case("unix:/run/docker.sock", "it has to begin with https://")]
#[case("https://me@example.com/", "it must not hold a user name or a password")]
#[case("https://me:pw@example.com/", "it must not hold a user name or a password")]
#[case("https://:pw@example.com/", "it must not hold a user name or a password")]
#[case("https://example.com@127.0.0.1/", "it must not hold a user name or a password")]
#[tokio::test]
async fn addresses_of_the_wrong_kind(#[case] url: &str, #[case] why: &'static str) {
    let outside = Outside::new(false, LONG).unwrap();
    let error = outside.get(url, 99, LONG).await.unwrap_err();
    assert_eq!(error, OutsideError::Address(why));
    assert!(error.is_refusal());
    assert_eq!(outside.post(url, HeaderMap::new(), "{}".into(), LONG).await.unwrap_err(), error);
    // Where private addresses are allowed, plain HTTP is the only further kind.
    let allowed = Outside::new(true, LONG).unwrap().check(url).is_ok();
    assert_eq!(allowed, url.starts_with("http://"), "{url}");
}

#[rstest]
#[case("a", 8_192, true)]
#[case("a", 8_193, false)]
#[case("狐", 8_193, false)]
fn the_longest_address(#[case] of: &str, #[case] length: usize, #[case] good: bool) {
    let mut url = "https://example.com/".to_owned();
    while url.len() + of.len() <= length {
        url.push_str(of);
    }
    let checked = Outside::new(false, LONG).unwrap().check(&url);
    assert_eq!(checked.err(), (!good).then_some(OutsideError::Address("it is longer than 8192 bytes")));
}

#[tokio::test]
async fn a_file_over_tls() {
    let server = Server::answering([answer("200 OK\nContent-Type: image/png", "a fox")]).await;
    let tls = Tls::before(server.port()).await;
    let outside = guarded(Arc::default(), tls.reachable());
    let fetched = outside.get(&tls.url(), 5, LONG).await.unwrap();
    assert_eq!((&fetched.bytes[..], fetched.content_type.as_deref()), (&b"a fox"[..], Some("image/png")));

    let untrusted = guarded(Arc::default(), |builder| {
        builder.tls_certs_only([]).resolve(PUBLIC_NAME, ([127, 0, 0, 1], tls.port).into())
    });
    let error = untrusted.get(&tls.url(), 5, LONG).await.unwrap_err();
    assert!(matches!(error, OutsideError::Unreachable(why) if why.contains("certificate")), "{error}");
    assert_eq!(server.connections(), 1);
}

/// Whatever the client was prepared with.
#[tokio::test]
async fn no_proxy_no_cookies_no_referer_and_no_redirect_unseen() {
    let proxy = Server::answering([]).await;
    let server = Server::answering([redirect("b.png"), ok("a fox"), redirect("https://127.0.0.1/")]).await;
    let tls = Tls::before(server.port()).await;
    let names = Arc::new(Names::default().with("inside.example", &[&["127.0.0.1"]]));
    let outside = guarded(names, |builder| {
        let everywhere = reqwest::Proxy::all(proxy.origin()).unwrap();
        let lenient: Arc<dyn reqwest::dns::Resolve> = Arc::new(Silent);
        let builder = builder.proxy(everywhere).referer(true).dns_resolver(lenient);
        tls.reachable()(builder.redirect(reqwest::redirect::Policy::limited(9)))
    });
    outside.get(&tls.url(), 99, LONG).await.unwrap();
    assert_eq!(outside.get(&tls.url(), 99, LONG).await, Err(OutsideError::Private));
    let inside = format!("https://inside.example:{}/", server.port());
    assert_eq!(outside.get(&inside, 99, LONG).await, Err(OutsideError::Private));

    let requests = server.requests();
    assert!(requests[1].starts_with("GET /b.png HTTP/1.1\r\n"), "{}", requests[1]);
    for request in &requests {
        let request = request.to_ascii_lowercase();
        assert!(!request.contains("cookie:") && !request.contains("referer:"), "{request}");
        assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    }
    assert_eq!((requests.len(), proxy.connections()), (3, 0));
}

#[rstest]
#[case(3, true)]
#[case(4, false)]
#[case(50, false)]
#[tokio::test]
async fn at_most_three_redirects(#[case] redirects: usize, #[case] good: bool) {
    let mut answers = vec![redirect("/again"); redirects];
    answers.push(ok("a fox"));
    let server = Server::answering(answers).await;
    let fetched = open().get(&server.origin(), 99, LONG).await;
    assert_eq!(fetched.is_ok(), good);
    assert!(good || fetched == Err(OutsideError::Redirect("more than 3 times")));
    assert_eq!(server.connections(), 4);
}

#[rstest]
#[case("http://example.com/")]
#[case("file:///etc/passwd")]
#[case("https://me:pw@example.com/")]
#[tokio::test]
async fn redirects_to_addresses_of_the_wrong_kind(#[case] to: &str) {
    let server = Server::answering([redirect(to)]).await;
    let tls = Tls::before(server.port()).await;
    let error = guarded(Arc::default(), tls.reachable()).get(&tls.url(), 99, LONG).await.unwrap_err();
    assert!(matches!(error, OutsideError::Redirect(_)) && !error.is_refusal(), "{error}");
}

#[rstest]
#[case::exactly_the_limit(answer("200 OK", "12345678"), Ok("12345678"))]
#[case::nothing(answer("204 No Content", ""), Ok(""))]
#[case::declared(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(), Err(OutsideError::TooLarge(8)))]
#[case::declared_beyond_reason(
    b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n".to_vec(),
    Err(OutsideError::TooLarge(8))
)]
#[case::undeclared(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n1\r\n9\r\n".to_vec(),
    Err(OutsideError::TooLarge(8))
)]
#[case::packed(answer("200 OK\nContent-Encoding: gzip", "\u{1f}\u{8b}"), Err(OutsideError::Compressed))]
#[case::not_packed(answer("200 OK\nContent-Encoding: identity", "1"), Ok("1"))]
#[case::broken(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234".to_vec(), Err(OutsideError::Broken))]
#[case::no_http(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Err(OutsideError::Broken))]
#[case::silent(Vec::new(), Err(OutsideError::Broken))]
#[case::status(answer("404 Not Found", "12345678"), Err(OutsideError::Status(StatusCode::NOT_FOUND)))]
#[case::nowhere(answer("302 Found", ""), Err(OutsideError::Status(StatusCode::FOUND)))]
#[tokio::test]
async fn at_most_so_many_bytes(#[case] bytes: Vec<u8>, #[case] expected: Result<&'static str, OutsideError>) {
    let server = Server::answering([bytes]).await;
    let fetched = open().get(&server.origin(), 8, LONG).await;
    assert_eq!(fetched.map(|file| file.bytes), expected.map(Into::into));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_flood_is_left_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let script = vec![Step::Read, Step::Write(head), Step::Flood(vec![b'x'; 1 << 16])];
    let server = Server::start([script]).await;
    let error = open().get(&server.origin(), 1 << 20, LONG).await.unwrap_err();
    assert_eq!(error, OutsideError::TooLarge(1 << 20));
}

#[rstest]
#[case::nothing(vec![Step::Read, Step::Hang])]
#[case::headers(drip("HTTP/1.1 200 OK\r\n", "A: b\r\n"))]
#[case::one_header(drip("HTTP/1.1 200 OK\r\nA: ", "b"))]
#[case::body(drip("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", "x"))]
#[case::chunks(drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"))]
#[case::interim_answers(drip("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"))]
#[tokio::test]
async fn drips_are_left_in_time(#[case] script: Vec<Step>) {
    let server = Server::start([script.clone(), script]).await;
    let error = open().get(&server.origin(), 1 << 20, SOON).await.unwrap_err();
    assert_eq!(error, OutsideError::TooSlow(SOON));
    assert!(!error.is_refusal());
}

#[tokio::test]
async fn slow_names_and_slow_handshakes_are_left_in_time() {
    let outside = Outside::with_resolver(false, LONG, Arc::new(Silent), |builder| builder).unwrap();
    let url = "https://slow.example/";
    assert_eq!(outside.get(url, 99, SOON).await, Err(OutsideError::TooSlow(SOON)));
    let posted = outside.post(url, HeaderMap::new(), "{}".into(), SOON).await;
    assert_eq!(posted, Err(OutsideError::TooSlow(SOON)));

    let server = Server::start([vec![Step::Hang]]).await;
    let url = format!("https://127.0.0.1:{}/", server.port());
    assert_eq!(open().get(&url, 99, SOON).await, Err(OutsideError::TooSlow(SOON)));
}

#[tokio::test]
async fn where_nobody_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = open().get(&format!("http://127.0.0.1:{port}/"), 99, LONG).await.unwrap_err();
    assert_eq!(error, OutsideError::Unreachable("it takes no connection"));

    let error =
        guarded(Arc::default(), |builder| builder).get("https://a.example/", 99, LONG).await.unwrap_err();
    assert_eq!(error, OutsideError::Unreachable("its name is not known"));
}

#[tokio::test]
async fn the_system_knows_localhost() {
    let server = Server::answering([ok("a fox")]).await;
    let url = format!("http://localhost:{}/", server.port());
    assert_eq!(open().get(&url, 99, LONG).await.unwrap().bytes, "a fox");
}

#[tokio::test]
async fn a_delivery() {
    let server = Server::answering([answer("200 OK", "thank you")]).await;
    let tls = Tls::before(server.port()).await;
    let outside = guarded(Arc::default(), tls.reachable());
    let headers = HeaderMap::from_iter([
        ("webhook-id".parse().unwrap(), HeaderValue::from_static("evt_1")),
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]);
    let answered = outside.post(&tls.url(), headers, r#"{"id":"evt_1"}"#.into(), LONG).await.unwrap();
    assert_eq!((answered.status, answered.words.as_str()), (StatusCode::OK, ""));
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /a.png HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("webhook-id: evt_1\r\ncontent-type: application/json\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"id\":\"evt_1\"}"), "{request}");
}

#[rstest]
#[case(301)]
#[case(303)]
#[case(307)]
#[case(308)]
#[tokio::test]
async fn a_delivery_follows_no_redirect(#[case] status: u16) {
    let other = Server::answering([ok("")]).await;
    let head = format!("{status} Elsewhere\nLocation: {}", other.origin());
    let server = Server::answering([answer(&head, "")]).await;
    let answered = open().post(&server.origin(), HeaderMap::new(), "{}".into(), LONG).await.unwrap();
    assert_eq!((answered.status.as_u16(), other.connections()), (status, 0));
}

#[tokio::test]
async fn what_a_delivery_is_answered_is_short_and_redacted() {
    let body = format!("no entry for Bearer abcdef0123 {}", "x".repeat(50_000));
    let server = Server::answering([answer("403 Forbidden", &body)]).await;
    let answered = open().post(&server.origin(), HeaderMap::new(), "{}".into(), LONG).await.unwrap();
    assert!(answered.words.starts_with("no entry for Bearer [redacted] xxx"), "{}", answered.words);
    assert!(answered.words.chars().count() <= 301);
}

#[rstest]
#[case(drip("HTTP/1.1 500 Oops\r\nContent-Length: 90000\r\n\r\nso ", "x"))]
#[case(vec![Step::Read, Step::Write(b"HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nso ".to_vec())])]
#[tokio::test]
async fn the_status_of_a_delivery_stands_whatever_follows(#[case] script: Vec<Step>) {
    let server = Server::start([script]).await;
    let answered = open().post(&server.origin(), HeaderMap::new(), "{}".into(), SOON).await.unwrap();
    assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answered.words.starts_with("so"), "{}", answered.words);
}

#[rstest]
#[case::closed(vec![Step::Read], OutsideError::Broken)]
#[case::reset(vec![Step::Read, Step::Reset], OutsideError::Broken)]
#[case::hung(vec![Step::Read, Step::Hang], OutsideError::TooSlow(SOON))]
#[case::drip(drip("HTTP/1.1 200 OK\r\nA: ", "b"), OutsideError::TooSlow(SOON))]
#[tokio::test]
async fn a_delivery_goes_out_once(#[case] script: Vec<Step>, #[case] expected: OutsideError) {
    let server = Server::start([script]).await;
    let time = if expected == OutsideError::Broken { LONG } else { SOON };
    let error = open().post(&server.origin(), HeaderMap::new(), "{}".into(), time).await.unwrap_err();
    assert_eq!((error, server.requests().len(), server.connections()), (expected, 1, 1));
}

/// Signed addresses are credentials. Neither what the client is told nor any log line holds one.
#[tokio::test]
async fn no_query_of_an_address_is_told_or_logged() {
    let log = Arc::<Log>::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(Arc::clone(&log)).finish());

    let mut answers = vec![answer("403 Forbidden", "no"), b"SSH-2.0\r\n".to_vec()];
    answers.extend(vec![redirect("/next?sig=hunter2"); 4]);
    answers.push(redirect("ftp://me:hunter2@example.com/"));
    let server = Server::answering(answers).await;
    let names: Arc<Names> = Arc::default();
    let outside = Outside::with_resolver(true, LONG, names, |builder| builder).unwrap();
    let mut told = String::new();
    for url in [
        format!("{}/a.png?sig=hunter2", server.origin()),
        format!("https://me:hunter2@127.0.0.1:{}/", server.port()),
        "http://a.example/?sig=hunter2".to_owned(),
    ] {
        for _ in 0..4 {
            let error = outside.get(&url, 99, LONG).await.unwrap_err();
            told += &format!("{error} {error:?}\n");
        }
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("an address that a client named failed"), "{logged}");
    for part in ["403", "no HTTP", "more than 3 times", "does not go to", "user name", "not known"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("hunter2") && !logged.contains("hunter2"), "{told}\n{logged}");
}

#[derive(Default)]
struct Log(Mutex<Vec<u8>>);

impl io::Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
