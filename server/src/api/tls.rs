//! TLS of our own clients: whom they trust, and a provider of their own, so that nothing global must
//! be installed before.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A client's TLS that trusts `roots`.
pub fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The authorities to trust: this host's, or Mozilla's where it has none that can be read.
pub fn roots() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a certificate authority of this host cannot be read");
    }
    or_built_in(native.certs)
}

fn or_built_in(native: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native);
    if roots.is_empty() {
        tracing::warn!("this host has no certificate authorities; taking the built-in ones");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_authorities_or_with_garbled_ones_gets_the_built_in_ones() {
        for native in [Vec::new(), vec![CertificateDer::from(b"garbled".to_vec())]] {
            assert_eq!(or_built_in(native).len(), webpki_roots::TLS_SERVER_ROOTS.len());
        }
    }
}
