//! From nats to a probability that the locus is right.
//!
//! The scale and caps were fitted on generated outages (see the README's table): a margin is not
//! quite a log-odds, as noise is burstier than the model thinks.

use parallax_model::Confidence;

/// Share of a nat that is believed.
const SCALE: f64 = 0.75;
/// Never more certain than this.
const CEILING: f64 = 0.999;
/// With few independent witnesses: one, two domains.
const CEILING_ONE: f64 = 0.7;
const CEILING_TWO: f64 = 0.95;

/// The probability behind a margin, as `domains` domains bear witness.
pub(crate) fn confidence(margin_nats: f64, domains: u32, slow: bool) -> Confidence {
    let nats = SCALE * (margin_nats - if slow { 1.0 } else { 0.0 });
    let p = 1.0 / (1.0 + (-nats).exp());
    let ceiling = match domains {
        0 | 1 => CEILING_ONE,
        2 => CEILING_TWO,
        _ => CEILING,
    };
    Confidence::new(p.min(ceiling))
}
