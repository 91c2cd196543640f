//! JSON as strict as JOSE wants it: no member name twice (RFC 7515 section 4, RFC 7519 section 4).
//!
//! What is read borrows from the text it is read from: a token is looked at once, and nothing of it has to be kept.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value none of whose objects names a member twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

impl Json<'_> {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub const fn as_object(&self) -> Option<&Object<'_>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// A JSON object that names no member twice.
///
/// The members are ordered by the lengths of their names, which differ mostly, and then by those.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// Reads one JSON object with nothing after it; a name that is there twice, at any depth, spoils it.
    ///
    /// Nothing where it is not that. The size is the caller's to bound; the depth is bounded.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        match serde_json::from_slice(octets) {
            Ok(Json::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The value of the member of that name.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let found = self.0.binary_search_by(|(other, _)| order(other, name));
        found.ok().map(|at| &self.0[at].1)
    }

    /// Whether there is a member of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every name and its value.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Takes out the members that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&str, &Json<'a>) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }
}

fn order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// What [`Object::read`] reads, for whoever has to keep it.
pub fn object(octets: &[u8]) -> Option<Map<String, Value>> {
    Object::read(octets).map(Map::from)
}

impl From<Object<'_>> for Map<String, Value> {
    fn from(object: Object<'_>) -> Self {
        let members = object.0.into_iter();
        members
            .map(|(name, value)| (name.into_owned(), value.into()))
            .collect()
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::Number(number),
            Json::Text(text) => Self::String(text.into_owned()),
            Json::Array(elements) => Self::Array(elements.into_iter().map(Self::from).collect()),
            Json::Object(object) => Self::Object(object.into()),
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate member names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        let number = Number::from_f64(value);
        number
            .map(Json::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json<'de>, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = entries.next_entry()? {
            members.push((name, value));
        }
        members.sort_unstable_by(|(one, _), (other, _)| order(one, other));
        if members.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(A::Error::custom("a member name is there twice"));
        }
        Ok(Json::Object(Object(members)))
    }
}

/// The name of a member: serde copies a `Cow` that is read by itself.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unique_names_only() {
        let same = r#"{"a":[1,-2,2.5,true,null,"x"],"b":{"a":{}},"\u0063\n":"\u00e9"}"#;
        let plain: Value = serde_json::from_str(same).expect("JSON");
        assert_eq!(object(same.as_bytes()).map(Value::Object), Some(plain));
        for wrong in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":1}"#,
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
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None);
        assert_eq!(object("[".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn text_is_borrowed_where_it_is_as_written() {
        let read = Object::read(br#"{"b":"x","a":"\"","\u0063":null}"#).expect("an object");
        assert!(matches!(
            read.get("b"),
            Some(Json::Text(Cow::Borrowed("x")))
        ));
        assert_eq!(read.get("a").and_then(Json::as_str), Some("\""));
        assert!(read.has("c") && !read.has("d") && !read.has(""));
        assert!(
            read.0
                .iter()
                .take(2)
                .all(|(name, _)| matches!(name, Cow::Borrowed(_)))
        );
        let names: Vec<&str> = read.members().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    proptest! {
        #[test]
        fn as_any_reader_of_json_has_it(members in proptest::collection::btree_map(".{0,4}", any::<Option<i64>>(), 0..40)) {
            let plain = serde_json::json!(members);
            let text = plain.to_string();
            let read = Object::read(text.as_bytes()).expect("an object");
            for (name, value) in &members {
                let found = read.get(name).cloned().map(Value::from);
                prop_assert_eq!(found, Some(serde_json::json!(value)));
            }
            prop_assert_eq!(Value::Object(read.into()), plain);
        }
    }
}
