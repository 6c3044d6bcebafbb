//! A network: an address and the length of its prefix, in the one strict notation. An address alone
//! is a network of one host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Unacceptable;

/// All addresses that share their first bits. The address has no bits beyond the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

impl Net {
    /// The network of one host.
    pub fn host(address: IpAddr) -> Self {
        Self { address, prefix: width(address) }
    }

    /// ```text
    /// net = address [ "/" prefix ]     prefix = decimal digits without a leading zero
    /// ```
    ///
    /// The address is of RFC 6943's strict form, without zone id, and is no IPv4 address in IPv6
    /// clothes. `None` if the word cannot be meant as an address.
    pub fn parse(given: &str) -> Result<Option<Self>, Unacceptable> {
        let (address, prefix) = match given.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (given, None),
        };
        let Some(address) = address_of(address)? else {
            return match prefix {
                Some(_) => Err(Unacceptable::new("it has '/' after something that is no address")),
                None => Ok(None),
            };
        };
        let Some(prefix) = prefix else { return Ok(Some(Self::host(address))) };
        let plain = prefix.bytes().all(|b| b.is_ascii_digit())
            && (prefix == "0" || !prefix.starts_with('0'));
        let prefix = match prefix.parse::<u8>() {
            Ok(prefix) if plain && prefix <= width(address) => prefix,
            _ => {
                let most = width(address);
                return Err(Unacceptable::new(format!(
                    "what follows its '/' is no number of 0 to {most}"
                )));
            }
        };
        let net = Self { address, prefix };
        if net.first() != bits(address) {
            return Err(Unacceptable::new(format!(
                "its address has bits beyond the first {prefix}: write the first address of the network"
            )));
        }
        Ok(Some(net))
    }

    /// Whether every address of the other is one of this.
    pub fn contains(&self, other: &Self) -> bool {
        self.same_family(other) && self.first() <= other.first() && other.last() <= self.last()
    }

    /// Whether they have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// How many addresses it has, the network's own and broadcast included.
    pub fn n_hosts(&self) -> u128 {
        (self.last() - self.first()).saturating_add(1)
    }

    /// Whether nobody's engagement is that large: a slip of the pen, or everything.
    pub fn is_too_wide(&self) -> bool {
        self.prefix < if self.address.is_ipv4() { 8 } else { 16 }
    }

    fn same_family(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
    }

    fn first(&self) -> u128 {
        bits(self.address) & !self.host_mask()
    }

    fn last(&self) -> u128 {
        bits(self.address) | self.host_mask()
    }

    fn host_mask(&self) -> u128 {
        let n = u32::from(width(self.address) - self.prefix);
        1_u128.checked_shl(n).map_or(u128::MAX, |bit| bit - 1)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix < width(self.address) { write!(f, "/{}", self.prefix) } else { Ok(()) }
    }
}

/// The address, if it is one in the strict notation.
pub(super) fn address_of(given: &str) -> Result<Option<IpAddr>, Unacceptable> {
    if let Ok(v4) = given.parse::<Ipv4Addr>() {
        return Ok(Some(IpAddr::V4(v4)));
    }
    if !given.contains(':') {
        return Ok(None);
    }
    match given.parse::<Ipv6Addr>() {
        Ok(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(Unacceptable::new("it is an IPv4 address in IPv6 clothes: write it as IPv4"))
        }
        Ok(v6) => Ok(Some(IpAddr::V6(v6))),
        Err(_syntax) => Err(Unacceptable::new("it has ':' but is no IPv6 address")),
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
