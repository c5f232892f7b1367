//! Does anybody take a TCP connection there, and say what they should?

use parallax_model::{ErrorKind, Stage, TcpCheck, TcpStep};
use regex::bytes::{Regex, RegexBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::Surroundings;
use super::connect::{connect, host_and_port};
use super::failure::{Failure, excerpt};
use super::timing::Course;

/// How much is heard while one step waits for its pattern: a banner, an answer. It is searched anew with
/// every piece that comes, so that more of it would let a peer that trickles burn our time.
const HEARD_BYTES_MAX: usize = 16 << 10;

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(super) async fn look(
    check: &TcpCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let talk = Talk::of(&check.talk)?;
    let (host, port) = host_and_port(&check.address)?;
    let mut stream = connect(&host, port, around, course).await?;
    if check.talk.is_empty() {
        return Ok(());
    }
    course.begin(Stage::FirstByte);
    talk.over(&mut stream, course).await.map(|_| ())
}

/// What is said and heard, in order.
pub(super) struct Talk<'a>(Vec<Step<'a>>);

impl<'a> Talk<'a> {
    pub(super) fn of(steps: &'a [TcpStep]) -> Result<Self, Failure> {
        steps.iter().map(Step::of).collect::<Result<_, _>>().map(Self)
    }

    /// Goes through it to its end. What the peer said beyond it is returned.
    pub(super) async fn over(
        &self,
        stream: &mut TcpStream,
        course: &Course<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let mut heard = Heard::default();
        for step in &self.0 {
            match step {
                Step::Send(text) => send(stream, text, course).await?,
                Step::Expect(pattern) => heard.until(pattern, stream, course).await?,
            }
        }
        Ok(heard.bytes)
    }
}

enum Step<'a> {
    Send(&'a str),
    Expect(Regex),
}

impl<'a> Step<'a> {
    fn of(step: &'a TcpStep) -> Result<Self, Failure> {
        let text = match step {
            TcpStep::Send(text) => return Ok(Self::Send(text)),
            TcpStep::Expect(text) => text,
        };
        let pattern = pattern(text);
        pattern.map(Self::Expect).map_err(|e| Failure::new(ErrorKind::Internal, e))
    }
}

/// A pattern over lines of bytes: `^` and `$` stand at the edges of lines, also of those that end in CR LF.
fn pattern(text: &str) -> Result<Regex, String> {
    let mut pattern = RegexBuilder::new(text);
    pattern.unicode(false).multi_line(true).crlf(true).size_limit(PATTERN_BYTES_MAX);
    pattern.build().map_err(|e| format!("the pattern {text:?}: {e}"))
}

async fn send(stream: &mut TcpStream, text: &str, course: &Course<'_>) -> Result<(), Failure> {
    let sending = timeout_at(course.last_word(), stream.write_all(text.as_bytes()));
    match sending.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Failure::cut_off(&e, "while we spoke")),
        Err(_) => Err(Failure::new(ErrorKind::Timeout, "the peer does not take what is sent")),
    }
}

/// What has come and was not expected yet.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    any: bool,
}

impl Heard {
    /// Reads until `pattern` is found. What it matched, and the rest of that line, is then done with.
    async fn until(
        &mut self,
        pattern: &Regex,
        stream: &mut TcpStream,
        course: &Course<'_>,
    ) -> Result<(), Failure> {
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = matched(pattern, &self.bytes) {
                self.bytes.drain(..end);
                return Ok(());
            }
            if self.bytes.len() >= HEARD_BYTES_MAX {
                return Err(self.other_than(pattern, "came"));
            }
            let room = HEARD_BYTES_MAX - self.bytes.len();
            let room = piece.get_mut(..room.min(4096)).unwrap_or_default();
            match timeout_at(course.last_word(), stream.read(room)).await {
                Ok(Ok(0)) if self.bytes.is_empty() => {
                    let why = format!("closed without a word, expected {:?}", pattern.as_str());
                    return Err(Failure::new(ErrorKind::Closed, why));
                }
                Ok(Ok(0)) => return Err(self.other_than(pattern, "was the last word")),
                Ok(Ok(read)) => {
                    course.mark.hit();
                    self.any = true;
                    self.bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
                }
                Ok(Err(e)) => {
                    let when = if self.any { "amid the talk" } else { "before a word" };
                    return Err(Failure::cut_off(&e, when));
                }
                Err(_) if self.bytes.is_empty() => {
                    let why = format!("nothing came, expected {:?}", pattern.as_str());
                    return Err(Failure::new(ErrorKind::Timeout, why));
                }
                Err(_) => return Err(self.other_than(pattern, "came")),
            }
        }
    }

    fn other_than(&self, pattern: &Regex, what: &str) -> Failure {
        let why = format!("{} {what}, expected {:?}", excerpt(&self.bytes), pattern.as_str());
        Failure::new(ErrorKind::Assertion, why)
    }
}

/// Where the line ends in which `pattern` is found.
fn matched(pattern: &Regex, heard: &[u8]) -> Option<usize> {
    let end = pattern.find(heard)?.end();
    let rest = heard.get(end..).unwrap_or_default();
    Some(rest.iter().position(|&b| b == b'\n').map_or(end, |line| end + line + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_match_takes_the_rest_of_its_line() {
        let found = |text: &str, heard: &[u8]| matched(&pattern(text).unwrap(), heard);
        assert_eq!(found("^220", b"220 mail ready\r\nrest"), Some(16));
        assert_eq!(found("^250 ", b"250-SIZE\r\n250 OK\r\n"), Some(18));
        assert_eq!(found("ready$", b"220 mail ready\r\n"), Some(16));
        assert_eq!(found("PONG", b"+PONG"), Some(5));
        assert_eq!(found("PONG", b"+PIN"), None);
        assert_eq!(found(r"\xff\x00", b"\xff\x00\x01"), Some(2));
        assert!(pattern("(").is_err() && pattern("a{1000000}").is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_bytes_break_it(
            text in ".{0,40}",
            heard in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            if let Ok(pattern) = pattern(&text) {
                let end = matched(&pattern, &heard);
                prop_assert!(end.is_none_or(|end| end <= heard.len()));
            }
        }

        #[test]
        fn a_text_is_found_wherever_it_stands(
            before in prop::collection::vec(any::<u8>(), 0..100),
            text in "[a-z]{1,10}",
            after in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let heard = [&before[..], text.as_bytes(), &after[..]].concat();
            prop_assert!(matched(&pattern(&text).unwrap(), &heard).is_some());
        }
    }
}
