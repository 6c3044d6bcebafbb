//! One entry of `services` to `model::endpoint`: the service, and a tool for each endpoint.

use std::net::IpAddr;
use std::sync::Arc;

use jsonc_parser::ast::Value as Ast;
use url::{Host, Url};

use super::auth;
use super::endpoint;
use super::load::Found;
use super::node::{Entry, Fields, Keys, Reader, Spanned, Unset, did_you_mean, opening};
use crate::model::endpoint::{Auth, Service};
use crate::model::name::ToolName;

const SERVICE: Keys = Keys {
    what: "a service",
    read: &["name", "transport", "baseURL", "auth", "endpoints"],
    not_yet: &[],
    tuning: &["retry", "circuitBreaker"],
    idle: &["command", "args", "env", "toolRefreshInterval", "callTimeout"],
};
/// Transports of the format that are still to come.
const NOT_YET: &[&str] = &["mcp_stdio", "mcp_http", "mcp_sse"];

/// Reads one service.
pub(super) fn read(cx: &mut Reader<'_>, entry: Entry<'_>) -> Vec<Found> {
    let Some(transport) = transport(cx, entry) else { return Vec::new() };
    if let Transport::Hub(hub) = transport {
        cx.not_yet(hub.span, &format!("transport `{}`", hub.value));
        return Vec::new();
    }
    let Some(fields) = cx.fields(entry.value, &SERVICE) else { return Vec::new() };
    let key = key(cx, entry);
    let name = fields.required_text(cx, "name", Unset::Warn);
    let auth = auth::read(cx, &fields);
    let base = base_url(cx, &fields, auth.as_ref());
    if fields.get("baseURL").is_none() {
        fields.missing(cx, "baseURL");
    }
    let Some(endpoints) = fields.get("endpoints") else {
        fields.missing(cx, "endpoints");
        return Vec::new();
    };
    let Some(items) = cx.list(endpoints.value, "`endpoints` of a service") else {
        return Vec::new();
    };
    if items.is_empty() {
        cx.error(opening(endpoints.value), "a service has no endpoints", "add one");
    }
    // A service that is not whole still has its endpoints read, for what is wrong with them.
    let service = Arc::new(Service {
        key,
        name: name.map(|name| name.value).unwrap_or_default(),
        auth: auth.unwrap_or(Auth::None),
    });
    items.iter().filter_map(|item| endpoint::read(cx, item, &service, base.as_ref())).collect()
}

/// The key, or one that does, so that a wrong key is reported once and not with each endpoint.
fn key(cx: &mut Reader<'_>, entry: Entry<'_>) -> String {
    match entry.key.parse::<ToolName>() {
        Ok(_) => entry.key.to_owned(),
        Err(error) => {
            let message = format!("the key of a service {error}");
            cx.error(entry.key_span, message, "the key begins the names of the service's tools");
            "service".to_owned()
        }
    }
}

/// What a service speaks.
enum Transport {
    /// HTTP, as its endpoints say.
    Api,
    /// MCP; the value as it was written.
    Hub(Spanned<String>),
}

fn transport(cx: &mut Reader<'_>, entry: Entry<'_>) -> Option<Transport> {
    // Which keys are right depends on this one, so the object is looked at before it is opened.
    let Ast::Object(object) = entry.value else {
        cx.fields(entry.value, &SERVICE);
        return None;
    };
    let mut properties = object.properties.iter().rev();
    let property =
        properties.find(|property| property.name.as_str().eq_ignore_ascii_case("transport"));
    let Some(property) = property else { return Some(Transport::Api) };
    if matches!(property.value, Ast::NullKeyword(_)) {
        return Some(Transport::Api);
    }
    let text = cx.text(&property.value, "`transport` of a service", Unset::Refuse)?;
    match text.value.as_str() {
        "" | "api" => Some(Transport::Api),
        other if NOT_YET.contains(&other) => Some(Transport::Hub(text)),
        other => {
            let help = did_you_mean(other, &[&["api"], NOT_YET].concat());
            let written = cx.written(text.span);
            cx.error(text.span, format!("`{written}` is no transport"), help);
            None
        }
    }
}

/// Reads and judges `baseURL` of a service or an endpoint, if it is there.
pub(super) fn base_url(
    cx: &mut Reader<'_>,
    fields: &Fields<'_>,
    auth: Option<&Auth>,
) -> Option<Url> {
    fields.get("baseURL")?;
    let text = fields.required_text(cx, "baseURL", Unset::Refuse)?;
    let what = fields.name("baseURL");
    let mut refuse = |why: &str, help: &str| {
        cx.error(text.span, format!("{what} {why}"), help);
        None
    };
    // The text may come from the environment: it is not quoted.
    let Ok(url) = Url::parse(text.value.trim()) else {
        return refuse("is no URL", "write it whole, `https://host/path`");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("is neither http nor https", "");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("carries a user name or password", "credentials belong in `auth`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("carries a query or a fragment", "put them in parameters");
    }
    if matches!(auth, Some(Auth::Bearer(_))) && url.scheme() == "http" && !is_loopback(&url) {
        let message = "the token is sent over http, readable on the way";
        cx.warning(text.span, message, "use https");
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}
