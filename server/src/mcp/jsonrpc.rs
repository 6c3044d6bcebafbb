//! One JSON-RPC 2.0 message in, one out. The bytes are parsed once, straight into what the methods
//! need; what a method does not need is skipped, and every surprise is kept as a value to be judged,
//! so that a wrong parameter is told apart from a wrong envelope and from broken JSON.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::fault::{Fault, Kind};
use crate::limits;

/// A message of a client.
#[derive(Debug)]
pub enum Message<'a> {
    /// It wants an answer.
    Request(Request<'a>),
    /// It wants none.
    Notification(Notification<'a>),
    /// It answers a request of ours; we send none.
    Response,
}

/// A call with an id.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the answer carries.
    pub id: Id,
    /// The method's name.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// A call without an id.
#[derive(Debug)]
pub struct Notification<'a> {
    /// The method's name.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// A request's id: text or a whole number, never null (MCP, basic, "Requests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// A whole number.
    Number(Number),
    /// Text.
    Text(Box<str>),
}

impl Id {
    /// The id that a value is.
    pub fn of(plain: Plain<'_>) -> Option<Self> {
        match plain {
            Plain::Integer(number) => Some(Self::Number(number)),
            Plain::Text(text) if text.len() <= limits::ID_BYTES => Some(Self::Text(text.into())),
            Plain::Absent | Plain::Null | Plain::Other | Plain::Text(_) => None,
        }
    }
}

/// A message that is none, with its id if that could be read.
#[derive(Debug)]
pub struct Refused {
    /// The message's id.
    pub id: Option<Id>,
    /// What is wrong.
    pub fault: Fault,
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refused> {
        let refused = |kind, text: String| Refused { id: None, fault: Fault::new(kind, text) };
        let text = std::str::from_utf8(body)
            .map_err(|error| refused(Kind::Parse, format!("the body is not UTF-8: {error}")))?;
        let root = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => refused(Kind::Envelope, format!("the message is not valid: {error}")),
            Category::Io | Category::Syntax | Category::Eof => {
                refused(Kind::Parse, format!("the body is not JSON: {error}"))
            }
        })?;
        match root {
            Object::Valid(envelope) => Self::sort(envelope),
            Object::Array => Err(refused(
                Kind::Envelope,
                "batches are not supported: send one message a request".into(),
            )),
            Object::Absent | Object::Null | Object::Other => {
                Err(refused(Kind::Envelope, "a message is a JSON object".into()))
            }
        }
    }

    fn sort(envelope: Envelope<'a>) -> Result<Self, Refused> {
        let Envelope { jsonrpc, id, method, params, result, error } = envelope;
        let wrong =
            |id, text: &'static str| Err(Refused { id, fault: Fault::new(Kind::Envelope, text) });
        let has_id = !matches!(id, Plain::Absent);
        let id = Id::of(id);
        if !matches!(&jsonrpc, Plain::Text(version) if version == "2.0") {
            return wrong(id, "`jsonrpc` must be \"2.0\"");
        }
        if has_id && id.is_none() {
            let max = limits::ID_BYTES;
            let text = format!("`id` must be a whole number or a string of at most {max} bytes");
            return Err(Refused { id, fault: Fault::new(Kind::Envelope, text) });
        }
        let answers = result.0 || error.0;
        let method = match method {
            Plain::Text(method) if !answers => method,
            Plain::Text(_) => {
                return wrong(id, "a message with `method` has no `result` or `error`");
            }
            Plain::Absent if answers => return Ok(Self::Response),
            Plain::Absent => return wrong(id, "`method` is missing"),
            Plain::Null | Plain::Integer(_) | Plain::Other => {
                return wrong(id, "`method` must be a string");
            }
        };
        let params = match params {
            Object::Valid(params) => params,
            Object::Absent | Object::Null => Params::default(),
            Object::Array | Object::Other => {
                let fault = Fault::new(Kind::Params, "`params` must be an object");
                return Err(Refused { id, fault });
            }
        };
        Ok(match id {
            Some(id) => Self::Request(Request { id, method, params }),
            None => Self::Notification(Notification { method, params }),
        })
    }
}

/// The members of a message's root. serde refuses one that comes twice.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Plain<'a>,
    #[serde(borrow, default)]
    id: Plain<'a>,
    #[serde(borrow, default)]
    method: Plain<'a>,
    #[serde(borrow, default)]
    params: Object<Params<'a>>,
    #[serde(default)]
    result: Present,
    #[serde(default)]
    error: Present,
}

/// The parameters that any of our methods reads. Others are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params<'a> {
    /// `_meta`.
    #[serde(rename = "_meta", borrow, default)]
    pub meta: Object<Meta<'a>>,
    /// `name` of `tools/call`.
    #[serde(borrow, default)]
    pub name: Plain<'a>,
    /// `arguments` of `tools/call`.
    #[serde(default)]
    pub arguments: Object<Map<String, Value>>,
    /// `cursor` of the lists.
    #[serde(borrow, default)]
    pub cursor: Plain<'a>,
    /// `protocolVersion` of `initialize`.
    #[serde(borrow, default)]
    pub protocol_version: Plain<'a>,
    /// `requestId` of `notifications/cancelled`.
    #[serde(borrow, default)]
    pub request_id: Plain<'a>,
}

impl Params<'_> {
    /// Whether `_meta` has the member that only requests of the modern era have.
    pub fn names_a_revision(&self) -> bool {
        matches!(&self.meta, Object::Valid(meta) if !matches!(meta.revision, Plain::Absent))
    }
}

/// The members of a request's `_meta` that steer us (2026-07-28, basic, "Per-request protocol
/// fields").
#[derive(Debug, Default, Deserialize)]
pub struct Meta<'a> {
    /// The revision of this request.
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", borrow, default)]
    pub revision: Plain<'a>,
    /// What the client can do.
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", default)]
    pub capabilities: Object<Skipped>,
}

/// A value where text or a whole number may be wanted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Plain<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// A whole number.
    Integer(Number),
    /// `null`.
    Null,
    /// Something else.
    Other,
    /// Text.
    Text(Cow<'a, str>),
}

/// A value where an object is wanted.
#[derive(Debug, Default)]
pub enum Object<T> {
    /// It is not there.
    #[default]
    Absent,
    /// A list.
    Array,
    /// `null`.
    Null,
    /// Something else.
    Other,
    /// An object.
    Valid(T),
}

/// An object whose members do not matter.
#[derive(Debug, Clone, Copy)]
pub struct Skipped;

/// Whether a member is there at all.
#[derive(Debug, Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self(true))
    }
}

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Plain<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Plain<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Plain::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Plain::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Plain::Integer(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Plain::Integer(number.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Plain::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Plain::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Plain::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| Plain::Other)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Object::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Object::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object::Valid)
    }
}

#[cfg(test)]
mod tests;
