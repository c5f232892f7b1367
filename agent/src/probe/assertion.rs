//! What an answer must be beyond its status. The first assertion that does not hold fails the look: it names
//! itself and shows the beginning of what was found instead, without what looks like a secret.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use http::HeaderMap;
use parallax_model::{Assertion, ErrorKind, Must, Stage};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::failure::Failure;
use super::timing::Course;

/// Largest compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Most values that a JSON path is judged by.
const VALUES_MAX: usize = 1000;

/// How much is shown of what was found, in bytes.
const SHOWN_BYTES_MAX: usize = 80;

const DAY_S: i64 = 24 * 60 * 60;

/// What is judged.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) headers: Option<&'a HeaderMap>,
    pub(super) body: &'a [u8],
}

/// True if a body must be kept to judge by.
pub(super) fn need_body(assertions: &[Assertion]) -> bool {
    assertions.iter().any(|a| matches!(a, Assertion::Body(_) | Assertion::Json { .. }))
}

/// Judges all assertions, in order. The stages must have ended.
pub(super) fn judge(
    assertions: &[Assertion],
    answer: &Answer<'_>,
    course: &Course<'_>,
) -> Result<(), Failure> {
    let mut json = None;
    for assertion in assertions {
        let found = match assertion {
            Assertion::Header { name, must } => header(answer, name, must)?,
            Assertion::Body(must) => text(must, Some(answer.body))?,
            Assertion::Json { path, must } => {
                let json = json.get_or_insert_with(|| serde_json::from_slice(answer.body));
                match json {
                    Ok(value) => by_path(value, path, must)?,
                    Err(why) => Err(format!("no JSON ({why}): {}", shown(answer.body))),
                }
            }
            Assertion::CertificateDays(days) => certificate(*days, course),
            Assertion::Within { stage, most } => within(*stage, *most, course),
        };
        if let Err(found) = found {
            let why = format!("asserted {assertion}; found {found}");
            return Err(Failure::new(ErrorKind::Assertion, why));
        }
    }
    Ok(())
}

/// What was found, if that is not as it must be.
type Found = Result<(), String>;

fn header(answer: &Answer<'_>, name: &str, must: &Must) -> Result<Found, Failure> {
    let value = answer.headers.and_then(|headers| headers.get(name));
    text(must, value.map(http::HeaderValue::as_bytes))
}

fn text(must: &Must, found: Option<&[u8]>) -> Result<Found, Failure> {
    let Some(text) = found else {
        return Ok(if matches!(must, Must::BeAbsent) { Ok(()) } else { Err("none".into()) });
    };
    let contains = |wanted: &str| contains(text, wanted.as_bytes());
    let number = || std::str::from_utf8(text).ok().and_then(|t| t.trim().parse::<f64>().ok());
    let holds = match must {
        Must::Exist => true,
        Must::BeAbsent => false,
        Must::Equal(wanted) => text == wanted.as_bytes(),
        Must::Differ(other) => text != other.as_bytes(),
        Must::Contain(wanted) => contains(wanted),
        Must::Lack(unwanted) => !contains(unwanted),
        Must::Match(of) => pattern(of)?.is_match(text),
        Must::MatchNot(of) => !pattern(of)?.is_match(text),
        Must::AtLeast(least) => compare(number(), least, |found, least| found >= least),
        Must::AtMost(most) => compare(number(), most, |found, most| found <= most),
    };
    Ok(if holds { Ok(()) } else { Err(shown(text)) })
}

fn compare(found: Option<f64>, bound: &str, holds: fn(f64, f64) -> bool) -> bool {
    matches!((found, bound.parse()), (Some(found), Ok(bound)) if holds(found, bound))
}

fn pattern(of: &str) -> Result<Regex, Failure> {
    let built = RegexBuilder::new(of).unicode(false).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|e| Failure::new(ErrorKind::Internal, format!("the target's pattern: {e}")))
}

/// One of the values is enough; for what must not be, all count.
fn by_path(json: &Value, path: &str, must: &Must) -> Result<Found, Failure> {
    let path = JsonPath::parse(path)
        .map_err(|e| Failure::new(ErrorKind::Internal, format!("the target's JSON path: {e}")))?;
    let values: Vec<String> = path.query(json).iter().take(VALUES_MAX).map(|v| plain(v)).collect();
    if values.is_empty() {
        return text(must, None);
    }
    let mut judged = Vec::with_capacity(values.len());
    for value in &values {
        judged.push(text(must, Some(value.as_bytes()))?);
    }
    let negative = matches!(must, Must::Differ(_) | Must::Lack(_) | Must::MatchNot(_));
    let holds =
        if negative { judged.iter().all(Found::is_ok) } else { judged.iter().any(Found::is_ok) };
    Ok(if holds { Ok(()) } else { judged.into_iter().find(Found::is_err).unwrap_or(Ok(())) })
}

/// A text without its quotes, anything else as JSON writes it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn certificate(days: u32, course: &Course<'_>) -> Found {
    let expiry = course.clues.tls.as_ref().and_then(parallax_model::TlsClue::earliest_expiry_s);
    let Some(expiry) = expiry else { return Err("no certificate".into()) };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let left_s = expiry - now.unwrap_or_default().as_secs() as i64;
    if left_s >= i64::from(days) * DAY_S {
        return Ok(());
    }
    Err(format!("{} days left", left_s.div_euclid(DAY_S)))
}

fn within(stage: Option<Stage>, most: Duration, course: &Course<'_>) -> Found {
    let took = match stage {
        None => Instant::now().saturating_duration_since(course.mark.origin()),
        Some(stage) => course
            .stages
            .iter()
            .find_map(|(s, took)| (s == stage).then_some(took))
            .unwrap_or_default(),
    };
    if took <= most { Ok(()) } else { Err(format!("{:.1} ms", took.as_secs_f64() * 1e3)) }
}

/// True if `text` contains `wanted`.
pub(super) fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

/// The beginning of what was found, in quotes, without what looks like a secret.
pub(super) fn shown(text: &[u8]) -> String {
    // a secret must not be shown by being cut in two
    let some = text.get(..SHOWN_BYTES_MAX * 4).unwrap_or(text);
    let clean = redact(&String::from_utf8_lossy(some));
    let cut = clean.get(..clean.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default();
    let more = if cut.len() < clean.len() || some.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// What follows a telling word, and long runs of letters and digits.
fn redact(text: &str) -> String {
    static TELLING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let word = r#"(?i)((?:password|passwd|secret|token|api[_-]?key|authorization|cookie|session)"?\s*[:=]\s*"?(?:bearer |basic )?)[^\s"&,;<>]+"#;
        RegexBuilder::new(word).unicode(false).build().ok()
    });
    static LONG: LazyLock<Option<Regex>> =
        LazyLock::new(|| RegexBuilder::new(r"[A-Za-z0-9_+/=-]{24,}").unicode(false).build().ok());
    let mut bytes = text.as_bytes().to_vec();
    if let Some(telling) = TELLING.as_ref() {
        bytes = telling.replace_all(&bytes, b"$1[redacted]".as_slice()).into_owned();
    }
    if let Some(long) = LONG.as_ref() {
        bytes = long.replace_all(&bytes, b"[redacted]".as_slice()).into_owned();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::timing::Mark;
    use super::*;

    fn judged(assertion: Assertion, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        headers.insert("x-age", http::HeaderValue::from_static("30"));
        let answer = Answer { headers: Some(&headers), body: body.as_bytes() };
        let mark = Mark::new(Instant::now());
        let mut course = Course::new(&mark, Instant::now());
        course.stages.connect = Some(Duration::from_millis(20));
        judge(&[assertion], &answer, &course).err().map(|failure| failure.detail)
    }

    fn json(path: &str, must: Must) -> Assertion {
        Assertion::Json { path: path.into(), must }
    }

    fn head(name: &str, must: Must) -> Assertion {
        Assertion::Header { name: name.into(), must }
    }

    const BODY: &str = r#"{"status":"ok","n":3,"on":true,"parts":[{"up":true},{"up":false}]}"#;

    #[test]
    fn what_holds_is_silent() {
        for assertion in [
            head("content-type", Must::Contain("json".into())),
            head("x-powered-by", Must::BeAbsent),
            head("x-age", Must::AtMost("30".into())),
            head("content-type", Must::Match("^application/\\w+$".into())),
            Assertion::Body(Must::Lack("error".into())),
            Assertion::Body(Must::MatchNot("(?i)stack ?trace".into())),
            json("$.status", Must::Equal("ok".into())),
            json("$.n", Must::AtLeast("2.5".into())),
            json("$.on", Must::Equal("true".into())),
            json("$.parts[*].up", Must::Equal("false".into())),
            json("$.error", Must::BeAbsent),
            Assertion::Within { stage: Some(Stage::Connect), most: Duration::from_millis(20) },
        ] {
            assert_eq!(judged(assertion.clone(), BODY), None, "{assertion}");
        }
    }

    #[test]
    fn what_does_not_names_itself_and_what_was_found() {
        for (assertion, says) in [
            (
                json("$.status", Must::Equal("up".into())),
                "json $.status equals \"up\"; found \"ok\"",
            ),
            (json("$.n", Must::AtLeast("4".into())), "json $.n is at least 4; found \"3\""),
            (json("$.none", Must::Exist), "json $.none exists; found none"),
            (json("$.parts[*].up", Must::Differ("false".into())), "found \"false\""),
            (head("x-age", Must::AtMost("29".into())), "header x-age is at most 29; found \"30\""),
            (Assertion::Body(Must::Contain("up!".into())), "body contains \"up!\"; found \"{"),
            (
                Assertion::Within { stage: Some(Stage::Connect), most: Duration::from_millis(19) },
                "connect within 19ms; found 20.0 ms",
            ),
            (Assertion::CertificateDays(7), "certificate valid for 7 days; found no certificate"),
        ] {
            let said = judged(assertion, BODY).unwrap();
            assert!(said.contains(says), "{said}");
        }
        let said = judged(json("$.a", Must::Exist), "<html>").unwrap();
        assert!(said.contains("found no JSON (expected value"), "{said}");
    }

    #[test]
    fn an_excerpt_is_short_and_keeps_secrets() {
        let body =
            br#"{"api_key": "abc123", "error": "no", "t": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"}"#;
        let said = shown(body);
        assert!(!said.contains("abc123") && !said.contains("eyJ"), "{said}");
        assert!(said.contains("error"), "{said}");
        assert!(shown(&[b'x'; 5000]).len() < 200);
    }

    #[test]
    fn a_pattern_that_would_fill_the_memory_is_refused() {
        let said = judged(Assertion::Body(Must::Match("(?:a{1000}){1000}".into())), "a").unwrap();
        assert!(said.contains("the target's pattern"), "{said}");
    }
}
