//! The first command of the README, as a newcomer runs it. Its five seconds are a promise to somebody
//! whose machine does nothing else, so `tests/run` runs this before and apart from the others.

use std::time::Duration;

use parallax_tests::run_with_deadline;

#[test]
fn the_practice_story_is_told_right() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let out =
        run_with_deadline("parallax", ["try", "--once", "--data", data], Duration::from_mins(2));
    let told = String::from_utf8_lossy(&out.stdout);
    eprintln!("{told}");
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    let rights = told.lines().filter(|line| line.ends_with(" right")).count();
    assert_eq!(rights, 5, "every step of the story: {told}");
    assert!(folder.path().join("agents/dublin").is_dir(), "the data stays where it was asked for");
}
