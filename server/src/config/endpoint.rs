//! One entry of `endpoints` to a tool that asks an API.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, header};
use jsonc_parser::ast::Value as Ast;
use url::Url;

use super::constraint;
use super::duration;
use super::hints;
use super::load::{Found, tool_name};
use super::node::{Fields, Keys, Reader, Spanned, Unset, did_you_mean};
use super::param::{self, Placeless};
use super::path::{self, Part};
use super::service::base_url;
use super::source::Span;
use crate::limits;
use crate::model::endpoint::{
    ApiPlace, Auth, Endpoint, PathPart, PathTemplate, ResponseKind, Service,
};
use crate::model::param::{Placed, Presence};
use crate::model::tool::{Action, Tool};

const ENDPOINT: Keys = Keys {
    what: "an endpoint",
    read: &[
        "id",
        "name",
        "description",
        "method",
        "path",
        "baseURL",
        "parameters",
        "response",
        "connection",
        "hints",
    ],
    not_yet: &["requestBody"],
    tuning: &["retry"],
    idle: &[],
};
const RESPONSE: Keys = Keys {
    what: "a response",
    read: &["type"],
    not_yet: &["transform", "paginated"],
    tuning: &["paginationConfig", "caching", "retry"],
    idle: &[],
};
const CONNECTION: Keys = Keys {
    what: "a connection",
    read: &["timeout"],
    not_yet: &[],
    tuning: &["disableKeepAlive", "forceNewConnection"],
    idle: &[],
};
const PARAMETER: Keys = Keys {
    what: "a parameter",
    read: &[
        "name",
        "alias",
        "description",
        "type",
        "items",
        "required",
        "location",
        "default",
        "static",
        "examples",
        "validation",
        "transform",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "enum",
        "format",
    ],
    not_yet: &["transforms", "quoted"],
    tuning: &[],
    idle: &["prefix", "fileNameParam"],
};
const TRANSFORM: Keys = Keys {
    what: "a transform",
    read: &["targetName", "expression"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};
const LOCATIONS: &[&str] = &["path", "query", "header", "body", "file", "filepath"];
/// Headers that the HTTP client makes, or that belong to one hop (RFC 9110, 7.6.1).
const RESERVED: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

type Params = Vec<(Placed<ApiPlace>, Span)>;

/// Reads one endpoint. Without a base its problems are found all the same.
pub(super) fn read(
    cx: &mut Reader<'_>,
    ast: &Ast<'_>,
    service: &Arc<Service>,
    base: Option<&Url>,
) -> Option<Found> {
    let fields = cx.fields(ast, &ENDPOINT)?;
    let id = fields.required_text(cx, "id", Unset::Warn);
    let title = fields.required_text(cx, "name", Unset::Warn);
    let description = fields.text(cx, "description", Unset::Warn);
    let method = method(cx, &fields);
    let base = match fields.get("baseURL") {
        Some(_) => base_url(cx, &fields, Some(&service.auth)),
        None => base.cloned(),
    };
    let params = params(cx, &fields, service, method.as_ref());
    let path = fields.required_text(cx, "path", Unset::Refuse);
    let path = path.and_then(|path| template(cx, &path, params.as_ref()));
    let response = response(cx, &fields);
    let timeout = timeout(cx, &fields);
    let usual = method.as_ref().map_or(hints::COMMAND, hints::of_method);
    let hints = hints::read(cx, &fields, usual);

    let id = id?;
    let name = tool_name(cx, &format!("{}_{}", service.key, id.value), id.span)?;
    let title = title?;
    let words = description.map(|text| text.value).filter(|text| !text.trim().is_empty());
    let words = words.unwrap_or_else(|| title.value.clone());
    let (path, fixed_query) = path?;
    let tool = Tool {
        name,
        title: Some(title.value),
        description: format!("{}: {words}", service.name),
        hints,
        action: Action::Api(Endpoint {
            service: Arc::clone(service),
            method: method?,
            base: base?,
            path,
            fixed_query,
            params: params?.into_iter().map(|(param, _)| param).collect(),
            response: response?,
            timeout: timeout.unwrap_or(limits::API_TIMEOUT),
        }),
    };
    Some(Found { tool, source: Arc::clone(&cx.source), at: id.span })
}

fn method(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Method> {
    let text = fields.required_text(cx, "method", Unset::Warn)?;
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let method = known.iter().find(|method| method.as_str() == text.value);
    if method.is_none() {
        let near = known.iter().find(|method| method.as_str().eq_ignore_ascii_case(&text.value));
        let help = match near {
            Some(near) => format!("write `{near}`"),
            None => "known are GET, POST, PUT, PATCH and DELETE".to_owned(),
        };
        let written = cx.written(text.span);
        cx.error(text.span, format!("`{written}` is no method"), help);
    }
    method.cloned()
}

/// The parameters, or `None` if one of them is not right: what the path lacks then is not known.
fn params(
    cx: &mut Reader<'_>,
    fields: &Fields<'_>,
    service: &Service,
    method: Option<&Method>,
) -> Option<Params> {
    let items = param::list(cx, fields)?;
    let mut params = Params::with_capacity(items.len());
    for item in items {
        let Some(read) = param::read(cx, item, &PARAMETER) else { continue };
        check_time_tokens(cx, &read);
        let Some(place) = place(cx, &read, service, method) else { continue };
        let Placeless { mut param, name_span, .. } = read;
        if place == ApiPlace::Path && param.presence == Presence::Optional {
            let message = "a path parameter without a default is always needed";
            cx.warning(name_span, message, "add `\"required\": true`");
            param.presence = Presence::Required;
        }
        if let Some((_, first)) = params.iter().find(|(other, _)| same_place(&other.place, &place))
        {
            let line = cx.source.position(first.start).line;
            let message = format!("`{}` goes where another parameter's value goes", param.name);
            cx.error(name_span, message, format!("the other is in line {line}; remove one"));
        }
        params.push((Placed { param, place }, name_span));
    }
    param::check_exposed(cx, &params);
    (params.len() == items.len()).then_some(params)
}

/// Reports a default that would have to be computed at each call.
fn check_time_tokens(cx: &mut Reader<'_>, read: &Placeless<'_>) {
    let (Presence::Default(value) | Presence::Fixed(value)) = &read.param.presence else { return };
    if constraint::has_time_token(value) {
        cx.not_yet(read.name_span, "a time token in `default`");
    }
}

/// Whether one value would overwrite the other. Path parameters have their names for that.
fn same_place(a: &ApiPlace, b: &ApiPlace) -> bool {
    match (a, b) {
        (ApiPlace::Body(a), ApiPlace::Body(b)) => a.starts_with(b) || b.starts_with(a),
        (ApiPlace::Header(a), ApiPlace::Header(b)) => a == b,
        (ApiPlace::Query(a), ApiPlace::Query(b)) => a == b,
        _ => false,
    }
}

fn place(
    cx: &mut Reader<'_>,
    read: &Placeless<'_>,
    service: &Service,
    method: Option<&Method>,
) -> Option<ApiPlace> {
    let target = target(cx, &read.fields);
    let location = &read.location;
    let name = &read.param.name;
    if let (Some(target), "path" | "header") = (&target, location.value.as_str()) {
        let message = format!("`targetName` has no effect in location `{}`", location.value);
        cx.warning(target.span, message, "remove it");
    }
    let target = target.map_or_else(|| name.clone(), |target| target.value);
    match location.value.as_str() {
        "path" => Some(ApiPlace::Path),
        "query" => Some(ApiPlace::Query(target)),
        "header" => {
            check_header_value(cx, read);
            header_name(cx, name, read.name_span, &service.auth).map(ApiPlace::Header)
        }
        "body" => {
            if matches!(method, Some(&(Method::GET | Method::DELETE))) {
                let message = "a request with method GET or DELETE has no body";
                cx.error(location.span, message, "use location `query`, or another method");
                return None;
            }
            let keys: Vec<String> = target.split('.').map(str::to_owned).collect();
            if keys.iter().any(String::is_empty) {
                let message = "this is no path into a body";
                cx.error(read.name_span, message, "write keys with dots between them");
                return None;
            }
            Some(ApiPlace::Body(keys))
        }
        "file" | "filepath" => {
            cx.not_yet(location.span, &format!("location `{}`", location.value));
            None
        }
        other => {
            let help = did_you_mean(other, LOCATIONS);
            let written = cx.written(location.span);
            cx.error(location.span, format!("`{written}` is no location of an endpoint"), help);
            None
        }
    }
}

/// `transform` as far as it renames.
fn target(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<String>> {
    let entry = fields.get("transform")?;
    let fields = cx.fields(entry.value, &TRANSFORM)?;
    let expression = fields.text(cx, "expression", Unset::Warn);
    if let Some(text) = expression.filter(|text| !matches!(text.value.as_str(), "" | ".")) {
        cx.not_yet(text.span, "`expression` of a transform");
    }
    fields.text(cx, "targetName", Unset::Warn).filter(|target| !target.value.is_empty())
}

/// Reports a default that no header can carry.
fn check_header_value(cx: &mut Reader<'_>, read: &Placeless<'_>) {
    let (Presence::Default(value) | Presence::Fixed(value)) = &read.param.presence else { return };
    let fits = value.as_str().is_none_or(|text| HeaderValue::from_str(text).is_ok());
    if !fits {
        let message = "the default is no value of a header";
        cx.error(read.name_span, message, "a header is printable text in one line");
    }
}

fn header_name(cx: &mut Reader<'_>, name: &str, span: Span, auth: &Auth) -> Option<HeaderName> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        cx.error(span, format!("`{name}` is no name of a header"), "see RFC 9110, section 5.1");
        return None;
    };
    if RESERVED.contains(&header) {
        let message = format!("a parameter cannot be the header `{name}`");
        cx.error(span, message, "the HTTP client makes this header itself");
        return None;
    }
    if header == header::AUTHORIZATION && !matches!(auth, Auth::None) {
        let message =
            "a parameter cannot be the header `Authorization` beside the service's `auth`";
        cx.error(span, message, "remove the parameter, or use auth type `none`");
        return None;
    }
    Some(header)
}

/// The path with its placeholders as places in `params`, if those are known.
fn template(
    cx: &mut Reader<'_>,
    text: &Spanned<String>,
    params: Option<&Params>,
) -> Option<(PathTemplate, Option<String>)> {
    let path = match path::parse(&text.value) {
        Ok(path) => path,
        Err(error) => {
            cx.error(text.span, format!("`path` {error}"), "");
            return None;
        }
    };
    let params = params?;
    let is_path = |param: &Placed<ApiPlace>| param.place == ApiPlace::Path;
    let mut whole = true;
    let mut parts = Vec::with_capacity(path.parts.len());
    for part in path.parts {
        let name = match part {
            Part::Literal(text) => {
                parts.push(PathPart::Literal(text));
                continue;
            }
            Part::Name(name) => name,
        };
        let index = params.iter().position(|(param, _)| is_path(param) && param.param.name == name);
        if let Some(index) = index {
            parts.push(PathPart::Param(index));
        } else {
            let message = format!("`path` has a placeholder {{{name}}} and no parameter for it");
            let help = format!("add a parameter `{name}` of location `path`");
            cx.error(text.span, message, help);
            whole = false;
        }
    }
    for (index, (param, span)) in params.iter().enumerate() {
        if is_path(param) && !parts.contains(&PathPart::Param(index)) {
            let name = &param.param.name;
            let message = format!("`path` has no placeholder for the path parameter `{name}`");
            cx.error(*span, message, format!("write {{{name}}} in `path`"));
            whole = false;
        }
    }
    whole.then_some((PathTemplate(parts), path.query))
}

fn response(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ResponseKind> {
    let Some(entry) = fields.get("response") else { return Some(ResponseKind::Json) };
    let fields = cx.fields(entry.value, &RESPONSE)?;
    let Some(kind) = fields.text(cx, "type", Unset::Warn) else {
        return fields.get("type").is_none().then_some(ResponseKind::Json);
    };
    match kind.value.as_str() {
        "json" => Some(ResponseKind::Json),
        "text" => Some(ResponseKind::Text),
        "binary" => {
            cx.not_yet(kind.span, "response type `binary`");
            None
        }
        other => {
            let help = did_you_mean(other, &["json", "text", "binary"]);
            let written = cx.written(kind.span);
            cx.error(kind.span, format!("`{written}` is no type of a response"), help);
            None
        }
    }
}

fn timeout(cx: &mut Reader<'_>, fields: &Fields<'_>) -> Option<std::time::Duration> {
    let entry = fields.get("connection")?;
    let fields = cx.fields(entry.value, &CONNECTION)?;
    let text = fields.text(cx, "timeout", Unset::Warn).filter(|text| !text.value.is_empty())?;
    let timeout = duration::parse(&text.value);
    if timeout.is_none() {
        let message = format!("`timeout` is no duration: `{}`", cx.written(text.span));
        cx.error(text.span, message, "write `30s`, `500ms` or `1m30s`; more than nothing");
    }
    timeout
}
