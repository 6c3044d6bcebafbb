//! The tools of this server, compiled for calls and serialised for lists. A catalog never changes:
//! a reload builds another one whole.

#[cfg(test)]
pub(crate) mod fixture;
pub mod schema;
pub mod snapshot;

pub use snapshot::{Catalog, CatalogError, Entry};
