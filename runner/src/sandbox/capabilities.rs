//! Capabilities of a run: capabilities(7). Dropped from the bounding set first, which needs
//! `CAP_SETPCAP`; what is left is set after the user has changed, and read back.

use caps::errors::CapsError;
use caps::{CapSet, CapsHashSet};

/// Limits what this process and its children can ever have to `keep`.
pub fn bound(keep: &CapsHashSet) -> Result<(), CapsError> {
    for capability in
        caps::runtime::procfs_all_supported(None).unwrap_or_else(|_unreadable| caps::all())
    {
        if !keep.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    Ok(())
}

/// Lets capabilities survive the change of user that follows.
pub fn keep_over_identity() -> Result<(), CapsError> {
    caps::securebits::set_keepcaps(true)
}

/// Makes `keep` the whole of every other set; with `ambient`, a program inherits them too.
pub fn limit_to(keep: &CapsHashSet, ambient: bool) -> Result<(), CapsError> {
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Inheritable, &if ambient { keep.clone() } else { CapsHashSet::new() })?;
    caps::set(None, CapSet::Effective, keep)?;
    caps::set(None, CapSet::Permitted, keep)?;
    if ambient {
        caps::set(None, CapSet::Ambient, keep)?;
    }
    for set in [CapSet::Permitted, CapSet::Effective] {
        if caps::read(None, set)? != *keep {
            return Err(CapsError::from("the capability sets did not become what was asked"));
        }
    }
    Ok(())
}
