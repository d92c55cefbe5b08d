//! A second reading of JSON, without any rule of ours: members stand as they come, twice where they come twice.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use sysext_formats::limits::MAX_DEPTH;

/// JSON as it stands there.
pub(crate) enum Loose {
    Null,
    Bool(bool),
    Integer(i128),
    Float,
    Text(String),
    List(Vec<Loose>),
    Members(Vec<(String, Loose)>),
}

impl Loose {
    /// Whether it keeps the rules of signed documents: no member twice, no float, no deep nesting.
    pub(crate) fn is_strict(&self) -> bool {
        self.depth() <= MAX_DEPTH && self.is_plain()
    }

    fn depth(&self) -> usize {
        let below = match self {
            Self::List(items) => items.iter().map(Self::depth).max(),
            Self::Members(members) => members.iter().map(|(_, member)| member.depth()).max(),
            _ => return 0,
        };
        1 + below.unwrap_or(0)
    }

    fn is_plain(&self) -> bool {
        match self {
            Self::Float => false,
            Self::List(items) => items.iter().all(Self::is_plain),
            Self::Members(members) => {
                let names: std::collections::BTreeSet<_> =
                    members.iter().map(|(name, _)| name).collect();
                names.len() == members.len() && members.iter().all(|(_, member)| member.is_plain())
            }
            _ => true,
        }
    }

    /// Whether `value` says the same.
    pub(crate) fn agrees(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Integer(one), Value::Number(other)) => {
                let other = other
                    .as_i64()
                    .map(i128::from)
                    .or(other.as_u64().map(i128::from));
                other == Some(*one)
            }
            (Self::Text(one), Value::String(other)) => one == other,
            (Self::List(one), Value::Array(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.agrees(other))
            }
            (Self::Members(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .all(|(name, one)| other.get(name).is_some_and(|other| one.agrees(other)))
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsItStands)
    }
}

struct AsItStands;

impl<'de> Visitor<'de> for AsItStands {
    type Value = Loose;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Integer(value.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Loose::Members(members))
    }
}
