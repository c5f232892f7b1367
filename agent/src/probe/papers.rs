//! What an agent's owner gave it for TLS: authorities that a target may name instead of the usual roots,
//! and certificates that are shown to servers which ask who we are.
//!
//! A collector says which by its name; the files, and the hosts that may see a certificate, only the
//! agent's own configuration says. Files are read for every look, so that a renewed one is used at once.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use parallax_model::{ErrorKind, TlsOptions};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::failure::Failure;
use super::{Belongings, tls};

/// A certificate that is shown to servers that ask for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file with the certificate, and what leads from it to its root.
    pub file: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// Hosts that may see it, in lower case.
    pub hosts: Vec<String>,
}

/// `client` as `options` want it for `host`.
pub(super) async fn dressed(
    client: tls::Client,
    options: &TlsOptions,
    host: &str,
    own: &Belongings,
) -> Result<tls::Client, Failure> {
    let authority = options.authority.as_deref().map(|name| authority(own, name)).transpose()?;
    let shown = options.certificate.as_deref().map(|name| certificate(own, name, host));
    let shown = shown.transpose()?;
    if authority.is_none() && shown.is_none() {
        return Ok(client);
    }
    let (authority, shown) = (authority.map(Path::to_owned), shown.cloned());
    let dressed = tokio::task::spawn_blocking(move || dress(client, authority, shown)).await;
    dressed.map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?
}

fn dress(
    mut client: tls::Client,
    authority: Option<PathBuf>,
    shown: Option<ClientCertificate>,
) -> Result<tls::Client, Failure> {
    if let Some(file) = authority {
        let mut roots = RootCertStore::empty();
        tls::add_file(&mut roots, &file).map_err(|why| unusable(&file, why))?;
        client = tls::trusting(&client, roots).map_err(|why| unusable(&file, why))?;
    }
    if let Some(ClientCertificate { file, key, .. }) = shown {
        let chain = CertificateDer::pem_file_iter(&file).and_then(Iterator::collect);
        let chain: Vec<_> = chain.map_err(|why| unusable(&file, why))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(|why| unusable(&key, why))?;
        client = tls::showing(&client, chain, secret).map_err(|why| unusable(&file, why))?;
    }
    Ok(client)
}

fn authority<'a>(own: &'a Belongings, name: &str) -> Result<&'a Path, Failure> {
    own.authorities.get(name).map(PathBuf::as_path).ok_or_else(|| unknown("authorities", name))
}

fn certificate<'a>(
    own: &'a Belongings,
    name: &str,
    host: &str,
) -> Result<&'a ClientCertificate, Failure> {
    let certificate = own.certificates.get(name).ok_or_else(|| unknown("certificates", name))?;
    let host = bare(host);
    if certificate.hosts.contains(&host) {
        return Ok(certificate);
    }
    let hosts = certificate.hosts.join(", ");
    let why = format!("certificate {name:?} is not for {host}: its hosts are {hosts}");
    Err(Failure::new(ErrorKind::PolicyDenied, why))
}

/// The agent's owner gave it no such thing.
pub(super) fn unknown(table: &str, name: &str) -> Failure {
    let why = format!("this agent has no {name:?}: add [{table}.{name}] to its configuration");
    Failure::new(ErrorKind::PolicyDenied, why)
}

/// A host as an owner writes it: an address without brackets.
pub(super) fn bare(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |ip| ip.to_string())
}

fn unusable(file: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Internal, format!("cannot use {}: {why}", file.display()))
}
