//! What we trust when we speak TLS: the system's certificate authorities and, where the settings name one, an own
//! authority. Shared by IMAP, SMTP and token requests; knows none of them.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Why no TLS settings could be made: one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub String);

/// A client's TLS settings: TLS 1.2 and 1.3, server names always checked. Reads files; call it off the async
/// threads.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates in the system's store are common and no reason to stop.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_own(&mut roots, path)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_own(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let refuse = |what: &str| TlsError(format!("ca_file {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| refuse("is damaged: expected PEM certificates"))?;
        roots.add(certificate).map_err(|_| refuse("holds a certificate that is no certificate authority"))?;
        found += 1;
    }
    if found == 0 {
        return Err(refuse("holds no certificate: expected a PEM file with BEGIN CERTIFICATE"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_authority_must_be_readable_pem() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.pem");
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "nothing here\n").unwrap();
        let damaged = dir.path().join("damaged.pem");
        std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        for (path, says) in [(missing, "cannot be read"), (empty, "no certificate"), (damaged, "authority")] {
            let error = client_config(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("ca_file"), "{error}");
        }
        assert!(client_config(None).is_ok());
    }
}
