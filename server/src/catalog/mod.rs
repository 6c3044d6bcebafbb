// STAND-IN
//! The tools that are offered.

use serde_json::value::RawValue;

/// The tools, serialised.
#[derive(Debug)]
pub struct Catalog {
    /// Their JSON array.
    pub listing: Box<RawValue>,
    /// How many.
    pub len: usize,
}

impl Catalog {
    /// The JSON array of all tools.
    pub fn listing(&self) -> &RawValue {
        &self.listing
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
