//! Random bytes, from the kernel and from nowhere else.

use zeroize::Zeroizing;

/// The kernel gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the kernel gave no random bytes")]
pub struct NoEntropy {
    #[source]
    source: getrandom::Error,
}

/// `N` unpredictable bytes, wiped on drop (getrandom(2)).
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoEntropy> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|source| NoEntropy { source })?;
    Ok(bytes)
}
