//! HTTP.

use parallax_model::target::BODY_BYTES_USUAL;
use parallax_model::{Auth, HttpCheck, StatusSet};

use super::{assertion, icmp, tls};
use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &HttpCheck) -> pb::HttpCheck {
    let range = |&(low, high): &(u16, u16)| pb::StatusRange { low: low.into(), high: high.into() };
    let header =
        |(name, value): &(String, String)| pb::Header { name: name.clone(), value: value.clone() };
    pb::HttpCheck {
        url: check.url.clone(),
        method: check.method.clone(),
        status: check.status.ranges().iter().map(range).collect(),
        body_contains: check.body_contains.clone(),
        redirects_max: check.redirects_max.into(),
        headers: check.headers.iter().map(header).collect(),
        body: check.body.clone(),
        http2: check.http2,
        compression: check.compression,
        body_bytes_max: check.body_bytes_max,
        family: icmp::family_to_wire(check.family),
        tls: Some(tls::options_to_wire(&check.tls)),
        assertions: assertion::to_wire(&check.assertions),
        auth: check.auth.as_ref().map(auth_to_wire),
        proxy: check.proxy.clone(),
    }
}

pub(super) fn from_wire(check: pb::HttpCheck) -> Result<HttpCheck, InvalidMessage> {
    let number = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let ranges = check.status.iter().map(|r| (number(r.low), number(r.high))).collect();
    let status = StatusSet::new(ranges).ok_or_else(|| {
        InvalidMessage::new("target.http.status", "must be ranges within 100-599")
    })?;
    let redirects_max = u8::try_from(check.redirects_max)
        .map_err(|_| InvalidMessage::new("target.http.redirects_max", "over 255"))?;
    let body_bytes_max =
        if check.body_bytes_max == 0 { BODY_BYTES_USUAL } else { check.body_bytes_max };
    Ok(HttpCheck {
        family: icmp::family_from_wire(check.family, "target.http.family")?,
        url: check.url,
        method: check.method,
        status,
        body_contains: check.body_contains,
        redirects_max,
        headers: check.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: check.body,
        http2: check.http2,
        compression: check.compression,
        body_bytes_max,
        tls: tls::options_from_wire(check.tls),
        assertions: assertion::from_wire(check.assertions)?,
        auth: check.auth.map(auth_from_wire).transpose()?,
        proxy: check.proxy,
    })
}

fn auth_to_wire(auth: &Auth) -> pb::HttpAuth {
    use pb::http_auth::{Bearer, Scheme};
    let (key, scheme) = match auth {
        Auth::Basic { user, key } => (key, Scheme::Basic(user.clone())),
        Auth::Bearer { key } => (key, Scheme::Bearer(Bearer {})),
        Auth::Header { name, key } => (key, Scheme::Header(name.clone())),
    };
    pb::HttpAuth { key: key.clone(), scheme: Some(scheme) }
}

fn auth_from_wire(wire: pb::HttpAuth) -> Result<Auth, InvalidMessage> {
    use pb::http_auth::{Bearer, Scheme};
    let key = wire.key;
    Ok(match wire.scheme {
        Some(Scheme::Basic(user)) => Auth::Basic { user, key },
        Some(Scheme::Bearer(Bearer {})) => Auth::Bearer { key },
        Some(Scheme::Header(name)) => Auth::Header { name, key },
        None => {
            let why = "unknown: this agent is older than its collector, update it";
            return Err(InvalidMessage::new("target.http.auth.scheme", why));
        }
    })
}
