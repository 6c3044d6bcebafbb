//! What a value reaches over the network: a host, an address or a network, as something that an
//! engagement can be asked about.

use std::fmt;

use super::Unacceptable;
use super::host;
use super::net::Net;

/// Where a value leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host by its name, lower case.
    Host(String),
    /// An address or a network.
    Net(Net),
}

/// Whether a value must lie inside an engagement of the principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It must.
    Engagement,
    /// It may lead anywhere.
    Public,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// ```text
/// target = address | address "/" prefix | hostname
/// ```
pub(super) fn accept_target(
    given: &str,
    max_hosts: u64,
) -> Result<(String, Vec<Target>), Unacceptable> {
    let target = match Net::parse(given)? {
        Some(net) if net.n_hosts() > u128::from(max_hosts) => {
            return Err(Unacceptable::new(format!(
                "it is a network of more than {max_hosts} addresses"
            )));
        }
        Some(net) => Target::Net(net),
        None => Target::Host(host::hostname(given)?),
    };
    Ok((target.to_string(), vec![target]))
}

pub(super) fn accept_url_or_target(
    given: &str,
    schemes: &[String],
    max_hosts: u64,
) -> Result<(String, Vec<Target>), Unacceptable> {
    if given.contains("://") {
        let (url, target) = host::accept_url(given, schemes, true)?;
        return Ok((url, vec![target]));
    }
    accept_target(given, max_hosts)
}
