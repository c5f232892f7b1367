//! How much is tried: a little with every change, much with `tests/run --long`.

/// True if the long forms of the tests were asked for.
pub fn is_long() -> bool {
    std::env::var_os("PARALLAX_LONG").is_some()
}

/// So many of whatever is tried.
pub fn cases<N>(short: N, long: N) -> N {
    if is_long() { long } else { short }
}
