//! The first command of the README, as a newcomer runs it.

use std::time::Duration;

use parallax_tests::run_with_deadline;

#[test]
fn the_practice_story_is_told_right() {
    let out = run_with_deadline("parallax", ["try", "--once"], Duration::from_mins(2));
    let told = String::from_utf8_lossy(&out.stdout);
    eprintln!("{told}");
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(told.contains("region") && told.contains("service"), "{told}");
}
