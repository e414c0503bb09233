//! Proxies: HTTP and SOCKS5, and what their failures mean.

use filmgate_domain::{Cause, Certainty};
use filmgate_upstream::{UpstreamSettings, connect};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Server, answer, ok};
use crate::{order, settings, token};

fn through(proxy: String, base_url: &str) -> UpstreamSettings {
    UpstreamSettings { proxy: Some(proxy), ..settings(base_url) }
}

/// A SOCKS5 proxy (RFC 1928) for one connection, which leads to `port` on this machine whatever is asked for.
/// Returns its own port, and then the host and port asked for.
async fn socks5(port: u16) -> (u16, tokio::task::JoinHandle<(String, u16)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = [0; 2];
        client.read_exact(&mut head).await.unwrap();
        let mut methods = vec![0; usize::from(head[1])];
        client.read_exact(&mut methods).await.unwrap();
        client.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 4];
        client.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..2], [5, 1]);
        let host = match request[3] {
            1 => {
                let mut ip = [0; 4];
                client.read_exact(&mut ip).await.unwrap();
                std::net::Ipv4Addr::from(ip).to_string()
            }
            3 => {
                let mut name = vec![0; client.read_u8().await.unwrap().into()];
                client.read_exact(&mut name).await.unwrap();
                String::from_utf8(name).unwrap()
            }
            other => panic!("address type {other}"),
        };
        let asked = (host, client.read_u16().await.unwrap());
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
        asked
    });
    (own, task)
}

#[rstest]
#[case("socks5h", "http://upstream.invalid/v1", "upstream.invalid", 80)]
#[case("socks5", "http://127.0.0.1:9/v1", "127.0.0.1", 9)]
#[tokio::test]
async fn socks5_leads_to_the_upstream(
    #[case] scheme: &str,
    #[case] base: &str,
    #[case] host: &str,
    #[case] port: u16,
) {
    let server = Server::answering([ok(r#"{"request_id":"a"}"#)]).await;
    let (proxy, asked) = socks5(server.port()).await;
    let upstream = connect(&through(format!("{scheme}://127.0.0.1:{proxy}"), base)).unwrap();
    upstream.submit(&token(), &order()).await.unwrap();
    assert!(server.requests()[0].starts_with("POST /v1/videos/generations "));
    drop(upstream);
    assert_eq!(asked.await.unwrap(), (host.to_owned(), port));
}

#[tokio::test]
async fn an_http_proxy_gets_whole_urls_and_its_own_password() {
    let proxy = Server::answering([ok(r#"{"request_id":"a"}"#)]).await;
    let address = format!("http://me:hunter2@127.0.0.1:{}", proxy.port());
    let upstream = connect(&through(address, "http://upstream.invalid/v1")).unwrap();
    upstream.submit(&token(), &order()).await.unwrap();
    let request = proxy.requests().remove(0);
    assert!(
        request.starts_with("POST http://upstream.invalid/v1/videos/generations HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("proxy-authorization: Basic bWU6aHVudGVyMg==\r\n"), "{request}");
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel_to_tls() {
    let proxy = Server::answering([answer("200 OK", "")]).await;
    let base = "https://upstream.invalid/v1";
    let upstream = connect(&through(proxy.origin(), base)).unwrap();
    let failure = upstream.submit(&token(), &order()).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (Cause::Unreachable, Certainty::Refused), "{failure}");
    assert!(proxy.requests()[0].starts_with("CONNECT upstream.invalid:443 HTTP/1.1\r\n"));
}

#[rstest]
#[case::http("http://127.0.0.1:1", "http://upstream.invalid/v1")]
#[case::https("https://127.0.0.1:1", "http://upstream.invalid/v1")]
#[case::tunnel("http://127.0.0.1:1", "https://upstream.invalid/v1")]
#[case::socks("socks5h://me:hunter2@127.0.0.1:1", "http://upstream.invalid/v1")]
#[tokio::test]
async fn no_proxy_is_a_refusal(#[case] proxy: &str, #[case] base: &str) {
    let upstream = connect(&through(proxy.to_owned(), base)).unwrap();
    let failure = upstream.submit(&token(), &order()).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (Cause::Unreachable, Certainty::Refused), "{failure}");
    assert!(!format!("{failure:?}").contains("hunter2"));
}

#[rstest]
#[case("http://upstream.invalid/v1")]
#[case("https://upstream.invalid/v1")]
#[tokio::test]
async fn a_proxy_that_wants_a_password_is_a_refusal(#[case] base: &str) {
    let proxy = Server::answering([answer("407 Proxy Authentication Required", "")]).await;
    let upstream = connect(&through(proxy.origin(), base)).unwrap();
    let failure = upstream.submit(&token(), &order()).await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (Cause::Unreachable, Certainty::Refused), "{failure}");
}
