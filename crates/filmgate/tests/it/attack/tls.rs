//! TLS: towards upstreams, whose certificates are judged, and of the listener, which shows its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Certificate, Method, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup};
use crate::shell::Shell;

const NAME: &str = "gate.example";

/// Writes a new certificate of its own and its key; returns the certificate in PEM.
fn certify(dir: &Path) -> String {
    let own = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    std::fs::write(dir.join("gate.pem"), own.cert.pem()).unwrap();
    std::fs::write(dir.join("gate.key"), own.signing_key.serialize_pem()).unwrap();
    own.cert.pem()
}

/// A client which trusts that certificate, and finds its name at the gateway.
fn trusting(pem: &str, url: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = url.strip_prefix("https://").unwrap().parse().unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .resolve(NAME, address)
        .tls_certs_only([Certificate::from_pem(pem.as_bytes()).unwrap()])
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_listener_speaks_tls_with_a_certificate_that_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let first = certify(dir.path());
    let (mut app, gate) = start(dir.path());
    let url = gate.await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    let at = |path: &str| format!("https://{NAME}:{port}{path}");
    let client = trusting(&first, &url);
    let pools = client.get(at("/admin/v1/pools")).bearer_auth(ADMIN_KEY).send().await.unwrap();
    assert_eq!((pools.status(), pools.version()), (StatusCode::OK, http::Version::HTTP_2));
    let key = client.post(at("/admin/v1/keys")).bearer_auth(ADMIN_KEY).json(&json!({ "name": "me" }));
    let key: Value = key.send().await.unwrap().json().await.unwrap();
    let models = client.get(at("/v1/models")).bearer_auth(key["key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(models.status(), StatusCode::OK);
    let plain = crate::app::client().get(format!("http://127.0.0.1:{port}/healthz")).send().await;
    assert!(plain.is_err(), "without TLS nothing is said");
    let suspicious = crate::app::client().get(format!("{url}/healthz")).send().await;
    assert!(suspicious.is_err(), "nobody vouches for this certificate");

    // The command line knows the certificate from the data directory.
    let shell = Shell::on(&app.data_dir).env("FILMGATE_ADMIN_KEY", ADMIN_KEY);
    assert_eq!(shell.ok(&["health"]).trim(), "ready");
    assert!(shell.ok(&["key", "list"]).contains("me"));
    let server = std::fs::read_to_string(app.data_dir.join("server.json")).unwrap();

    // Another one, by a reload.
    let second = certify(dir.path());
    assert_eq!(shell.ok(&["health"]).trim(), "ready", "what is on disk does not count yet");
    let reload = async |pem: &str| {
        let reload = trusting(pem, &url).post(at("/admin/v1/config/reload")).bearer_auth(ADMIN_KEY);
        let answer = reload.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(reload(&first).await.0, StatusCode::OK);
    assert_ne!(std::fs::read_to_string(app.data_dir.join("server.json")).unwrap(), server);
    assert_eq!(shell.ok(&["health"]).trim(), "ready");
    assert_eq!(trusting(&second, &url).get(at("/healthz")).send().await.unwrap().status(), StatusCode::OK);
    assert!(trusting(&first, &url).get(at("/healthz")).send().await.is_err());

    // One that does not fit is told, and the one before stays.
    std::fs::write(dir.path().join("gate.key"), "no key").unwrap();
    let (status, told) = reload(&second).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(told.contains("gate.key is no private key in PEM"), "{told}");
    assert_eq!(trusting(&second, &url).get(at("/healthz")).send().await.unwrap().status(), StatusCode::OK);

    // Whoever stands in the gateway's place, with another certificate, is not believed.
    let altered = server.replace("\"certificate\":\"", "\"certificate\":\"00");
    std::fs::write(app.data_dir.join("server.json"), altered).unwrap();
    shell.run(&["health"]).with_code(1).says("cannot be reached");
    app.stop();
}

/// A gateway of its own, since those of other tests speak no TLS.
struct Gateway {
    process: std::process::Child,
    data_dir: PathBuf,
    _dir: tempfile::TempDir,
}

impl Gateway {
    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts one; the other part waits for its address.
fn start(certificates: &Path) -> (Gateway, impl Future<Output = String>) {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let shell = Shell::on(&data_dir).at(dir.path()).env("FILMGATE_ADMIN_KEY", ADMIN_KEY);
    let setting = |name: &str, file: &str| format!("server.{name}=\"{}\"", certificates.join(file).display());
    let (certificate, key) = (setting("tls_certificate", "gate.pem"), setting("tls_key", "gate.key"));
    let args = ["serve", "--set", "server.listen=\"127.0.0.1:0\"", "--set", &certificate, "--set", &key];
    let mut command = shell.command(&args);
    let process =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let file = data_dir.join("server.json");
    let address = async move {
        loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(server) = serde_json::from_str::<Value>(&text)
            {
                let url = server["admin_url"].as_str().unwrap();
                return url.strip_suffix("/admin/v1").unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    (Gateway { process, data_dir, _dir: dir }, address)
}

#[tokio::test]
async fn who_never_comes_to_speak_tls_holds_up_no_stop() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path());
    let (mut app, gate) = start(dir.path());
    let _held = TcpStream::connect(gate.await.strip_prefix("https://").unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = tokio::time::Instant::now();
    let told = Command::new("kill").arg(app.process.id().to_string()).status();
    assert!(told.unwrap().success() && app.process.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn half_of_what_tls_needs_is_a_mistake_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let shell = Shell::on(dir.path());
    for (set, missing) in
        [("server.tls_key=\"k\"", "tls_certificate"), ("server.tls_certificate=\"c\"", "tls_key")]
    {
        let ran = shell.run(&["serve", "--set", set]).with_code(1);
        assert!(ran.err.contains(&format!("server.{missing}")) && ran.err.contains("missing"), "{}", ran.err);
    }
    let set = ["--set", "server.tls_certificate=\"/no/such\"", "--set", "server.tls_key=\"/no/such\""];
    let ran = shell.run(&[&["serve", "--set", "server.listen=\"127.0.0.1:0\""], &set[..]].concat());
    ran.with_code(1).says("/no/such is no certificate in PEM");
}

#[tokio::test]
async fn an_upstream_that_nobody_vouches_for_is_sent_nothing() {
    let (upstream, heard) = impostor();
    let app = Setup { tokens: [1, 0], ..Setup::default() }
        .set(&format!("upstreams.xai.base_url=\"https://localhost:{upstream}/v1\""))
        .set("jobs.max_attempts=1")
        .start()
        .await;
    let video = app.create("a secret prompt", "480p", 6).await;
    let job = app.ended(video["id"].as_str().unwrap()).await;
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["attempts"][0]["charged"], false, "it was certainly not sent: {job}");
    let checked = app.admin(Method::POST, "/upstreams/xai/check", None).await;
    assert_eq!(checked["results"][0]["ok"], false, "{checked}");
    let heard = heard.lock().unwrap();
    assert!(heard.connections > 0, "it was there to be spoken to");
    assert_eq!(heard.bytes, 0, "and heard nothing");
}

#[derive(Default)]
struct Heard {
    connections: usize,
    /// What came after a handshake.
    bytes: usize,
}

/// A server with a certificate of its own making.
fn impostor() -> (u16, Arc<Mutex<Heard>>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.signing_key.serialize_pem().as_bytes()).unwrap();
    let chain = vec![CertificateDer::from(own.cert.der().to_vec())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let told = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            told.lock().unwrap().connections += 1;
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            // A client that is not convinced ends it here.
            let mut bytes = [0; 4096];
            let read = tls.read(&mut bytes).unwrap_or_default();
            told.lock().unwrap().bytes += read;
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    (port, heard)
}
