//! What `Outside` meets in the tests: names that resolve as told, and TLS with a certificate of its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_upstream::Outside;
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// Long enough for a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A global unicast address of a block that is assigned to nobody: nothing answers there.
pub(super) const PUBLIC: &str = "3000::1";

/// The name that [`Tls`] has a certificate for.
pub(super) const PUBLIC_NAME: &str = "public.example";

/// A resolver with the answers of a script; the last answer stays.
#[derive(Default)]
pub(super) struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    lookups: AtomicUsize,
}

impl Names {
    /// What the name resolves to: these the first time, those the second, and so on.
    pub(super) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().rev().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect());
        self.answers.lock().unwrap().insert(name.to_owned(), answers.collect());
        self
    }

    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let found = match self.answers.lock().unwrap().get_mut(name.as_str()) {
            Some(answers) if answers.len() > 1 => answers.pop().unwrap(),
            Some(answers) => answers[0].clone(),
            None => return Box::pin(async { Err("no such name".into()) }),
        };
        let found: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
        Box::pin(async { Ok(found) })
    }
}

/// A resolver that never answers.
pub(super) struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

/// TLS in front of a server on this machine.
pub(super) struct Tls {
    pub(super) port: u16,
    certificate: CertificateDer<'static>,
    task: JoinHandle<()>,
}

impl Tls {
    pub(super) async fn before(server: u16) -> Self {
        let own = rcgen::generate_simple_self_signed([PUBLIC_NAME.to_owned()]).unwrap();
        let certificate = own.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let ring = rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(ring.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not accept the certificate goes away.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { port, certificate, task }
    }

    /// Its certificate is trusted, and its name leads to it without a lookup, as if it were on the Internet.
    pub(super) fn reachable(&self) -> impl Fn(ClientBuilder) -> ClientBuilder + use<> {
        let certificate = reqwest::Certificate::from_der(&self.certificate).unwrap();
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port);
        move |builder| builder.tls_certs_only([certificate.clone()]).resolve(PUBLIC_NAME, address)
    }

    pub(super) fn url(&self) -> String {
        format!("https://{PUBLIC_NAME}:{}/a.png", self.port)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Goes to no private address. Soon gives up connecting where nobody answers.
pub(super) fn guarded(names: Arc<Names>, prepare: impl Fn(ClientBuilder) -> ClientBuilder) -> Outside {
    Outside::with_resolver(false, Duration::from_secs(5), names, prepare).unwrap()
}

/// Goes anywhere.
pub(super) fn open() -> Outside {
    Outside::new(true, LONG).unwrap()
}
