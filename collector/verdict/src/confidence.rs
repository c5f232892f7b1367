//! From nats to a probability that the locus is right.
//!
//! The scale was fitted on generated outages, as a margin is no log-odds: noise is burstier than the model thinks. How far it
//! holds stands in the README's table.

use parallax_model::Confidence;

/// Never more certain than this.
const CEILING: f64 = 0.999;

/// The probability behind a margin, as `domains` domains bear witness.
pub(crate) fn confidence(margin_nats: f64, domains: u32, slow: bool) -> Confidence {
    let nats = Confidence::OF_A_NAT * (margin_nats - if slow { 1.0 } else { 0.0 });
    let p = 1.0 / (1.0 + (-nats).exp());
    let ceiling = match domains {
        0 | 1 => Confidence::ONE_DOMAIN_MAX,
        2 => Confidence::TWO_DOMAINS_MAX,
        _ => CEILING,
    };
    Confidence::new(p.min(ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(margin: f64, domains: u32) -> f64 {
        confidence(margin, domains, false).get()
    }

    #[test]
    fn few_domains_are_never_sure_whatever_the_margin() {
        for (domains, most) in [(0, 0.7), (1, 0.7), (2, 0.95), (3, 0.999), (1_000, 0.999)] {
            for margin in [12.0, 100.0, 1e300, f64::INFINITY] {
                assert_eq!(confidence(margin, domains, false), Confidence::new(most), "{margin}");
                assert_eq!(confidence(margin, domains, true), Confidence::new(most), "{margin}");
            }
        }
    }

    #[test]
    fn six_nats_are_ninety_nine_in_a_hundred_and_none_are_even_odds() {
        for (margin, is) in [(0.0, 0.5), (2.0, 0.818), (6.0, 0.989), (-2.0, 0.182)] {
            assert!((sure(margin, 3) - is).abs() < 0.001, "{margin}: {}", sure(margin, 3));
        }
        // slowness is a nat less
        assert_eq!(confidence(6.0, 3, true), confidence(5.0, 3, false));
    }

    #[test]
    fn more_nats_and_more_domains_are_never_less_sure() {
        for slow in [false, true] {
            for tenths in -400..400 {
                let margin = f64::from(tenths) / 10.0;
                for domains in 0..5 {
                    let here = confidence(margin, domains, slow);
                    assert!(here <= confidence(margin + 0.1, domains, slow), "{margin} {domains}");
                    assert!(here <= confidence(margin, domains + 1, slow), "{margin} {domains}");
                }
            }
        }
    }

    #[test]
    fn every_margin_gives_a_probability() {
        for margin in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0] {
            for domains in 0..4 {
                let sure = sure(margin, domains);
                assert!((0.0..=1.0).contains(&sure), "{margin} {domains}: {sure}");
            }
        }
        assert_eq!(confidence(f64::NEG_INFINITY, 3, false), Confidence::new(0.0));
    }
}
