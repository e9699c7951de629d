//! One record's own key: made with the record, wrapped by the key of its scope, and used for each of its columns.
//! To move a record to another scope is to wrap its key anew.

use super::seal::{Field, Key, Opened, SealError, Sealed};

/// The opened key of one record, bound to the record's table and identity.
pub struct Record {
    key: Key,
    table: &'static str,
    id: Vec<u8>,
}

impl Record {
    /// A new record under `scope`, and its wrapped key as stored beside it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn create(scope: &Key, table: &'static str, id: &[u8]) -> Result<(Self, Sealed), SealError> {
        let record = Self { key: Key::generate()?, table, id: id.to_vec() };
        let wrapped = record.wrapped_for(scope)?;
        Ok((record, wrapped))
    }

    /// Opens a stored record's key.
    ///
    /// # Errors
    /// When scope, table or identity are others than when it was wrapped.
    pub fn open(scope: &Key, table: &'static str, id: &[u8], wrapped: &Sealed) -> Result<Self, SealError> {
        let key = scope.unwrap_key(&Field { table, id, column: "key" }, wrapped)?;
        Ok(Self { key, table, id: id.to_vec() })
    }

    /// The record's key, wrapped for a (new) scope.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn wrapped_for(&self, scope: &Key) -> Result<Sealed, SealError> {
        scope.wrap(&self.field("key"), &self.key)
    }

    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, column: &'static str, plain: &[u8]) -> Result<Sealed, SealError> {
        self.key.seal(&self.field(column), plain)
    }

    /// # Errors
    /// When the bytes are not those sealed for this column of this record.
    pub fn read(&self, column: &'static str, sealed: &Sealed) -> Result<Opened, SealError> {
        self.key.open(&self.field(column), sealed)
    }

    /// Seals one chunk of a large value: its place and whether it is the last are authenticated, so that chunks
    /// can be neither reordered nor cut off.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal_chunk(&self, seq: u32, last: bool, plain: &[u8]) -> Result<Sealed, SealError> {
        self.key.seal(&self.chunk_field(&self.chunk_id(seq, last)), plain)
    }

    /// # Errors
    /// When the chunk is not the one sealed for this place.
    pub fn read_chunk(&self, seq: u32, last: bool, sealed: &Sealed) -> Result<Opened, SealError> {
        self.key.open(&self.chunk_field(&self.chunk_id(seq, last)), sealed)
    }

    fn field(&self, column: &'static str) -> Field<'_> {
        Field { table: self.table, id: &self.id, column }
    }

    fn chunk_field<'a>(&self, id: &'a [u8]) -> Field<'a> {
        Field { table: "chunks", id, column: "data" }
    }

    fn chunk_id(&self, seq: u32, last: bool) -> Vec<u8> {
        let mut id = self.id.clone();
        id.extend_from_slice(&seq.to_be_bytes());
        id.push(u8::from(last));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_to_another_scope_only_rewraps() {
        let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
        let (record, wrapped) = Record::create(&old, "messages", &[1; 16]).unwrap();
        let sealed = record.seal("view", b"words").unwrap();
        let moved = Record::open(&old, "messages", &[1; 16], &wrapped).unwrap().wrapped_for(&new).unwrap();
        let opened = Record::open(&new, "messages", &[1; 16], &moved).unwrap();
        assert_eq!(opened.read("view", &sealed).unwrap().as_slice(), b"words");
        assert!(Record::open(&old, "messages", &[1; 16], &moved).is_err());
    }

    #[test]
    fn chunks_can_be_neither_reordered_nor_cut_off() {
        let scope = Key::generate().unwrap();
        let (record, _) = Record::create(&scope, "messages", &[1; 16]).unwrap();
        let chunk = record.seal_chunk(0, false, b"first").unwrap();
        assert_eq!(record.read_chunk(0, false, &chunk).unwrap().as_slice(), b"first");
        assert!(record.read_chunk(1, false, &chunk).is_err());
        assert!(record.read_chunk(0, true, &chunk).is_err());
    }
}
