//! `tls://HOST[:PORT][?starttls=smtp]`

use parallax_model::{Family, TlsCheck, TlsOptions};
use url::Url;

const PORT_USUAL: u16 = 443;

pub(super) fn check(url: &Url) -> Result<TlsCheck, String> {
    let host = url.host_str().ok_or("write it like tls://example.com:443")?;
    let address = format!("{host}:{}", url.port().unwrap_or(PORT_USUAL));
    let mut talk = Vec::new();
    for (key, value) in url.query_pairs() {
        if key != "starttls" {
            return Err(format!("{key:?} is unknown; starttls is known"));
        }
        let known =
            || format!("starttls={value} is unknown; {} are known", TlsCheck::STARTTLS.join(", "));
        talk = TlsCheck::starttls(&value).ok_or_else(known)?;
    }
    Ok(TlsCheck {
        address,
        talk,
        tls: TlsOptions::default(),
        family: Family::Any,
        assertions: Vec::new(),
    })
}
