//! A link between a real client and a real echo server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::{CONNECTIONS_MAX, Link, LinkState, SLOW_ADDS};

/// Long enough that only something that never happens takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for loopback to do what it would do.
const A_WHILE: Duration = Duration::from_millis(200);

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                drop(tokio::io::copy(&mut reads, &mut writes).await);
            });
        }
    });
    addr
}

async fn link() -> Link {
    let link = Link::open(Duration::ZERO).unwrap();
    link.lead_to(echo().await);
    link
}

async fn connect(link: &Link) -> TcpStream {
    timeout(PATIENCE, TcpStream::connect(link.addr())).await.unwrap().unwrap()
}

/// Sends `text` and waits for its echo.
async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap()?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn an_open_link_carries_both_ways_and_ends_cleanly() {
    let link = link().await;
    let mut stream = connect(&link).await;
    let long = "0123456789".repeat(20_000);
    assert_eq!(ask(&mut stream, &long).await.unwrap(), long);
    stream.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_cut_link_stalls_what_is_open_and_goes_on_when_healed() {
    let link = link().await;
    let mut stream = connect(&link).await;
    assert_eq!(ask(&mut stream, "before").await.unwrap(), "before");

    link.set(LinkState::Cut);
    stream.write_all(b"during").await.unwrap();
    let mut answer = [0; 6];
    assert!(timeout(A_WHILE, stream.read_exact(&mut answer)).await.is_err(), "it must stall");

    link.set(LinkState::Open);
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"during");
}

#[tokio::test]
async fn a_cut_link_lets_nobody_in_and_lets_them_in_when_healed() {
    let link = link().await;
    link.set(LinkState::Cut);
    let mut shut_out = 0;
    let mut held = Vec::new();
    // the first few may slip in before the queue is full; they are not answered
    for _ in 0..40 {
        match timeout(Duration::from_millis(30), TcpStream::connect(link.addr())).await {
            Ok(stream) => held.push(stream.unwrap()),
            Err(_) => shut_out += 1,
        }
    }
    assert!(shut_out > 20, "only {shut_out} of 40 were shut out");
    for stream in &mut held {
        assert!(timeout(Duration::from_millis(5), stream.read(&mut [0; 1])).await.is_err());
    }
    link.set(LinkState::Open);
    let mut stream = connect(&link).await;
    assert_eq!(ask(&mut stream, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn a_slow_link_adds_its_delay_each_way_and_a_healed_one_does_not() {
    let link = link().await;
    let mut stream = connect(&link).await;
    link.set(LinkState::Slow);
    let asked = Instant::now();
    assert_eq!(ask(&mut stream, "slow").await.unwrap(), "slow");
    assert!(asked.elapsed() >= 2 * SLOW_ADDS, "took {:?}", asked.elapsed());
    link.set(LinkState::Open);
    assert_eq!(ask(&mut stream, "fast").await.unwrap(), "fast");
}

#[tokio::test]
async fn a_resetting_link_breaks_open_connections_and_new_ones_in_the_middle_of_an_answer() {
    let link = link().await;
    let mut open = connect(&link).await;
    assert_eq!(ask(&mut open, "before").await.unwrap(), "before");
    link.set(LinkState::Reset);
    let broken = timeout(PATIENCE, open.read(&mut [0; 1])).await.unwrap();
    assert_eq!(broken.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    let mut new = connect(&link).await;
    new.write_all(&[b'x'; 100]).await.unwrap();
    let mut answer = Vec::new();
    let broken = timeout(PATIENCE, new.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(broken.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(answer.len(), super::carry::RESET_AFTER_BYTES);

    link.set(LinkState::Open);
    assert_eq!(ask(&mut connect(&link).await, "after").await.unwrap(), "after");
}

/// Polls until a connection attempt ends as wanted, since a link turns within moments, not at once.
async fn until_refused(link: &Link) {
    let refused = async {
        loop {
            match TcpStream::connect(link.addr()).await {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return,
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn a_refusing_link_refuses_and_opens_again_at_the_same_address() {
    let link = link().await;
    let mut open = connect(&link).await;
    assert_eq!(ask(&mut open, "before").await.unwrap(), "before");
    link.set(LinkState::Refuse);
    let broken = timeout(PATIENCE, open.read(&mut [0; 1])).await.unwrap();
    assert_eq!(broken.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    until_refused(&link).await;

    link.set(LinkState::Open);
    let answered = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(link.addr()).await {
                return ask(&mut stream, "after").await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(PATIENCE, answered).await.unwrap(), "after");
}

#[tokio::test]
async fn a_link_follows_its_far_ends_refusal_unless_it_is_cut() {
    let link = link().await;
    link.far_end_refuses(true);
    until_refused(&link).await;
    assert_eq!(link.state(), LinkState::Open, "its own state is not touched");
    link.far_end_refuses(false);
    link.set(LinkState::Cut);
    assert_eq!(link.state(), LinkState::Cut);
}

#[tokio::test]
async fn a_link_carries_a_bounded_number_of_connections() {
    let link = link().await;
    let mut carried = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = connect(&link).await;
        assert_eq!(ask(&mut stream, "in").await.unwrap(), "in");
        carried.push(stream);
    }
    let mut waiting = connect(&link).await;
    waiting.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    assert!(timeout(A_WHILE, waiting.read_exact(&mut answer)).await.is_err(), "it must wait");
    carried.pop();
    timeout(PATIENCE, waiting.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_dropped_link_ends_its_connections() {
    let link = link().await;
    let mut stream = connect(&link).await;
    assert_eq!(ask(&mut stream, "before").await.unwrap(), "before");
    drop(link);
    let ended = timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[test]
fn words_and_states_are_one_to_one() {
    for &state in LinkState::ALL {
        assert_eq!(LinkState::from_word(state.as_str()), Some(state));
    }
    assert_eq!(LinkState::from_word("closed"), None);
}
