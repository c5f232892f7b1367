//! `tcp://HOST:PORT`

use parallax_model::TcpCheck;
use url::Url;

pub(super) fn check(url: &Url) -> Result<TcpCheck, String> {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => Ok(TcpCheck { address: format!("{host}:{port}") }),
        _ => Err(format!("{url} has no port; write it like tcp://example.com:5432")),
    }
}
