//! What a webhook says, and its signature.

use base64::prelude::*;
use bytes::Bytes;
use filmgate_domain::{CallerId, Job, JobState, Secret, Timestamp};
use filmgate_engine::{Answered, OutsideError};
use filmgate_store::{Delivery, EventId, StoreError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::App;
use crate::dialect::openai;

/// What every secret begins with.
const PREFIX: &str = "whsec_";

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a webhook says of a video, as the Video object has it. All of it stands still once the video has ended:
/// a retry has the same body, byte for byte. The prompt is not part of it.
const OF_VIDEO: [&str; 11] = [
    "id",
    "object",
    "model",
    "status",
    "created_at",
    "completed_at",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
    "filmgate",
];

/// Something to tell.
pub(crate) struct Event {
    pub(crate) id: EventId,
    created_at: Timestamp,
    kind: &'static str,
    data: Value,
}

impl Event {
    /// The end of a job.
    pub(crate) fn ended(app: &App, delivery: &Delivery, job: &Job) -> Self {
        let mut video = json!(openai::render(app, job));
        let mut data = Map::new();
        for key in OF_VIDEO {
            data.insert(key.to_owned(), video[key].take());
        }
        // What the xAI dialect calls it.
        data.insert("request_id".to_owned(), json!(job.id.to_string()));
        let kind = match delivery.event {
            JobState::Completed => "video.completed",
            _ => "video.failed",
        };
        Self { id: delivery.id, created_at: delivery.created_at, kind, data: Value::Object(data) }
    }

    /// An event that says no more than that webhooks arrive.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn test(caller: CallerId, now: Timestamp) -> Result<Self, StoreError> {
        let data = json!({ "caller": caller });
        Ok(Self { id: EventId::new(now)?, created_at: now, kind: "webhook.test", data })
    }

    fn body(&self) -> String {
        let event = json!({
            "id": self.id.to_string(), "object": "event", "created_at": self.created_at.as_seconds(),
            "type": self.kind, "data": self.data,
        });
        event.to_string()
    }

    /// Sends it once, signed with each of the secrets.
    pub(crate) async fn send(
        &self,
        app: &App,
        url: &str,
        secrets: &[Secret],
    ) -> Result<Answered, OutsideError> {
        let body = self.body();
        let headers = headers(self.id, app.engine.time_elsewhere(), &body, secrets);
        let (outside, time) = (app.engine.settings().outside.clone(), app.settings.load().webhooks.timeout);
        outside.post(url, headers, Bytes::from(body), time).await
    }
}

/// The headers of a webhook sent now. A receiver takes it for genuine if one of the signatures is that of the
/// secret it knows.
fn headers(id: EventId, now: Timestamp, body: &str, secrets: &[Secret]) -> HeaderMap {
    let (id, timestamp) = (id.to_string(), now.as_seconds().to_string());
    let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, &id, &timestamp, body)).collect();
    let value = |text: &str| HeaderValue::from_str(text).expect("ids, numbers and base64 are plain ASCII");
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ID, value(&id)),
        (TIMESTAMP, value(&timestamp)),
        (SIGNATURE, value(&signatures.join(" "))),
    ])
}

/// `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`.
fn sign(secret: &Secret, id: &str, timestamp: &str, body: &str) -> String {
    let text = secret.expose();
    let key = BASE64_STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text));
    let key = key.expect("secrets are made by `new_secret`, and sealed");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// A fresh secret: 32 random bytes.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn new_secret() -> std::io::Result<Secret> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(Secret::new(format!("{PREFIX}{}", BASE64_STANDARD.encode(random))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks text's own libraries.
    #[test]
    fn the_signature_is_the_standards() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        assert_eq!(sign(&secret, id, "1614265330", body), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [new_secret().unwrap(), new_secret().unwrap()];
        let (id, now) = (EventId::from_bytes([7; 16]), Timestamp::from_millis(1_764_000_000_999));
        let headers = headers(id, now, "{}", &secrets);
        assert_eq!(headers["webhook-timestamp"], "1764000000");
        let signatures: Vec<&str> = headers["webhook-signature"].to_str().unwrap().split(' ').collect();
        assert_eq!(signatures.len(), 2);
        for (secret, signature) in secrets.iter().zip(signatures) {
            assert_eq!(secret.expose().len(), "whsec_".len() + 44);
            assert_eq!(signature, sign(secret, &id.to_string(), "1764000000", "{}"));
        }
    }
}
