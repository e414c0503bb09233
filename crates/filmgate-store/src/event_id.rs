//! The ids of webhooks.

use std::fmt;
use std::str::FromStr;

use filmgate_domain::Timestamp;

use crate::StoreError;

/// A webhook's id, which stays the same however often it is sent: 128 bits that sort by time, written `evt_` and
/// 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// A fresh id.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(now: Timestamp) -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes[6..]).map_err(|e| StoreError::NoRandomness(e.to_string()))?;
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        Ok(Self(bytes))
    }

    /// The id behind these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Six bytes of time, then ten random ones.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{}", hex::encode(self.0))
    }
}

/// A text that is no id of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NoEventId;

impl FromStr for EventId {
    type Err = NoEventId;
    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let digits = text.strip_prefix("evt_").ok_or(NoEventId)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NoEventId)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_sort_by_time() {
        let early = EventId::new(Timestamp::from_millis(1_764_000_000_000)).unwrap();
        let late = EventId::new(Timestamp::from_millis(1_764_000_000_001)).unwrap();
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        for wrong in ["", "evt_", "evt_00", &early.to_string()[4..], "video_00000000000000000000000000000000"]
        {
            assert_eq!(wrong.parse::<EventId>(), Err(NoEventId), "{wrong}");
        }
    }
}
