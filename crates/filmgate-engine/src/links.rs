//! Signed links to videos: whoever has one can watch, for as long as it says.

use std::time::Duration;

use filmgate_domain::{JobId, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Makes and checks links.
#[derive(Clone)]
pub(crate) struct Links {
    key: [u8; 32],
}

impl Links {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// `{public_url}/media/{id}.mp4?expires=…&signature=…`, working until `now + ttl`, to the second.
    pub(crate) fn make(&self, public_url: &str, job: JobId, now: Timestamp, ttl: Duration) -> String {
        let expires = (now + ttl).as_seconds();
        let signature = hex::encode(self.mac(job, expires).finalize().into_bytes());
        format!("{public_url}/media/{job}.mp4?expires={expires}&signature={signature}")
    }

    /// Whether a link was made here and still works.
    pub(crate) fn check(&self, job: JobId, expires: i64, signature: &str, now: Timestamp) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        // verify_slice compares in constant time.
        now.as_seconds() <= expires && self.mac(job, expires).verify_slice(&signature).is_ok()
    }

    fn mac(&self, job: JobId, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(job.as_bytes());
        mac.update(&expires.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_end_and_cannot_be_altered() {
        let links = Links::new([7; 32]);
        let (job, other) = (JobId::from_bytes([1; 16]), JobId::from_bytes([2; 16]));
        let now = Timestamp::from_millis(1_000_000);
        let link = links.make("http://h", job, now, Duration::from_secs(60));
        let signature = link.split("signature=").nth(1).unwrap();
        assert!(link.starts_with("http://h/media/01010101-0101-0101-0101-010101010101.mp4?expires=1060&"));
        assert!(links.check(job, 1060, signature, now));
        assert!(links.check(job, 1060, signature, now + Duration::from_secs(60)));
        assert!(!links.check(job, 1060, signature, now + Duration::from_secs(61)));
        assert!(!links.check(job, 1061, signature, now));
        assert!(!links.check(other, 1060, signature, now));
        assert!(!links.check(job, 1060, "", now));
        assert!(!links.check(job, 1060, "zz", now));
        assert!(!Links::new([8; 32]).check(job, 1060, signature, now));
    }
}
