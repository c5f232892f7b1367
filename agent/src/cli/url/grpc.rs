//! `grpc(s)://HOST:PORT/SERVICE`

use parallax_model::{GrpcCheck, TlsOptions};
use url::Url;

pub(super) fn check(url: &Url) -> Result<GrpcCheck, String> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err(format!("{url} has no port; write it like grpcs://example.com:443"));
    };
    let tls = (url.scheme() == "grpcs").then(TlsOptions::default);
    let service = url.path().trim_matches('/').to_owned();
    Ok(GrpcCheck { address: format!("{host}:{port}"), tls, service })
}
