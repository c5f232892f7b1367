//! The generated code is checked in, so that a build needs no protobuf compiler. This test makes it
//! anew from the contract and fails if it differs; `UPDATE=1` writes it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

#[test]
fn generated_code_is_what_the_contract_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    let files =
        protox::compile(["parallax/v1/road.proto", "parallax/v1/joining.proto"], [root]).unwrap();
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(files)
        .unwrap();
    let made = std::fs::read_to_string(out.path().join("parallax.v1.rs")).unwrap();
    let kept = root.join("src/gen/parallax.v1.rs");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, &made).unwrap();
    }
    let have = std::fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        have == made,
        "src/gen is stale: run `UPDATE=1 cargo test -p parallax-proto --test bootstrap`"
    );
}
