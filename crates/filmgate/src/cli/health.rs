//! `filmgate health`: whether the gateway can do its work, as an exit code. Containers have it asked.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use url::Url;

use super::client::Announced;
use super::{Globals, client, out, web};

/// Ask the gateway whether it can do its work; no key is needed.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate health
  filmgate health --admin-url https://gateway.example/admin/v1

Exits with 0 when the gateway is ready, and with 1 when it is not or cannot be reached.")]
pub(super) struct Args {}

/// How long the gateway may say nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// What a gateway is asked, without a key.
#[derive(Clone, Copy)]
pub(super) enum Question {
    /// Whether it answers.
    Alive,
    /// Whether it can read its books, too.
    Ready,
}

impl Question {
    /// The path that it is asked at, and the answer when all is well.
    fn wire(self) -> (&'static str, &'static str) {
        match self {
            Self::Alive => ("healthz", "ok"),
            Self::Ready => ("readyz", "ready"),
        }
    }
}

pub(super) async fn run(_: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (url, certificate) =
        gateway(globals).map_or_else(|e| (Err(e), None), |(url, known)| (Ok(url), known));
    let answer = match &url {
        Ok(url) => ask(url, certificate.as_deref(), Question::Ready, SILENCE).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    if !globals.json {
        answer?;
        out::print("ready")?;
        return Ok(ExitCode::SUCCESS);
    }
    let reason = answer.err().map(|error| format!("{error:#}"));
    out::print_json(
        &json!({ "ready": reason.is_none(), "url": url.ok().map(String::from), "reason": reason }),
    )?;
    Ok(if reason.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the gateway is: the one that was named, or the one that has the data directory.
fn gateway(globals: &Globals) -> anyhow::Result<Announced> {
    let named = globals.admin_url.as_deref().filter(|url| !url.trim().is_empty());
    let (admin_url, certificate) = match named {
        Some(url) => (web::address(url)?, None),
        None => on(&globals.data_dir())?,
    };
    let path = admin_url.path().trim_end_matches('/');
    let Some(path) = path.strip_suffix("/admin/v1") else { bail!("{admin_url} does not end in /admin/v1") };
    let mut url = admin_url.clone();
    url.set_path(path);
    Ok((url, certificate))
}

/// The lock is left alone: a gateway that is just starting may be about to take it.
fn on(data_dir: &Path) -> anyhow::Result<Announced> {
    let announced = client::announced(data_dir)?;
    announced.with_context(|| format!("no gateway runs on the data directory {}", data_dir.display()))
}

/// Asks a gateway. `certificate` is the one that it is known by, `silence` how long it may say nothing.
///
/// # Errors
/// When it cannot be reached, or when not all is well.
pub(super) async fn ask(
    gateway: &Url,
    certificate: Option<&str>,
    question: Question,
    silence: Duration,
) -> anyhow::Result<()> {
    let (path, well) = question.wire();
    let url = web::below(gateway, &[path]);
    let request = web::client(gateway, Some(silence), certificate)?.get(url.clone());
    let unreachable = || format!("filmgate cannot be reached at {gateway}");
    let answer = request.send().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
    let status = answer.status();
    let text = answer.text().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
    // Something else may listen there by now, and answer anything with a 200.
    if !status.is_success() || text.trim() != well {
        bail!("not {well}: {url} answers {status}: {}", out::shorten(&out::clean(&text), 200));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::get;
    use clap::Parser as _;
    use filmgate_http::{Limits, serve};
    use http::StatusCode;
    use rstest::rstest;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cli::Cli;

    fn globals(args: &[&str]) -> Globals {
        Cli::try_parse_from([&["filmgate", "health"], args].concat()).unwrap().globals
    }

    /// A server with one answer to everything, below any path.
    async fn server(status: u16, text: &'static str) -> Url {
        let answer = Arc::new((StatusCode::from_u16(status).unwrap(), text));
        let router = Router::new().fallback(get(move || async move { *answer }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            header_timeout: SILENCE,
            keep_alive_timeout: SILENCE,
            stall_timeout: SILENCE,
            max_connections: 10,
            grace: Duration::ZERO,
        };
        tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
        Url::parse(&format!("http://{address}")).unwrap()
    }

    #[rstest]
    #[case(200, "ready\n", None)]
    #[case(200, "<html>Welcome", Some("200 OK: <html>Welcome"))]
    #[case(503, "the storage cannot be read\n", Some("503 Service Unavailable: the storage cannot be read"))]
    #[case(502, "ready", Some("502"))]
    #[tokio::test]
    async fn an_answer_is_taken_at_its_word(
        #[case] status: u16,
        #[case] text: &'static str,
        #[case] complaint: Option<&str>,
    ) {
        let url = server(status, text).await;
        let answer = ask(&url, None, Question::Ready, SILENCE).await;
        match complaint {
            None => answer.unwrap(),
            Some(words) => {
                let said = format!("{:#}", answer.unwrap_err());
                assert!(said.starts_with("not ready") && said.contains(words), "{said}");
            }
        }
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for() {
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", mute.local_addr().unwrap())).unwrap();
        let error = ask(&url, None, Question::Alive, Duration::from_millis(50)).await.unwrap_err();
        assert!(format!("{error:#}").contains("cannot be reached"), "{error:#}");
    }

    #[test]
    fn where_the_gateway_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let there = globals(&["--data-dir", path]);
        let error = gateway(&there).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        std::fs::write(dir.path().join("server.json"), r#"{"admin_url":"http://127.0.0.1:7/admin/v1"}"#)
            .unwrap();
        assert_eq!(gateway(&there).unwrap().0.as_str(), "http://127.0.0.1:7/");

        let elsewhere = globals(&["--data-dir", path, "--admin-url", "https://x.example/gate/admin/v1/"]);
        assert_eq!(gateway(&elsewhere).unwrap().0.as_str(), "https://x.example/gate");
        let odd = globals(&["--admin-url", "https://x.example/"]);
        assert!(gateway(&odd).unwrap_err().to_string().contains("/admin/v1"));
    }
}
