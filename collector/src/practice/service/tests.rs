//! Each switch, felt by a real client.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{ANSWERS_AFTER, FACTOR_MAX, Kind, Mode, Service};

/// Long enough that only something that never happens takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

async fn get(service: &Service) -> Result<(u16, String), reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let answer = client.get(format!("http://{}/", service.addr())).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn shop() -> Service {
    Service::open("shop", Kind::Page).await.unwrap()
}

#[tokio::test]
async fn healthy_answers_200_and_error_answers_500_with_the_famous_words() {
    let shop = shop().await;
    assert_eq!(get(&shop).await.unwrap(), (200, "shop is fine\n".to_owned()));
    shop.set(Mode::Error);
    assert_eq!(get(&shop).await.unwrap(), (500, "internal server error\n".to_owned()));
    shop.set(Mode::Healthy);
    assert_eq!(get(&shop).await.unwrap().0, 200);
}

#[tokio::test]
async fn slow_answers_well_and_late() {
    let shop = shop().await;
    shop.set(Mode::Slow(20));
    let asked = Instant::now();
    assert_eq!(get(&shop).await.unwrap().0, 200);
    assert!(asked.elapsed() >= 20 * ANSWERS_AFTER, "took {:?}", asked.elapsed());
}

#[tokio::test]
async fn refuse_answers_nobody() {
    let shop = shop().await;
    shop.set(Mode::Refuse);
    assert!(get(&shop).await.unwrap_err().is_request());
    shop.set(Mode::Healthy);
    assert_eq!(get(&shop).await.unwrap().0, 200);
}

#[tokio::test]
async fn hang_holds_a_request_until_the_mode_changes() {
    let shop = shop().await;
    shop.set(Mode::Hang);
    let mut waiting = Box::pin(get(&shop));
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err(), "it must hang");
    shop.set(Mode::Error);
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap().0, 500);
}

#[test]
fn words_name_modes_and_a_factor_is_held_within_bounds() {
    for mode in [Mode::Healthy, Mode::Error, Mode::Slow(7), Mode::Refuse, Mode::Hang] {
        assert_eq!(Mode::from_word(mode.as_str(), Some(7)), Some(mode));
    }
    assert_eq!(Mode::from_word("slow", Some(u32::MAX)), Some(Mode::Slow(FACTOR_MAX)));
    assert_eq!(Mode::from_word("slow", Some(0)), Some(Mode::Slow(1)));
    assert_eq!(Mode::from_word("broken", None), None);
}
