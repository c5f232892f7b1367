//! `tls://HOST[:PORT]`

use parallax_model::{Family, TlsCheck, TlsOptions};
use url::Url;

const PORT_USUAL: u16 = 443;

pub(super) fn check(url: &Url) -> Result<TlsCheck, String> {
    let host = url.host_str().ok_or("write it like tls://example.com:443")?;
    let address = format!("{host}:{}", url.port().unwrap_or(PORT_USUAL));
    Ok(TlsCheck {
        address,
        tls: TlsOptions::default(),
        family: Family::Any,
        assertions: Vec::new(),
    })
}
