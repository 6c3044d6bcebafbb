//! Where a request may come from: the defence against DNS rebinding and against web pages that
//! talk to a server on their reader's machine (MCP, transports, "Security Warning"). The `Host` must
//! be a name of ours, and an `Origin`, if a browser sent one, a page of ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;

/// The hosts that this server goes by. Loopback is always among them.
#[derive(Debug, Clone)]
pub struct Hosts {
    names: Box<[Box<str>]>,
    addresses: Box<[IpAddr]>,
    every_address: bool,
}

/// A host that cannot be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name or an IP address; write it like mcp.example.org or 192.0.2.7")]
pub struct InvalidHost(pub String);

impl Hosts {
    /// The hosts of a server that listens on `listen` and is also known as `extra` (names or
    /// addresses; a port is ignored). On an unspecified address (`0.0.0.0`, `::`) it is reached by
    /// any address, but by no name that is not in `extra`: rebinding needs a name.
    pub fn new(listen: &[SocketAddr], extra: &[&str]) -> Result<Self, InvalidHost> {
        let mut names = Vec::new();
        let mut addresses = Vec::new();
        for &text in extra {
            match Place::parse(text).map(|place| place.host) {
                Some(Host::Name(name)) => names.push(name.to_ascii_lowercase().into_boxed_str()),
                Some(Host::Address(address)) => addresses.push(address),
                None => return Err(InvalidHost(text.to_owned())),
            }
        }
        let listening = listen.iter().map(|at| at.ip().to_canonical());
        let every_address = listening.clone().any(|ip| ip.is_unspecified());
        addresses.extend(listening.filter(|ip| !ip.is_unspecified()));
        Ok(Self { names: names.into(), addresses: addresses.into(), every_address })
    }

    /// Judges the `Host` (or `:authority`) and the `Origin` of a request.
    pub fn judge(&self, headers: &HeaderMap, target: Option<&Authority>) -> Result<(), Foreign> {
        let mut sent = headers.get_all(HOST).iter();
        let header = sent.next();
        if sent.next().is_some() {
            return Err(Foreign::Host);
        }
        let target = target.map(Authority::as_str);
        let header =
            header.map(|value| value.to_str().map_err(|_ascii| Foreign::Host)).transpose()?;
        let host = header.or(target).ok_or(Foreign::NoHost)?;
        for text in [header, target].into_iter().flatten() {
            let place = Place::parse(text).ok_or(Foreign::Host)?;
            let any_address = self.every_address && place.host.is_address();
            if !any_address && !self.is_ours(place.host) {
                return Err(Foreign::Host);
            }
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let ours = origins.next().is_none() && self.is_our_page(origin, host);
        if ours { Ok(()) } else { Err(Foreign::Origin) }
    }

    fn is_ours(&self, host: Host<'_>) -> bool {
        match host {
            Host::Name(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || self.names.iter().any(|ours| name.eq_ignore_ascii_case(ours))
            }
            Host::Address(address) => address.is_loopback() || self.addresses.contains(&address),
        }
    }

    /// Whether an `Origin` (RFC 6454, 6.2: `scheme://host[:port]`, or `null`) is of a host of ours.
    /// Its port is not looked at. A page of an address that only `every_address` lets in must be
    /// the page of this very address and port.
    fn is_our_page(&self, origin: &HeaderValue, host: &str) -> bool {
        let Ok(text) = origin.to_str() else { return false };
        let Some((scheme, authority)) = text.split_once("://") else { return false };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return false;
        }
        let Some(place) = Place::parse(authority) else { return false };
        self.is_ours(place.host)
            || (self.every_address
                && place.host.is_address()
                && Place::parse(host).is_some_and(|own| own == place))
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// RFC 9112, 3.2.
    #[error("the request has no Host header")]
    NoHost,
    /// DNS rebinding, or a name that the operator did not allow.
    #[error(
        "the Host header does not name this server; use localhost or its address, or let the \
         operator add the name to MCP_FUSION_ALLOWED_HOSTS"
    )]
    Host,
    /// A web page of somebody else.
    #[error(
        "the Origin header is not of this server; let the operator add its host to \
         MCP_FUSION_ALLOWED_HOSTS if this web page may use the tools"
    )]
    Origin,
}

/// `host[:port]` as in `Host` and `Origin` (RFC 3986, 3.2 without userinfo).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl Host<'_> {
    fn is_address(self) -> bool {
        matches!(self, Self::Address(_))
    }
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']')?;
            let address = IpAddr::V6(address.parse::<Ipv6Addr>().ok()?).to_canonical();
            (Host::Address(address), rest)
        } else {
            let (host, rest) = text.split_at_checked(text.find(':').unwrap_or(text.len()))?;
            let address = host.parse::<Ipv4Addr>().ok().map(|v4| Host::Address(v4.into()));
            (address.or_else(|| is_name(host).then_some(Host::Name(host)))?, rest)
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(hosts: &Hosts, host: &str, origin: Option<&str>) -> Result<(), Foreign> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        hosts.judge(&headers, None)
    }

    fn local() -> Hosts {
        Hosts::new(&["127.0.0.1:8888".parse().unwrap()], &["mcp.example.org"]).unwrap()
    }

    #[test]
    fn names_and_addresses_of_ours_are_taken() {
        for host in [
            "localhost",
            "LocalHost:8888",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.8.9.10",
            "[::1]",
            "[::1]:8888",
            "[0:0:0:0:0:0:0:1]:8888",
            "[::ffff:127.0.0.1]:8888",
            "mcp.example.org",
            "MCP.example.ORG:443",
        ] {
            assert_eq!(judge(&local(), host, None), Ok(()), "{host}");
            let origin = format!("https://{host}");
            assert_eq!(judge(&local(), "localhost", Some(&origin)), Ok(()), "{origin}");
        }
    }

    #[test]
    fn a_host_that_is_not_ours_is_refused() {
        for host in [
            "",
            ":8888",
            "evil.test",
            "localhost.evil.test",
            "localhost.",
            "127.0.0.1.",
            "127.0.0.1.nip.io",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0.0.0.0",
            "192.168.1.5",
            "[::]",
            "[::1",
            "::1",
            "[::1]x",
            "[fe80::1%25lo]",
            "localhost:",
            "localhost:x",
            "localhost:+80",
            "localhost:65536",
            "localhost:80:80",
            "localhost@evil.test",
            "user@localhost",
            "evil.test#localhost",
            "evil.test/localhost",
            "localhost evil.test",
            "localhost,evil.test",
            "sub.mcp.example.org",
            "mcp.example.org.",
        ] {
            assert_eq!(judge(&local(), host, None), Err(Foreign::Host), "{host}");
            let origin = format!("http://{host}");
            let judged = judge(&local(), "localhost", Some(&origin));
            assert_eq!(judged, Err(Foreign::Origin), "{origin}");
        }
    }

    #[test]
    fn an_origin_is_a_web_page_of_ours_or_is_refused() {
        for origin in [
            "",
            "null",
            "localhost",
            "//localhost",
            "http:localhost",
            "http://localhost/",
            "http://localhost/path",
            "file://localhost",
            "file://",
            "chrome-extension://localhost",
            "http://user@localhost",
            "http://localhost http://evil.test",
        ] {
            let judged = judge(&local(), "localhost", Some(origin));
            assert_eq!(judged, Err(Foreign::Origin), "{origin}");
        }
        assert_eq!(judge(&local(), "localhost:8888", Some("http://localhost:6274")), Ok(()));
    }

    #[test]
    fn two_hosts_or_two_origins_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(local().judge(&headers, None), Err(Foreign::Host));
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        headers.append(ORIGIN, HeaderValue::from_static("http://localhost"));
        headers.append(ORIGIN, HeaderValue::from_static("http://evil.test"));
        assert_eq!(local().judge(&headers, None), Err(Foreign::Origin));
    }

    #[test]
    fn the_target_is_judged_beside_the_host() {
        let mut headers = HeaderMap::new();
        let ours = Authority::from_static("localhost:8888");
        let theirs = Authority::from_static("evil.test");
        assert_eq!(local().judge(&headers, None), Err(Foreign::NoHost));
        assert_eq!(local().judge(&headers, Some(&ours)), Ok(()));
        assert_eq!(local().judge(&headers, Some(&theirs)), Err(Foreign::Host));
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(local().judge(&headers, Some(&theirs)), Err(Foreign::Host));
    }

    #[test]
    fn on_every_address_a_name_is_refused_and_a_page_must_be_its_own() {
        let hosts = Hosts::new(&["0.0.0.0:8888".parse().unwrap()], &[]).unwrap();
        assert_eq!(judge(&hosts, "192.168.1.5:8888", None), Ok(()));
        assert_eq!(judge(&hosts, "evil.test:8888", None), Err(Foreign::Host));
        let own = Some("http://192.168.1.5:8888");
        assert_eq!(judge(&hosts, "192.168.1.5:8888", own), Ok(()));
        assert_eq!(judge(&hosts, "192.168.1.6:8888", own), Err(Foreign::Origin));
        assert_eq!(judge(&hosts, "192.168.1.5:8889", own), Err(Foreign::Origin));
    }

    #[test]
    fn an_extra_host_that_is_none_is_an_error() {
        for text in ["", "*", "*.example.org", "https://example.org", "a b"] {
            assert_eq!(Hosts::new(&[], &[text]).unwrap_err(), InvalidHost(text.to_owned()));
        }
    }
}
