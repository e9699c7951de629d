//! Authenticated encryption of one value: XChaCha20-Poly1305, a random nonce, and the row's identity as associated
//! data, so that a sealed value cannot be moved to another row, column or table.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// 256 secret bits; wiped when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

/// Where a sealed value stands; authenticated with it.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub table: &'static str,
    pub id: &'a [u8],
    pub column: &'static str,
}

/// A sealed value: nonce, ciphertext, tag. Not text, and not to be taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// An opened value; wiped when dropped.
pub type Opened = Zeroizing<Vec<u8>>;

/// The value cannot be opened: another key, another row, or damaged bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value could not be opened: the key is another one or the database is damaged")]
pub struct SealError;

impl Key {
    /// A new random key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| SealError)?;
        Ok(Self(bytes))
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bits themselves, for what is no sealing: a file, a signing key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` for `field`.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, field: &Field<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let payload = Payload { msg: plain, aad: &field.associated() };
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().try_into().map_err(|_| SealError)?);
        let secret = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(NONCE + secret.len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&secret);
        Ok(Sealed(sealed))
    }

    /// Opens what [`Key::seal`] sealed for the same field.
    ///
    /// # Errors
    /// When key, field or bytes are not those of the sealing.
    pub fn open(&self, field: &Field<'_>, sealed: &Sealed) -> Result<Opened, SealError> {
        let (nonce, secret) = sealed.0.split_at_checked(NONCE).ok_or(SealError)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError)?;
        let payload = Payload { msg: secret, aad: &field.associated() };
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().try_into().map_err(|_| SealError)?);
        cipher.decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
    }

    /// Wraps another key under this one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn wrap(&self, field: &Field<'_>, inner: &Self) -> Result<Sealed, SealError> {
        self.seal(field, inner.0.as_slice())
    }

    /// Unwraps what [`Key::wrap`] wrapped.
    ///
    /// # Errors
    /// As [`Key::open`].
    pub fn unwrap_key(&self, field: &Field<'_>, wrapped: &Sealed) -> Result<Self, SealError> {
        let opened = self.open(field, wrapped)?;
        let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| SealError)?;
        Ok(Self::from_bytes(bytes))
    }
}

impl Field<'_> {
    /// `table NUL column NUL id`: names hold no NUL, so two fields never read alike.
    fn associated(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.table.len() + self.column.len() + self.id.len() + 2);
        bytes.extend_from_slice(self.table.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.column.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.id);
        bytes
    }
}

impl Sealed {
    /// The bytes as the database keeps them.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
    #[must_use]
    pub fn as_stored(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Field<'static> = Field { table: "messages", id: &[7; 16], column: "view" };

    #[test]
    fn opens_only_with_the_same_key_and_place() {
        let key = Key::generate().unwrap();
        let sealed = key.seal(&FIELD, b"words").unwrap();
        assert_eq!(key.open(&FIELD, &sealed).unwrap().as_slice(), b"words");
        assert!(Key::generate().unwrap().open(&FIELD, &sealed).is_err());
        for other in [
            Field { table: "parties", ..FIELD },
            Field { column: "raw", ..FIELD },
            Field { id: &[8; 16], ..FIELD },
        ] {
            assert_eq!(key.open(&other, &sealed).unwrap_err(), SealError);
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = Key::generate().unwrap();
        let sealed = key.seal(&FIELD, b"words").unwrap();
        for at in 0..sealed.0.len() {
            let mut bytes = sealed.0.clone();
            bytes[at] ^= 1;
            assert!(key.open(&FIELD, &Sealed(bytes)).is_err());
        }
        assert!(key.open(&FIELD, &Sealed(Vec::new())).is_err());
    }
}
