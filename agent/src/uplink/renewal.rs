//! A new certificate in time, over the road that the old one opened.

use std::time::Duration;

use tonic::transport::Channel;

use super::joining::renew;
use super::now;
use crate::identity::{Identity, IdentityError, Request};

/// The clock is looked at as often as this: it may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// What did not work is tried again after a hundredth of the time that is left, but at these paces.
const TRIES: u32 = 100;
const RETRY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);

/// Waits until it is time, then asks until there is a new certificate, kept on disk. Drop it when the
/// connection ends; what was kept by then is found there.
pub(super) async fn in_time(identity: &Identity, channel: Channel) -> Identity {
    let mut told = String::new();
    loop {
        until(identity.credential().renew_at_ms).await;
        let why = match once(identity, channel.clone()).await {
            Ok(renewed) => return renewed,
            Err(why) => why,
        };
        let left = identity.credential().not_after_ms.saturating_sub(now_ms());
        if why != told {
            tracing::warn!(
                left = %humantime::format_duration(Duration::from_secs(left / 1000)),
                "the certificate could not be renewed, and will be tried again: {why}"
            );
            told = why;
        }
        let pause = Duration::from_millis(left) / TRIES;
        let pause = pause.clamp(*RETRY.start(), *RETRY.end());
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
    }
}

async fn until(at_ms: u64) {
    loop {
        let left = Duration::from_millis(at_ms.saturating_sub(now_ms()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}

async fn once(identity: &Identity, channel: Channel) -> Result<Identity, String> {
    let own = identity.clone();
    let on_disk = tokio::task::spawn_blocking(move || own.replaced());
    // what an earlier try kept before its connection ended is the one to go on with
    if let Ok(Ok(Some(kept))) = on_disk.await {
        return Ok(kept);
    }
    let request = Request::new().map_err(|e| e.to_string())?;
    let granted = renew(channel, request.csr.clone()).await?;
    let old = identity.clone();
    let kept = tokio::task::spawn_blocking(move || {
        match old.renewed(&request, &granted, now_ms()) {
            // whoever joined anew is who we are from here on
            Err(IdentityError::Replaced { .. }) => Identity::load(old.folder()),
            other => other,
        }
    });
    kept.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn now_ms() -> u64 {
    now().millis().unsigned_abs()
}
