//! Who may call what. Decisions are values: what needs one takes a [`decide::Permit`].

pub mod decide;
