//! Strict JSON: what may be inside a signed document at all.
//!
//! - No duplicate keys, no floats, no integers beyond 64 bits, no trailing data, nesting at most
//!   [`MAX_DEPTH`].
//! - The text is parsed once. Everything later (canonical form, typed roles) is made from the value returned here, so
//!   two readers can never see two different documents.
//! - The caller bounds the length first: this module allocates in proportion to its input.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::limits::MAX_DEPTH;

/// Why a text is not strict JSON; the message has line and column.
#[derive(Debug, thiserror::Error)]
#[error("not strict JSON: {0}")]
pub struct JsonError(#[from] serde_json::Error);

/// Parses one JSON document strictly.
///
/// # Errors
/// When `bytes` is not JSON, or is JSON outside the rules of this module.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without floats")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!(
            "{value:e} is not a 64-bit integer, and signed documents hold no other numbers"
        )))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_document_comes_back_as_it_was() {
        let value = parse(br#" {"a":[1,-2,null,true,"x"],"b":{}} "#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":[1,-2,null,true,"x"],"b":{}}"#);
    }

    #[test]
    fn duplicate_keys_are_refused_at_every_level() {
        assert!(message(r#"{"a":1,"a":1}"#).contains("duplicate key \"a\""));
        // The same key, once written with an escape.
        assert!(message(r#"[{"b":{"a":1,"\u0061":2}}]"#).contains("duplicate key \"a\""));
    }

    #[test]
    fn numbers_other_than_64_bit_integers_are_refused() {
        for text in [
            "1.0",
            "1e3",
            "-0.5",
            "18446744073709551616",
            "-9223372036854775809",
        ] {
            assert!(message(text).contains("64-bit integer"), "{text}");
        }
        assert_eq!(parse(b"18446744073709551615").unwrap(), u64::MAX);
    }

    #[test]
    fn trailing_data_is_refused() {
        assert!(message("{} {}").contains("trailing"));
    }

    #[test]
    fn nesting_ends_at_the_limit_and_does_not_overflow_the_stack() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse(&vec![b'['; 100_000_000]).is_err());
    }

    #[test]
    fn nul_and_invalid_utf8_are_refused() {
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse(b"{\"a\":\0}").is_err());
        assert!(parse(b"").is_err());
    }
}
