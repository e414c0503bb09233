//! The admin API for the commands: over HTTP when a server runs, else in this process.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use filmgate_domain::Secret;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;

use super::refused::Refused;
use super::{Globals, web};
use crate::data_dir::secret_from_env;
use crate::start::{self, Offline};

/// Talks to the admin API.
pub(super) struct AdminClient {
    face: Face,
    base: Url,
    bearer: HeaderValue,
}

enum Face {
    Remote(reqwest::Client),
    Local(Box<Offline>),
}

/// A server that runs, and its admin key.
pub(super) struct Server {
    /// Where its admin API begins.
    pub(super) admin_url: Url,
    /// The certificate that it is known by, where it said so in its data directory.
    pub(super) certificate: Option<String>,
    key: Secret,
}

/// The file in the data directory in which a server says where it is.
#[derive(Deserialize)]
struct ServerFile {
    admin_url: String,
    #[serde(default)]
    certificate: Option<String>,
}

/// Where a server on a data directory says it is, and the certificate that it is known by.
pub(super) type Announced = (Url, Option<String>);

impl Server {
    /// The server that the commands are meant for, if one runs: the one named by flags or the environment, or
    /// the one that has the data directory.
    pub(super) async fn find(globals: &Globals) -> anyhow::Result<Option<Server>> {
        let key = given_key(globals)?;
        // A variable that is set to nothing is not set.
        if let Some(url) = globals.admin_url.as_deref().filter(|url| !url.trim().is_empty()) {
            let Some(key) = key else {
                bail!(
                    "--admin-url needs the admin key of that server: --admin-key, FILMGATE_ADMIN_KEY or FILMGATE_ADMIN_KEY_FILE"
                );
            };
            return Ok(Some(Server { admin_url: web::address(url)?, certificate: None, key }));
        }
        let data_dir = globals.data_dir();
        // A server that is starting, or another command, has the directory for a moment without saying where.
        for _ in 0..20 {
            if !start::is_locked(&data_dir)? {
                return Ok(None);
            }
            if let Some((admin_url, certificate)) = announced(&data_dir)? {
                let key = match key {
                    Some(key) => key,
                    None => read_key(&data_dir.join("admin.key"))?,
                };
                return Ok(Some(Server { admin_url, certificate, key }));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!(
            "another process has the data directory {} and does not say where it can be reached; try again, or \
             name a server with --admin-url and --admin-key",
            data_dir.display()
        );
    }

    /// Where its clients begin: the admin API's address with `/v1` in place of `/admin/v1`.
    pub(super) fn client_url(&self) -> anyhow::Result<Url> {
        let path = self.admin_url.path().trim_end_matches('/');
        let path = path.strip_suffix("/admin/v1").with_context(|| {
            format!("{} does not end in /admin/v1, so where clients begin is not known", self.admin_url)
        })?;
        let mut url = self.admin_url.clone();
        url.set_path(&format!("{path}/v1"));
        Ok(url)
    }
}

fn given_key(globals: &Globals) -> anyhow::Result<Option<Secret>> {
    match globals.admin_key.as_ref().filter(|key| !key.expose().is_empty()) {
        Some(key) => Ok(Some(key.clone())),
        None => Ok(secret_from_env("FILMGATE_ADMIN_KEY")?.map(Secret::new)),
    }
}

fn read_key(path: &Path) -> anyhow::Result<Secret> {
    let key = std::fs::read_to_string(path)
        .with_context(|| format!("the admin key in {} cannot be read", path.display()))?;
    Ok(Secret::new(key.trim()))
}

/// Where the server on a data directory says it is; what a killed server has left says so, too.
pub(super) fn announced(data_dir: &Path) -> anyhow::Result<Option<Announced>> {
    let path = data_dir.join("server.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let file: ServerFile =
        serde_json::from_str(&text).with_context(|| format!("{} makes no sense", path.display()))?;
    Ok(Some((web::address(&file.admin_url)?, file.certificate)))
}

/// Does something with the admin API, and closes what was opened for it.
pub(super) async fn with<T>(
    globals: &Globals,
    act: impl AsyncFnOnce(&AdminClient) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let client = match Server::find(globals).await? {
        Some(server) => AdminClient::remote(&server)?,
        None => AdminClient::local(start::offline(&globals.sources(), &globals.data_dir()).await?)?,
    };
    let done = act(&client).await;
    client.close().await;
    done
}

/// As [`with`], to look only: without a server an empty directory is opened that is thrown away afterwards, so that
/// nothing is written anywhere. The settings are the operator's; tokens, keys and jobs are not there.
pub(super) async fn look<T>(
    globals: &Globals,
    act: impl AsyncFnOnce(&AdminClient) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let scratch = tempfile::tempdir().context("no temporary directory can be made")?;
    let client = match Server::find(globals).await? {
        Some(server) => AdminClient::remote(&server)?,
        None => {
            let mut sources = globals.sources();
            sources.set.push("media.dir=".to_owned());
            AdminClient::local(start::offline(&sources, scratch.path()).await?)?
        }
    };
    let done = act(&client).await;
    client.close().await;
    done
}

impl AdminClient {
    /// Talks to a running server.
    pub(super) fn remote(server: &Server) -> anyhow::Result<Self> {
        // Checking an upstream takes as long as the upstream does: no limit on silence.
        let face = Face::Remote(web::client(&server.admin_url, None, server.certificate.as_deref())?);
        Ok(Self { face, base: server.admin_url.clone(), bearer: bearer(server.key.expose())? })
    }

    fn local(offline: Offline) -> anyhow::Result<Self> {
        let bearer = bearer(&offline.admin_key)?;
        let base = Url::parse("http://localhost/admin/v1")?;
        Ok(Self { face: Face::Local(Box::new(offline)), base, bearer })
    }

    /// Reads something. `path` is what follows `/admin/v1`, in segments.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.call(Method::GET, path, query, None).await
    }

    /// Does something that needs no more than its path and query.
    pub(super) async fn post(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.call(Method::POST, path, query, None).await
    }

    /// Sends a text or JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> anyhow::Result<Value> {
        self.call(method, path, query, Some(body.into())).await
    }

    /// Removes something.
    pub(super) async fn delete(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, &[], None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<Value> {
        let mut url = web::below(&self.base, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, headers, body) = match &self.face {
            Face::Remote(http) => self.call_remote(http, method, &url, body).await?,
            Face::Local(offline) => self.call_local(offline, method, &url, body).await?,
        };
        if !(200..300).contains(&status) {
            let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            return Err(Refused::read(status, retry_after, &body).into());
        }
        serde_json::from_slice(&body).with_context(|| format!("{url} does not answer as an admin API does"))
    }

    async fn call_remote(
        &self,
        http: &reqwest::Client,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<(u16, HeaderMap, Vec<u8>)> {
        let request = http.request(method, url.clone()).header(AUTHORIZATION, &self.bearer);
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        };
        let unreachable = || format!("filmgate cannot be reached at {}; is it running?", self.base);
        let mut response =
            request.send().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let body = response.bytes().await.map_err(reqwest::Error::without_url).with_context(unreachable)?;
        Ok((status, headers, body.to_vec()))
    }

    async fn call_local(
        &self,
        offline: &Offline,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<(u16, HeaderMap, Vec<u8>)> {
        let request = http::Request::builder().method(method).uri(url.as_str());
        let request = request.header(AUTHORIZATION, &self.bearer).header(CONTENT_TYPE, "application/json");
        let request = request.body(axum::body::Body::from(body.unwrap_or_default()))?;
        let response = match offline.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await?;
        Ok((parts.status.as_u16(), parts.headers, body.to_vec()))
    }

    async fn close(self) {
        if let Face::Local(offline) = self.face {
            offline.close().await;
        }
    }
}

fn bearer(key: &str) -> anyhow::Result<HeaderValue> {
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    let mut value = value.ok().context("the admin key has characters that no key has")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::start::{Options, start};

    fn globals(data_dir: &Path) -> Globals {
        let dir = data_dir.to_str().unwrap();
        let listen = "server.listen=127.0.0.1:0";
        Cli::try_parse_from(["filmgate", "pool", "list", "--data-dir", dir, "--set", listen]).unwrap().globals
    }

    /// What a client is told: the key that was made, the pools, and of a job that is not there.
    async fn story(client: &AdminClient) -> anyhow::Result<(String, Value, String)> {
        let made = client.send(Method::POST, &["keys"], &[], r#"{"name":"me"}"#).await?;
        let pools = client.get(&["pools"], &[]).await?;
        let missing = client.get(&["jobs", "video_00000000000070008000000000000000"], &[]).await;
        Ok((made["key"].as_str().unwrap_or_default().to_owned(), pools, missing.unwrap_err().to_string()))
    }

    #[tokio::test]
    async fn the_answers_are_the_same_with_and_without_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let globals = globals(dir.path());
        assert!(Server::find(&globals).await.unwrap().is_none());
        let (key, pools, missing) = with(&globals, story).await.unwrap();
        assert!(key.starts_with("fg-"), "{key}");
        assert_eq!(missing, "there is no such video (404, not_found)");

        let options =
            Options { sources: globals.sources(), data_dir: dir.path().to_owned(), any_port: false };
        let running = start(options).await.unwrap();
        let server = Server::find(&globals).await.unwrap().unwrap();
        assert_eq!(server.client_url().unwrap().as_str(), format!("{}/v1", running.local_url()));
        let (other_key, same_pools, same_missing) = with(&globals, story).await.unwrap();
        assert_ne!(other_key, key);
        assert_eq!((same_pools, same_missing), (pools, missing));
        running.stop().await;
        assert!(Server::find(&globals).await.unwrap().is_none(), "the lock is gone with the server");
    }

    #[tokio::test]
    async fn a_server_elsewhere_needs_its_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut globals = globals(dir.path());
        std::fs::write(dir.path().join("admin.key"), "fga-local").unwrap();
        globals.admin_url = Some("http://elsewhere.example/admin/v1".to_owned());
        let error = Server::find(&globals).await.err().unwrap();
        assert!(error.to_string().contains("--admin-key"), "{error}");
        globals.admin_key = Some(Secret::new("fga-theirs"));
        let server = Server::find(&globals).await.unwrap().unwrap();
        assert_eq!(server.key.expose(), "fga-theirs");
    }
}
