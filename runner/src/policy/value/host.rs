//! Types of the network: host names, addresses, URLs. Strict on purpose: each spelling that one
//! program takes for a name and another for an address is refused.

use super::Unacceptable;
use super::net::{Net, address_of};
use super::target::Target;

/// Longest host name, bytes (RFC 1123 section 2.1, RFC 1035 section 2.3.4).
const MAX_HOSTNAME: usize = 253;
/// Longest label of a host name, bytes.
const MAX_LABEL: usize = 63;

pub(super) fn accept_hostname(given: &str, ip: bool) -> Result<String, Unacceptable> {
    host(given, ip).map(|host| host.to_string())
}

fn host(given: &str, ip: bool) -> Result<Target, Unacceptable> {
    match address_of(given)? {
        Some(address) if ip => Ok(Target::Net(Net::host(address))),
        Some(_) => Err(Unacceptable::new("it is an address, and only names are taken here")),
        None => hostname(given).map(Target::Host),
    }
}

/// ```text
/// url = scheme "://" host [":" port] [path] ["?" query]
/// ```
///
/// RFC 3986 with less: no user, no fragment, nothing but the unreserved, reserved and
/// percent-encoded characters.
pub(super) fn accept_url(
    given: &str,
    schemes: &[String],
    ip: bool,
) -> Result<(String, Target), Unacceptable> {
    let Some((scheme, rest)) = given.split_once("://") else {
        return Err(Unacceptable::new("it has no \"://\""));
    };
    let scheme = scheme.to_ascii_lowercase();
    if !schemes.contains(&scheme) {
        return Err(Unacceptable::new(format!("its scheme is not {}", schemes.join(" or "))));
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(Unacceptable::new("it has a user or password before its host"));
    }
    let (authority, host) = accept_authority(authority, ip)?;
    check_tail(tail)?;
    let slash = if tail.starts_with('/') { "" } else { "/" };
    Ok((format!("{scheme}://{authority}{slash}{tail}"), host))
}

/// Host and port in their canonical form, and the host alone.
fn accept_authority(authority: &str, ip: bool) -> Result<(String, Target), Unacceptable> {
    let (target, shown, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((inner, after)) = rest.split_once(']') else {
            return Err(Unacceptable::new("its host has '[' without ']'"));
        };
        if !inner.contains(':') {
            return Err(Unacceptable::new("its host has brackets around no IPv6 address"));
        }
        let target = host(inner, ip)?;
        let shown = format!("[{target}]");
        (target, shown, after)
    } else {
        let (name, port) = match authority.find(':') {
            Some(at) => authority.split_at_checked(at).unwrap_or((authority, "")),
            None => (authority, ""),
        };
        let target = host(name, ip)?;
        let shown = target.to_string();
        (target, shown, port)
    };
    if port.is_empty() {
        return Ok((shown, target));
    }
    let Some(port) = port.strip_prefix(':') else {
        return Err(Unacceptable::new("something other than a port follows its host"));
    };
    let plain = !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if plain => Ok((format!("{shown}:{port}"), target)),
        _ => Err(Unacceptable::new("its port is not in 1 to 65535")),
    }
}

fn check_tail(tail: &str) -> Result<(), Unacceptable> {
    let mut rest = tail.bytes();
    while let Some(b) = rest.next() {
        let known = b.is_ascii_alphanumeric() || b"-._~/?:@!$&'()*+,;=".contains(&b);
        if b == b'%' {
            let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
            if !(hex(rest.next()) && hex(rest.next())) {
                return Err(Unacceptable::new("a '%' in it is not followed by two hex digits"));
            }
        } else if b == b'#' {
            return Err(Unacceptable::new("it has a fragment, which is never sent to a server"));
        } else if !known {
            return Err(Unacceptable::new(
                "its path or query has a character that must be percent-encoded",
            ));
        }
    }
    Ok(())
}

/// ```text
/// hostname = label *("." label)   label = 1*63(letter | digit | inner "-")
/// ```
///
/// The last label starts with a letter: `10.0.0-255.1`, `0x7f.1`, `2130706433` are addresses or
/// ranges of them to some program.
pub(in crate::policy) fn hostname(given: &str) -> Result<String, Unacceptable> {
    if given.len() > MAX_HOSTNAME {
        return Err(Unacceptable::new("it is longer than a host name can be"));
    }
    let mut last = "";
    for label in given.split('.') {
        let edges = label.starts_with('-') || label.ends_with('-');
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if label.is_empty() || label.len() > MAX_LABEL || edges || !plain {
            return Err(Unacceptable::new(
                "it is no host name: labels of letters, digits and inner dashes, joined by dots",
            ));
        }
        last = label;
    }
    if !last.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(Unacceptable::new(
            "its last label does not start with a letter, so some program reads it as an address",
        ));
    }
    Ok(given.to_ascii_lowercase())
}
