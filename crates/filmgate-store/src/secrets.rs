//! The master key, and what is made from it: sealed values, fingerprints, keys for other purposes.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use sha2::{Digest, Sha256};

use crate::StoreError;

/// The version of a database's first master key; each that takes its place has the next. It is part of what a
/// sealed value is bound to.
pub(crate) const FIRST_VERSION: i64 = 1;

const NONCE_LEN: usize = 24;

/// The key that everything secret on disk depends on: 32 random bytes. It never prints itself.
pub struct MasterKey(SecretBox<[u8; 32]>);

/// A text that is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a master key: it has to be 64 hex digits")]
pub struct NotAMasterKey;

impl MasterKey {
    /// A fresh key.
    ///
    /// # Panics
    /// When the system has no random bytes to give; nothing secret can be done then.
    pub fn generate() -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| {
            getrandom::fill(bytes).expect("the system gives random bytes");
        }))
    }

    /// The key behind 64 hex digits; white space around them does not matter.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, NotAMasterKey> {
        let mut key = SecretBox::new(Box::new([0; 32]));
        hex::decode_to_slice(text.trim(), key.expose_secret_mut()).map_err(|_| NotAMasterKey)?;
        Ok(Self(key))
    }

    /// The key as 64 hex digits, for the file that keeps it and nothing else.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.expose_secret())
    }

    /// A key for another purpose: always the same for the same words, and no way back to this one.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac(self.0.expose_secret(), &[b"filmgate:", purpose.as_bytes()])
    }
}

impl Clone for MasterKey {
    fn clone(&self) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| *bytes = *self.0.expose_secret()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// SHA-256 of a client key: all that is kept of it. Client keys are random, so that no slow hash is needed.
pub fn hash_key(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Where a sealed value lives. It opens there and nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: i64,
    pub(crate) key_version: i64,
}

/// Seals values, and tells equal secrets without opening them.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    fingerprints: SecretBox<[u8; 32]>,
    mark: [u8; 32],
    version: i64,
}

impl Sealer {
    /// A sealer with a database's first key.
    pub(crate) fn new(key: &MasterKey) -> Self {
        let sealing = SecretBox::new(Box::new(key.derive("seal")));
        Self {
            cipher: XChaCha20Poly1305::new(sealing.expose_secret().into()),
            fingerprints: SecretBox::new(Box::new(key.derive("fingerprint"))),
            mark: key.derive("mark"),
            version: FIRST_VERSION,
        }
    }

    /// The same with a key that is a database's first no more.
    pub(crate) fn of_version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    /// Which of the database's master keys this is.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Tells this key from others, and says nothing about it.
    pub(crate) fn mark(&self) -> &[u8; 32] {
        &self.mark
    }

    /// HMAC-SHA256 of a secret: equal for equal secrets, and useless without the key.
    pub(crate) fn fingerprint(&self, secret: &str) -> [u8; 32] {
        hmac(self.fingerprints.expose_secret(), &[secret.as_bytes()])
    }

    /// Seals `text` for its place: nonce, then ciphertext and tag.
    pub(crate) fn seal(&self, place: Place, text: &str) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|e| StoreError::NoRandomness(e.to_string()))?;
        let aad = place.to_bytes();
        let payload = Payload { msg: text.as_bytes(), aad: &aad };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| place.unsealable())?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open(&self, place: Place, sealed: &[u8]) -> Result<String, StoreError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(|| place.unsealable())?;
        let aad = place.to_bytes();
        let payload = Payload { msg: sealed, aad: &aad };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| place.unsealable())?;
        String::from_utf8(text).map_err(|_| place.unsealable())
    }
}

impl Place {
    fn to_bytes(self) -> Vec<u8> {
        let Self { table, column, row, key_version } = self;
        format!("{table}:{row}:{column}:{key_version}").into_bytes()
    }

    fn unsealable(self) -> StoreError {
        StoreError::Unsealable { table: self.table, column: self.column, row: self.row }
    }
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn place() -> Place {
        Place { table: "tokens", column: "sealed", row: 7, key_version: 1 }
    }

    #[test]
    fn a_key_reads_back_and_never_shows_itself() {
        let key = MasterKey::from_hex(&format!(" {HEX}\n")).unwrap();
        assert_eq!(key.to_hex(), HEX);
        assert_eq!(key.clone().to_hex(), HEX);
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
        for wrong in ["", "00", &HEX[1..], &HEX.replace('0', "g"), &format!("{HEX}00")] {
            assert_eq!(MasterKey::from_hex(wrong).unwrap_err(), NotAMasterKey, "{wrong}");
        }
    }

    #[test]
    fn fresh_keys_differ() {
        assert_ne!(MasterKey::generate().to_hex(), MasterKey::generate().to_hex());
    }

    #[test]
    fn derived_keys_depend_on_key_and_purpose() {
        let key = MasterKey::from_hex(HEX).unwrap();
        assert_eq!(key.derive("links"), key.derive("links"));
        assert_ne!(key.derive("links"), key.derive("seal"));
        assert_ne!(key.derive("links"), MasterKey::generate().derive("links"));
    }

    /// Computed with Python: hmac.new(bytes(range(32)), b"filmgate:links", "sha256"), hashlib.sha256(b"abc").
    #[test]
    fn hashes_are_the_standard_ones() {
        let key = MasterKey::from_hex(HEX).unwrap();
        assert_eq!(
            hex::encode(key.derive("links")),
            "273b18ef58ba14374b9f2013e595a141a5f3297acdd1800b2347fd4f51d6c6fe"
        );
        assert_eq!(
            hex::encode(hash_key("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_only() {
        let sealer = Sealer::new(&MasterKey::from_hex(HEX).unwrap());
        let sealed = sealer.seal(place(), "s3cret").unwrap();
        assert_eq!(sealer.open(place(), &sealed).unwrap(), "s3cret");

        let elsewhere = [
            Place { table: "keys", ..place() },
            Place { column: "note", ..place() },
            Place { row: 8, ..place() },
            Place { key_version: 2, ..place() },
        ];
        for other in elsewhere {
            assert_eq!(sealer.open(other, &sealed), Err(other.unsealable()), "{other:?}");
        }
        let stranger = Sealer::new(&MasterKey::generate());
        assert_eq!(stranger.open(place(), &sealed), Err(place().unsealable()));
    }

    #[test]
    fn every_byte_of_a_sealed_value_counts() {
        let sealer = Sealer::new(&MasterKey::from_hex(HEX).unwrap());
        let sealed = sealer.seal(place(), "s3cret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(place(), &changed).is_err(), "byte {at}");
            assert!(sealer.open(place(), &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_ne!(sealer.seal(place(), "s3cret").unwrap(), sealed, "a nonce is used once");
    }

    #[test]
    fn fingerprints_depend_on_the_key() {
        let (one, other) = (Sealer::new(&MasterKey::generate()), Sealer::new(&MasterKey::generate()));
        assert_eq!(one.fingerprint("a"), one.fingerprint("a"));
        assert_ne!(one.fingerprint("a"), one.fingerprint("b"));
        assert_ne!(one.fingerprint("a"), other.fingerprint("a"));
    }
}
