//! Addresses that lead inside, in every spelling: none is reached, by none of the ways.

use std::sync::Arc;

use filmgate_upstream::{Outside, OutsideError};
use http::HeaderMap;
use rstest::rstest;
use url::{Host, Url};

use super::surroundings::{LONG, Names, PUBLIC, Tls, guarded, open};
use crate::server::{Server, answer, ok};

/// How `https://` may go on. The first ones all are 127.0.0.1 or 0.0.0.0, which on most systems is the same.
const HOSTILE: [&str; 91] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0X7F.0x00.0x0.01",
    "0177.0.0.1",
    "017700000001",
    "0177.0x0.1",
    "0000000177.0.0.01",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "127。0。0｡1",
    "①②⑦.⓪.⓪.①",
    "127.0\t.0.1",
    "127.0.0.\u{ad}1",
    "0.0.0.0",
    "0",
    "0x0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:127.0.0.1]",
    "127.255.255.254",
    "0.255.255.255",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::1]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2606:4700::5efe:7f00:1]",
    "[2606:4700::200:5efe:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:10.0.0.1]",
    "localhost",
    "LocalHost",
    "localhost.",
    "localhost%2e",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "db.localhost",
    "a.b.localhost.",
    "printer.local",
    "PRINTER.LOCAL.",
    "metadata.google.internal",
    "router.home.arpa",
    "redis",
    "10.0.0.1",
    "10.255.255.255",
    "012.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "3232235521",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    "[5f00::1]",
    "[2001:db8::1]",
    "[3fff::1]",
];

/// How many of them this machine would answer at 127.0.0.1.
const ANSWERED: usize = 26;

/// A server that must not be reached: it would answer.
async fn victim() -> Server {
    Server::answering(vec![ok("secret"); HOSTILE.len()]).await
}

fn urls(port: u16) -> impl Iterator<Item = String> {
    HOSTILE.into_iter().map(move |host| format!("https://{host}:{port}/a.png"))
}

/// What the spelling comes to; of a name, where it would lead.
fn ip(host: &str) -> String {
    match Url::parse(&format!("https://{host}/")).unwrap().host().unwrap() {
        Host::Domain(_) => "127.0.0.1".to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    }
}

/// For all of them, a name: `0.example`, `1.example` ...
fn named(answers: impl Fn(&str) -> Vec<String>) -> Names {
    HOSTILE.iter().enumerate().fold(Names::default(), |names, (at, host)| {
        let ips = answers(&ip(host));
        let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        names.with(&format!("{at}.example"), &[&ips])
    })
}

async fn assert_private(outside: &Outside, url: &str) {
    assert_eq!(outside.get(url, 99, LONG).await, Err(OutsideError::Private), "{url}");
    let posted = outside.post(url, HeaderMap::new(), "{}".into(), LONG).await;
    assert_eq!(posted, Err(OutsideError::Private), "{url}");
}

#[tokio::test]
async fn literally() {
    let victim = victim().await;
    // As it is in production, and with names that would lead there if they were asked for.
    let lenient = urls(0).filter_map(|url| Some(Url::parse(&url).unwrap().domain()?.to_owned()));
    let names = lenient.fold(Names::default(), |names, name| names.with(&name, &[&["127.0.0.1"]]));
    let names = Arc::new(names);
    for outside in [Outside::new(false, LONG).unwrap(), guarded(Arc::clone(&names), |builder| builder)] {
        for url in urls(victim.port()) {
            assert_eq!(outside.check(&url), Err(OutsideError::Private), "{url}");
            assert_private(&outside, &url).await;
        }
    }
    assert_eq!((victim.connections(), names.lookups()), (0, 0));
}

#[rstest]
#[case::alone(false, false)]
#[case::after_a_public_one(true, false)]
#[case::before_a_public_one(false, true)]
#[tokio::test]
async fn by_name(#[case] before: bool, #[case] after: bool) {
    let victim = victim().await;
    let public = |wanted: bool| wanted.then(|| PUBLIC.to_owned());
    let names = named(|ip| public(before).into_iter().chain([ip.to_owned()]).chain(public(after)).collect());
    let names = Arc::new(names);
    let outside = guarded(Arc::clone(&names), |builder| builder);
    for at in 0..HOSTILE.len() {
        let url = format!("https://{at}.example:{}/a.png", victim.port());
        outside.check(&url).unwrap();
        assert_private(&outside, &url).await;
    }
    assert_eq!((victim.connections(), names.lookups()), (0, 2 * HOSTILE.len()));
}

#[tokio::test]
async fn by_redirect() {
    let victim = victim().await;
    let by_name = (0..HOSTILE.len()).map(|at| format!("https://{at}.example:{}/", victim.port()));
    let targets: Vec<String> = urls(victim.port()).map(|url| ascii(&url)).chain(by_name).collect();
    let server = Server::answering(targets.iter().map(|to| redirect(302, to))).await;
    let tls = Tls::before(server.port()).await;
    let outside = guarded(Arc::new(named(|ip| vec![ip.to_owned()])), tls.reachable());
    for to in &targets {
        assert_eq!(outside.get(&tls.url(), 99, LONG).await, Err(OutsideError::Private), "{to}");
    }
    assert_eq!((server.connections(), victim.connections()), (targets.len(), 0));
}

/// Otherwise "not reached" would prove nothing.
#[tokio::test]
async fn where_the_operator_allows_it_they_are_reached() {
    let victim = victim().await;
    let open = open();
    for host in &HOSTILE[..ANSWERED] {
        let url = format!("http://{host}:{}/a.png", victim.port());
        let fetched = open.get(&url, 99, LONG).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(fetched.bytes, "secret");
    }
    assert_eq!(victim.connections(), ANSWERED);

    let names = Names::default().with("inside.example", &[&["127.0.0.1"]]);
    let open = Outside::with_resolver(true, LONG, Arc::new(names), |builder| builder).unwrap();
    let named = format!("http://inside.example:{}/", victim.port());
    open.get(&named, 99, LONG).await.unwrap();
    let server = Server::answering([redirect(307, &named)]).await;
    open.get(&server.origin(), 99, LONG).await.unwrap();
    assert_eq!(victim.connections(), ANSWERED + 2);
}

/// The name is looked up once for each connection, and only what was looked up then is connected to.
#[tokio::test]
async fn a_name_that_is_public_at_first_and_private_then() {
    let victim = victim().await;
    let answers: [&[&str]; 6] =
        [&[PUBLIC], &["127.0.0.1"], &[PUBLIC], &["::ffff:127.0.0.1"], &[PUBLIC], &["127.0.0.1"]];
    let names = Arc::new(Names::default().with("rebind.example", &answers));
    let url = format!("https://rebind.example:{}/a.png", victim.port());
    let server = Server::answering([redirect(302, &url), redirect(302, &url)]).await;
    let tls = Tls::before(server.port()).await;
    let outside = guarded(Arc::clone(&names), tls.reachable());

    for (way, lookups) in [(&url, 2), (&tls.url(), 4)] {
        let public = outside.get(way, 99, LONG).await.unwrap_err();
        assert!(matches!(public, OutsideError::Unreachable(_)), "{public}");
        assert_eq!(outside.get(way, 99, LONG).await, Err(OutsideError::Private));
        assert_eq!(names.lookups(), lookups);
    }
    let public = outside.post(&url, HeaderMap::new(), "{}".into(), LONG).await.unwrap_err();
    assert!(matches!(public, OutsideError::Unreachable(_)), "{public}");
    assert_eq!(outside.post(&url, HeaderMap::new(), "{}".into(), LONG).await, Err(OutsideError::Private));
    assert_eq!((victim.connections(), names.lookups()), (0, 6));
}

fn redirect(status: u16, to: &str) -> Vec<u8> {
    answer(&format!("{status} Elsewhere\nLocation: {to}"), "elsewhere")
}

/// As it stands in a header: percent-encoded, which a host may be.
fn ascii(url: &str) -> String {
    url.bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
