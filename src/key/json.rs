//! JSON as strict as JOSE wants it: no member name twice (RFC 7515 section 4, RFC 7519 section 4).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads one JSON object with nothing after it; a name that is there twice, at any depth, spoils it.
///
/// Nothing where it is not that. The size is the caller's to bound; the depth is bounded.
pub fn object(octets: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice::<Unique>(octets) {
        Ok(Unique(Value::Object(members))) => Some(members),
        _ => None,
    }
}

/// A value none of whose objects names a member twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate member names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member name is there twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_names_only() {
        let same = r#"{"a":[1,-2,2.5,true,null,"x"],"b":{"a":{}}}"#;
        let plain: Value = serde_json::from_str(same).expect("JSON");
        assert_eq!(object(same.as_bytes()).map(Value::Object), Some(plain));
        for wrong in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"b":1}]}"#,
            r#"{"a":1} {}"#,
            r#"{"a":1e400}"#,
            "[]",
            "1",
            "",
            "{'a':1}",
        ] {
            assert_eq!(object(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(object(&[b'[', 0xff]), None);
        assert_eq!(object("[".repeat(100_000).as_bytes()), None);
    }
}
