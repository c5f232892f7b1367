//! The fuzzer: libFuzzer at the door that `PARALLAX_DOOR` names. Started by `tests/fuzz/run`.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls a function by its C name, which the macro exports")]
#![allow(clippy::panic, reason = "a fuzzer without a door has nothing else to say")]

use std::sync::LazyLock;

use parallax_fuzz::{DOORS, Door};

static DOOR: LazyLock<&Door> = LazyLock::new(|| {
    let name = std::env::var("PARALLAX_DOOR").unwrap_or_default();
    let known = || DOORS.iter().map(|door| door.name).collect::<Vec<_>>().join(", ");
    let door = DOORS.iter().find(|door| door.name == name);
    door.unwrap_or_else(|| panic!("PARALLAX_DOOR={name}: the doors are {}", known()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (DOOR.take)(bytes));
