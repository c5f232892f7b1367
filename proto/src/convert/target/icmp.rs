//! ICMP.

use std::time::Duration;

use parallax_model::target::icmp::{ECHOES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};
use parallax_model::{Family, IcmpCheck};

use super::micros;
use crate::convert::InvalidMessage;
use crate::pb;

pub(super) fn to_wire(check: &IcmpCheck) -> pb::IcmpCheck {
    pb::IcmpCheck {
        host: check.host.clone(),
        count: check.count.into(),
        spacing_us: micros(check.spacing),
        payload_bytes: check.payload_bytes.into(),
        loss_percent_max: check.loss_percent_max.into(),
        rtt_max_us: check.rtt_max.map(micros),
        family: family_to_wire(check.family),
    }
}

pub(super) fn from_wire(check: pb::IcmpCheck) -> Result<IcmpCheck, InvalidMessage> {
    let within = |field: &str, n: u32, low: u16, high: u16| {
        u16::try_from(n).ok().filter(|n| (low..=high).contains(n)).ok_or_else(|| {
            let why = format!("{n} is not within {low}-{high}");
            InvalidMessage::new(format!("target.icmp.{field}"), why)
        })
    };
    Ok(IcmpCheck {
        count: within("count", check.count, 1, ECHOES_MAX)?,
        spacing: Duration::from_micros(check.spacing_us),
        payload_bytes: within(
            "payload_bytes",
            check.payload_bytes,
            PAYLOAD_BYTES_MIN,
            PAYLOAD_BYTES_MAX,
        )?,
        loss_percent_max: within("loss_percent_max", check.loss_percent_max, 0, 99)? as u8,
        rtt_max: check.rtt_max_us.map(Duration::from_micros),
        family: family_from_wire(check.family, "target.icmp.family")?,
        host: check.host,
    })
}

pub(super) const fn family_to_wire(family: Family) -> u32 {
    match family {
        Family::Any => 0,
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

pub(super) fn family_from_wire(number: u32, field: &str) -> Result<Family, InvalidMessage> {
    match number {
        0 => Ok(Family::Any),
        4 => Ok(Family::V4),
        6 => Ok(Family::V6),
        _ => Err(InvalidMessage::new(field, "must be 0, 4 or 6")),
    }
}
