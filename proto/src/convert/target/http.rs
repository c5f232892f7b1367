//! HTTP.

use parallax_model::{HttpCheck, StatusSet};

use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &HttpCheck) -> pb::HttpCheck {
    let range = |&(low, high): &(u16, u16)| pb::StatusRange { low: low.into(), high: high.into() };
    pb::HttpCheck {
        url: check.url.clone(),
        method: check.method.clone(),
        status: check.status.ranges().iter().map(range).collect(),
        body_contains: check.body_contains.clone(),
        redirects_max: check.redirects_max.into(),
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
    Ok(HttpCheck {
        url: check.url,
        method: check.method,
        status,
        body_contains: check.body_contains,
        redirects_max,
    })
}
