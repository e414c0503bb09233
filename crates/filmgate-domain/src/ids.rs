//! Names that never change and are never reused.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// A job's identity: 128 bits (UUID version 7, so ids sort by creation time).
///
/// Clients see it in two spellings, which belong to the dialects: `video_` + 32 hex, or a hyphenated UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A fresh id for a job created at `now`.
    pub fn new(now: Timestamp, rng: &mut impl Rng) -> Self {
        let mut random = [0; 10];
        rng.fill_bytes(&mut random);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id behind these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, big-endian: they sort like the ids.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id as 32 lower-case hex digits.
    pub fn simple(&self) -> String {
        self.0.simple().to_string()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no job id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

/// Takes the hyphenated spelling and the 32 hex digits, in lower case, and nothing else.
impl FromStr for JobId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let plain = matches!(text.len(), 32 | 36) && !text.contains(|c: char| c.is_ascii_uppercase());
        if !plain {
            return Err(NotAnId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
    }
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let digits = text.strip_prefix($prefix).ok_or(NotAnId)?;
                if !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(NotAnId);
                }
                digits.parse().map(Self).map_err(|_| NotAnId)
            }
        }
    };
}

numbered!(
    /// An upstream credential of the operator, written `tok_7`.
    TokenId,
    "tok_"
);
numbered!(
    /// Who owns jobs, written `caller_7`. A caller may have several client keys.
    CallerId,
    "caller_"
);
numbered!(
    /// A client key, written `key_7`.
    KeyId,
    "key_"
);

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn job_ids_sort_by_time_and_read_back() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let early = JobId::new(Timestamp::from_millis(1_000), &mut rng);
        let late = JobId::new(Timestamp::from_millis(2_000), &mut rng);
        assert!(early < late && early.as_bytes() < late.as_bytes());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.simple().parse(), Ok(early));
        assert_eq!(early.to_string().to_uppercase().parse::<JobId>(), Err(NotAnId));
        assert_eq!("{00000000-0000-7000-8000-000000000000}".parse::<JobId>(), Err(NotAnId));
    }

    #[test]
    fn numbered_ids_read_back() {
        assert_eq!("tok_42".parse(), Ok(TokenId(42)));
        for wrong in ["42", "tok_", "tok_-1", "tok_+1", "key_1", "tok_99999999999999999999"] {
            assert_eq!(wrong.parse::<TokenId>(), Err(NotAnId), "{wrong}");
        }
    }
}
