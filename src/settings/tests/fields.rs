//! Which keys a type can be read from: asks its `Deserialize`, following one key at a time.

use std::cell::RefCell;

use serde::de::value::Error;
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};

type Keys = Vec<&'static str>;

/// The paths of all keys of `T`, inner ones after their tables.
pub fn of<T: for<'de> Deserialize<'de>>() -> Vec<Keys> {
    let mut found: Vec<Keys> = Vec::new();
    let mut waiting: Vec<Keys> = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let fields = RefCell::new(Vec::new());
        // The outcome is an error always: nothing has a value here.
        assert!(
            T::deserialize(Follow { path: &path, fields: &fields }).is_err() || fields.borrow().is_empty()
        );
        for field in fields.into_inner() {
            let mut inner = path.clone();
            inner.push(field);
            found.push(inner.clone());
            waiting.push(inner);
        }
    }
    found
}

/// Goes down `path` and notes the fields of what is there.
struct Follow<'a> {
    path: &'a [&'static str],
    fields: &'a RefCell<Keys>,
}

impl<'de> de::Deserializer<'de> for Follow<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("a single value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            self.fields.replace(fields.to_vec());
            return Err(de::Error::custom("noted"));
        }
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> de::SeqAccess<'de> for Follow<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(Follow { path: self.path, fields: self.fields }).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Follow<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        seed.deserialize(self.path[0].into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Follow { path: &self.path[1..], fields: self.fields })
    }
}
