//! Keyed hashes: equality look-ups over sealed values. Without the key a stolen database cannot be asked whether
//! it knows an address.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::seal::Key;

/// A keyed hash of one value, for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupHash([u8; 32]);

/// Makes look-up hashes.
#[derive(Clone)]
pub struct Lookup {
    mac: Hmac<Sha256>,
}

impl Lookup {
    pub(super) fn new(key: Key) -> Self {
        let mac = Hmac::<Sha256>::new(&padded(&key));
        Self { mac }
    }

    /// The hash of an e-mail address, folded: local parts are compared without case, as every mail server of our
    /// users does although RFC 5321 section 2.4 would allow otherwise.
    #[must_use]
    pub fn address(&self, address: &str) -> LookupHash {
        self.hash("address", &[address.trim().to_lowercase().as_bytes()])
    }

    /// The hash of a Message-ID without brackets, compared without case (servers rewrite it).
    #[must_use]
    pub fn message_id(&self, id: &str) -> LookupHash {
        self.hash("message-id", &[id.trim().to_lowercase().as_bytes()])
    }

    /// The hash of a reply token, compared without case.
    #[must_use]
    pub fn token(&self, token: &str) -> LookupHash {
        self.hash("token", &[token.to_ascii_lowercase().as_bytes()])
    }

    /// The hash of an API token.
    #[must_use]
    pub fn credential(&self, secret: &str) -> LookupHash {
        self.hash("credential", &[secret.as_bytes()])
    }

    /// The hash of any list of values under a purpose; lengths are part of it, so lists never read alike.
    #[must_use]
    pub fn hash(&self, purpose: &'static str, values: &[&[u8]]) -> LookupHash {
        let mut mac = self.mac.clone();
        for value in std::iter::once(purpose.as_bytes()).chain(values.iter().copied()) {
            mac.update(&(value.len() as u64).to_be_bytes());
            mac.update(value);
        }
        LookupHash(mac.finalize().into_bytes().into())
    }
}

impl Key {
    /// Hashes of the words of a scope, by a key that only the scope's own gives: gone when that is.
    #[must_use]
    pub fn words(&self) -> Lookup {
        Lookup::new(Self::from_bytes(*Lookup::new(self.clone()).hash("words of a scope", &[]).as_stored()))
    }
}

/// HMAC takes keys of a whole block, padded with zeros (RFC 2104).
fn padded(key: &Key) -> hmac::digest::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key.bytes()).for_each(|(to, from)| *to = *from);
    block
}

impl LookupHash {
    #[must_use]
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The first 64 bits, where rows are many and a rare false hit does no harm.
    #[must_use]
    pub fn short(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
    #[must_use]
    pub fn as_stored(&self) -> &[u8; 32] {
        &self.0
    }
}
