//! Files: as they arrive, through redirects, and from where they must not come.

use bytes::Bytes;
use filmgate_domain::{Cause, Certainty, Failure};
use filmgate_upstream::{RemoteFile, connect};
use rstest::rstest;

use crate::server::{Server, Step, answer};
use crate::{TOKEN, impatient, token, upstream};

async fn read(mut file: RemoteFile) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while let Some(chunk) = file.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn redirect(to: &str) -> Vec<u8> {
    answer(&format!("302 Found\nLocation: {to}"), "elsewhere")
}

fn has_credential(server: &Server) -> Vec<bool> {
    server.requests().iter().map(|request| request.contains(TOKEN)).collect()
}

#[tokio::test]
async fn a_file_with_its_length() {
    let server = Server::answering([answer("200 OK\nContent-Type: video/mp4", "a film")]).await;
    let url = format!("{}/a.mp4?sig=1", server.origin());
    let file = upstream(&server.base()).fetch(&token(), &url).await.unwrap();
    assert_eq!((file.length, file.content_type.as_deref()), (Some(6), Some("video/mp4")));
    assert_eq!(read(file).await.unwrap(), b"a film");
    assert!(server.requests()[0].starts_with("GET /a.mp4?sig=1 HTTP/1.1\r\n"));
    assert_eq!(has_credential(&server), [true]);
}

#[tokio::test]
async fn a_file_without_length_in_pieces() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n".to_vec();
    let rest = b"4\r\nfilm\r\n0\r\n\r\n".to_vec();
    let server = Server::start([vec![Step::Read, Step::Write(head), Step::Pause, Step::Write(rest)]]).await;
    let file = upstream(&server.base()).fetch(&token(), &server.origin()).await.unwrap();
    assert_eq!((file.length, file.content_type.as_deref()), (None, None));
    assert_eq!(read(file).await.unwrap(), b"a film");
}

#[rstest]
#[case::closed(vec![])]
#[case::reset(vec![Step::Pause, Step::Reset])]
#[tokio::test]
async fn a_file_that_breaks_off_is_never_complete(#[case] end: Vec<Step>) {
    let head = Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na fi".to_vec());
    let server = Server::start([[vec![Step::Read, head], end].concat()]).await;
    let mut file = upstream(&server.base()).fetch(&token(), &server.origin()).await.unwrap();
    assert_eq!(file.chunk().await.unwrap(), Some(Bytes::from_static(b"a fi")));
    let failure = file.chunk().await.unwrap_err();
    assert_eq!(failure.cause, Cause::Broken, "{failure}");
    assert_eq!(file.chunk().await.unwrap_err(), failure);
}

#[tokio::test]
async fn a_file_that_stops_coming() {
    let head = Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na fi".to_vec());
    let server = Server::start([vec![Step::Read, head, Step::Hang]]).await;
    let file = connect(&impatient(&server.base())).unwrap().fetch(&token(), &server.origin()).await.unwrap();
    assert_eq!(read(file).await.unwrap_err().cause, Cause::Timeout);
}

#[rstest]
#[case("403 Forbidden", Cause::Credential)]
#[case("404 Not Found", Cause::Rejected)]
#[case("410 Gone", Cause::Rejected)]
#[case("500 Internal Server Error", Cause::Server)]
#[case("304 Not Modified", Cause::Redirected)]
#[case("302 Found", Cause::Redirected)]
#[tokio::test]
async fn no_file(#[case] status: &str, #[case] cause: Cause) {
    let server = Server::answering([answer(status, "")]).await;
    let failure = upstream(&server.base()).fetch(&token(), &server.origin()).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (cause, Certainty::Refused));
    assert_eq!(failure.status.unwrap().to_string(), status[..3]);
}

#[tokio::test]
async fn three_redirects_are_followed_and_not_a_fourth() {
    for (redirects, good) in [(3, true), (4, false)] {
        let mut answers = vec![redirect("next"); redirects];
        answers.push(answer("200 OK", "a film"));
        let server = Server::answering(answers).await;
        let file = upstream(&server.base()).fetch(&token(), &server.origin()).await;
        match file {
            Ok(file) => assert!(good && read(file).await.unwrap() == b"a film"),
            Err(failure) => assert!(!good && failure.cause == Cause::Redirected, "{failure}"),
        }
        assert_eq!(server.requests().len(), 4);
    }
}

/// Another port is another origin.
#[tokio::test]
async fn the_credential_stays_at_the_upstreams_origin() {
    let other = Server::answering([answer("200 OK", "a film")]).await;
    let server = Server::answering([redirect(&format!("{}/a.mp4", other.origin()))]).await;
    let file = upstream(&server.base()).fetch(&token(), &server.origin()).await.unwrap();
    assert_eq!(read(file).await.unwrap(), b"a film");
    assert_eq!((has_credential(&server), has_credential(&other)), (vec![true], vec![false]));

    let other = Server::answering([answer("200 OK", "a film")]).await;
    upstream(&server.base()).fetch(&token(), &other.origin()).await.unwrap();
    assert_eq!(has_credential(&other), [false]);
}

#[tokio::test]
async fn a_redirect_back_does_not_bring_the_credential_along() {
    let server = Server::answering([answer("200 OK", "a film")]).await;
    let other = Server::answering([redirect(&server.origin())]).await;
    upstream(&server.base()).fetch(&token(), &other.origin()).await.unwrap();
    assert_eq!((has_credential(&other), has_credential(&server)), (vec![false], vec![false]));
}

#[rstest]
#[case("http://10.0.0.1/a.mp4")]
#[case("http://169.254.169.254/latest/meta-data")]
#[case("http://[::ffff:192.168.0.1]/a.mp4")]
#[case("file:///etc/passwd")]
#[case("ftp://x.ai/a.mp4")]
#[case("http://user:pw@x.ai/a.mp4")]
#[case("http://[")]
#[tokio::test]
async fn addresses_that_filmgate_does_not_go_to(#[case] url: &str) {
    let server = Server::answering([redirect(url), answer("200 OK", "a film")]).await;
    let upstream = upstream(&server.base());
    let failure = upstream.fetch(&token(), url).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (Cause::Garbage, Certainty::Refused), "{failure}");
    assert_eq!(server.connections(), 0);

    let failure = upstream.fetch(&token(), &server.origin()).await.unwrap_err();
    assert!(matches!(failure.cause, Cause::Garbage | Cause::Redirected), "{failure}");
    assert_eq!(server.connections(), 1);
}
