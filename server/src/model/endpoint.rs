//! An API tool's request, compiled: what is known at load is already parsed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use url::Url;

use super::param::Placed;
use super::secret::Secret;

/// One HTTP request with holes for the parameters. `Debug` shows of its URL the host alone: a path
/// or a query of the config may have a key in it.
#[derive(Clone)]
pub struct Endpoint {
    /// The service it belongs to.
    pub service: Arc<Service>,
    /// The HTTP method.
    pub method: Method,
    /// Scheme, host, port and path prefix; already judged.
    pub base: Url,
    /// The path below `base`, with its placeholders.
    pub path: PathTemplate,
    /// The query that the config's path carries itself, `a=b&c=d`.
    pub fixed_query: Option<String>,
    /// The parameters, in the config's order.
    pub params: Vec<Placed<ApiPlace>>,
    /// How to read the answer.
    pub response: ResponseKind,
    /// The whole call, from connect to the last byte.
    pub timeout: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("service", &self.service.key)
            .field("method", &self.method)
            .field("host", &self.base.host_str())
            .field("params", &self.params)
            .field("response", &self.response)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What the endpoints of one service share.
#[derive(Debug)]
pub struct Service {
    /// The config's key, the tools' prefix.
    pub key: String,
    /// The display name.
    pub name: String,
    /// How requests are authenticated.
    pub auth: Auth,
}

/// How a service authenticates us.
#[derive(Debug)]
pub enum Auth {
    /// `Authorization: Bearer`, the same for every caller.
    Bearer(Secret),
    /// Not at all.
    None,
}

/// Text and placeholders of a path: `/users/{id}/posts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(pub Vec<PathPart>);

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// As it stands, already fit for a URL.
    Literal(String),
    /// The value of `params[index]`, percent-encoded as one segment (RFC 3986, 3.3).
    Param(usize),
}

/// Where an API parameter's value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiPlace {
    /// The JSON body, under these nested keys.
    Body(Vec<String>),
    /// A header.
    Header(HeaderName),
    /// The path, where the template says.
    Path,
    /// The query, under this name.
    Query(String),
}

/// How to read an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// JSON; also given as structured content when it is an object.
    Json,
    /// Text as it is.
    Text,
}
