//! Checking reachability and credential: all dialects list their models.

use filmgate_domain::{Failure, Secret};
use http::StatusCode;
use reqwest::Method;

use crate::Checked;
use crate::client::Client;

/// Asks for `GET models`.
pub(crate) async fn check(client: &Client, token: &Secret) -> Result<Checked, Failure> {
    let call = client.question(token);
    let request = client.request(&call, Method::GET, &["models"])?;
    let mut response = client.send(&call, request).await?;
    let status = response.status();
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        return Ok(Checked::Reachable);
    }
    if !status.is_success() {
        return Err(client.refusal(&call, response).await);
    }
    // A web page also answers 200: the base URL is then that of a site, not of an API.
    let body = client.body(&call, &mut response).await?;
    match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Ok(Checked::Accepted),
        Err(_) => Err(call.garbage(status, "with something that is no JSON", &body)),
    }
}
