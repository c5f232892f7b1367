//! `grpc(s)://HOST:PORT/SERVICE`

use parallax_model::GrpcCheck;
use url::Url;

pub(super) fn check(url: &Url) -> Result<GrpcCheck, String> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err(format!("{url} has no port; write it like grpcs://example.com:443"));
    };
    let service = url.path().trim_matches('/').to_owned();
    Ok(GrpcCheck { address: format!("{host}:{port}"), tls: url.scheme() == "grpcs", service })
}
