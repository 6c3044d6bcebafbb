//! The network's edge: connections, their limits and their end. Knows nothing of what is served.

pub mod accept;
