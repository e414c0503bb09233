//! An upstream credential of the operator, and everything known about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Timestamp, TokenId};

/// A credential's text. Printing it, in any format, shows its first characters only.
///
/// Clones share the text; it is wiped from memory when the last one is dropped.
#[derive(Clone)]
pub struct Secret(Arc<SecretString>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(SecretString::from(text.into())))
    }

    /// The text itself, for the one place that sends or seals it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The first ten characters, or fewer where ten would be more than a third of the text.
    pub fn preview(&self) -> &str {
        let text = self.expose();
        let wanted = (text.chars().count() / 3).min(10);
        let end = text.char_indices().nth(wanted).map_or(text.len(), |(at, _)| at);
        &text[..end]
    }
}

/// `eyJ0eXAiOi...`
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}...", self.preview())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// Whether a token may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may be chosen, as far as quota and limits go.
    Active,
    /// Not until [`TokenInfo::cooling_until`]; then it is active again by itself.
    Cooling,
    /// The upstream refused it too often; only an operator's reset brings it back.
    Expired,
    /// An operator switched it off; only an operator switches it on again.
    Disabled,
}

impl TokenStatus {
    /// The word used in the API, the store and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenStatus::Active => "active",
            TokenStatus::Cooling => "cooling",
            TokenStatus::Expired => "expired",
            TokenStatus::Disabled => "disabled",
        }
    }
}

impl fmt::Display for TokenStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for TokenStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        [Self::Active, Self::Cooling, Self::Expired, Self::Disabled]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// A text that names no [`TokenStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token status; use active, cooling, expired or disabled")]
pub struct UnknownStatus;

/// Everything known about a token.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Its name, `tok_7`.
    pub id: TokenId,
    /// The pool it lives in.
    pub pool: Box<str>,
    /// The credential.
    pub token: Secret,
    /// Whether it may be chosen.
    pub status: TokenStatus,
    /// While cooling: when that ends.
    pub cooling_until: Option<Timestamp>,
    /// Units left, as of the last look; `None` where its pool has no quota. Kept by the manager.
    pub quota: Option<u32>,
    /// Units spent that no attempt of ours tells of, and when that was: before the token came in, as its
    /// operator says, or elsewhere since, as its upstream says. They come back one window later, like any others.
    pub opening: Option<(Timestamp, u32)>,
    /// When the operator added it.
    pub created_at: Timestamp,
    /// When it last took a submission.
    pub last_used_at: Option<Timestamp>,
    /// Submissions it took.
    pub use_count: u64,
    /// Refusals blamed on it since its last success.
    pub failures_in_a_row: u32,
    /// Refusals blamed on it, ever.
    pub fail_count: u64,
    /// When it was last blamed.
    pub last_fail_at: Option<Timestamp>,
    /// Why it was last blamed, in the upstream's words (redacted).
    pub last_fail_reason: Option<Box<str>>,
    /// When the upstream last answered it.
    pub last_sync_at: Option<Timestamp>,
    /// The operator's labels.
    pub tags: Vec<String>,
    /// The operator's remark.
    pub note: String,
}

impl TokenInfo {
    /// A fresh, active token.
    pub fn new(id: TokenId, pool: impl Into<Box<str>>, token: Secret, created_at: Timestamp) -> Self {
        Self {
            id,
            pool: pool.into(),
            token,
            status: TokenStatus::Active,
            cooling_until: None,
            quota: None,
            opening: None,
            created_at,
            last_used_at: None,
            use_count: 0,
            failures_in_a_row: 0,
            fail_count: 0,
            last_fail_at: None,
            last_fail_reason: None,
            last_sync_at: None,
            tags: Vec::new(),
            note: String::new(),
        }
    }
}

impl TokenInfo {
    /// Pauses it, if it may be chosen at all. A longer pause is never cut short by a shorter one, and one that ends
    /// at about the same moment (`close`) stays as it is. True when that changed anything.
    pub(crate) fn pause(&mut self, until: Timestamp, close: Duration) -> bool {
        let usable = matches!(self.status, TokenStatus::Active | TokenStatus::Cooling);
        let current = self.cooling_until.filter(|_| self.status == TokenStatus::Cooling);
        if !usable || current.is_some_and(|current| current + close >= until) {
            return false;
        }
        self.status = TokenStatus::Cooling;
        self.cooling_until = Some(until);
        true
    }
}

/// What a token did wrong, in its upstream's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The upstream did not accept the credential (401, 402, 403).
    Unauthorized {
        /// The upstream's words, redacted.
        reason: Box<str>,
    },
    /// The upstream wants a pause (429). Rate limited is not invalid: this never expires a token.
    RateLimited {
        /// When the upstream said to come back, if it did.
        until: Option<Timestamp>,
        /// The upstream's words, redacted.
        reason: Box<str>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_its_first_characters_only() {
        let secret = Secret::new("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.body.signature");
        assert_eq!(secret.to_string(), "eyJ0eXAiOi...");
        assert_eq!(format!("{secret:?}"), "Secret(eyJ0eXAiOi...)");
    }

    #[test]
    fn a_short_secret_shows_less() {
        assert_eq!(Secret::new("abcdef").to_string(), "ab...");
        assert_eq!(Secret::new("a").to_string(), "...");
        assert_eq!(Secret::new("").to_string(), "...");
        assert_eq!(Secret::new("日本語テキスト").to_string(), "日本...");
    }
}
