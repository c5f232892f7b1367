//! Whose fault an error is: ours (key, quota), or the service's. Pure.

use http::HeaderMap;
use http::header::RETRY_AFTER;
use parallax_model::ErrorKind;

use super::dialect::Complaint;
use crate::probe::failure::Failure;

/// What services say of a key or an account that is not in order. A look that fails so says nothing of the
/// service: it would answer anybody who pays.
const OURS: &[&str] = &[
    "account_deactivated",
    "authentication_error",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_quota",
    "invalid_api_key",
    "permission_denied",
    "permission_error",
];

/// What they say when they have too much to do, or broke.
const THEIRS: &[&str] = &[
    "api_error",
    "engine_overloaded",
    "internal_error",
    "internal_server_error",
    "overloaded",
    "overloaded_error",
    "server_error",
    "service_unavailable",
    "timeout_error",
];

/// What they say when we ask too often.
const RATE: &[&str] = &["rate_limit_error", "rate_limit_exceeded"];

/// What they say when our question is wrong.
const QUESTION: &[&str] = &["invalid_request_error", "model_not_found", "not_found_error"];

/// An error with an HTTP status of its own.
pub(super) fn of_status(
    status: u16,
    headers: &HeaderMap,
    complaint: Option<&Complaint>,
    secret: Option<&str>,
) -> Failure {
    let kind = complaint.and_then(by_words).filter(|kind| fits(*kind, status));
    let kind = kind.unwrap_or(match status {
        401 | 402 => ErrorKind::PolicyDenied,
        403 | 407 | 429 | 451 => ErrorKind::Blocked,
        500.. => ErrorKind::Status5xx,
        _ => ErrorKind::Status4xx,
    });
    let retry = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry = retry.map(|after| format!(", retry after {after}")).unwrap_or_default();
    let said = complaint.map(|c| format!(": {}", shown(c, secret))).unwrap_or_default();
    Failure::new(kind, format!("{}status {status}{retry}{said}", whose(kind)))
}

/// An error in the midst of what began as an answer.
pub(super) fn in_band(complaint: &Complaint, secret: Option<&str>) -> Failure {
    // an error that nobody can classify is still one in the service's own answer
    let kind = by_words(complaint).unwrap_or(ErrorKind::Status5xx);
    Failure::new(
        kind,
        format!("{}an error in the answer: {}", whose(kind), shown(complaint, secret)),
    )
}

fn by_words(complaint: &Complaint) -> Option<ErrorKind> {
    let among = |list: &[&str]| {
        complaint.words.iter().any(|word| list.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    // Anthropic tells an empty account as a wrong request
    let broke = complaint.message.contains("credit balance is too low");
    if broke || among(OURS) {
        Some(ErrorKind::PolicyDenied)
    } else if among(THEIRS) {
        Some(ErrorKind::Status5xx)
    } else if among(RATE) {
        Some(ErrorKind::Blocked)
    } else if among(QUESTION) {
        Some(ErrorKind::Status4xx)
    } else {
        None
    }
}

/// A service that fails may still say a word of ours: its status is believed.
fn fits(kind: ErrorKind, status: u16) -> bool {
    status < 500 || kind == ErrorKind::Status5xx
}

fn whose(kind: ErrorKind) -> &'static str {
    if kind == ErrorKind::PolicyDenied { "our key or quota: " } else { "" }
}

/// The service's words, without the key, should it repeat it.
fn shown(complaint: &Complaint, secret: Option<&str>) -> String {
    let word = complaint.words.first().map(|word| format!("{word}: ")).unwrap_or_default();
    let text = format!("{word}{}", complaint.message);
    match secret {
        Some(secret) => text.replace(secret, "(the key)"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(word: &str, message: &str) -> Complaint {
        Complaint { words: vec![word.into()], message: message.into() }
    }

    #[test]
    fn whose_fault_it_is_shows_in_status_and_words() {
        use ErrorKind as Kind;
        for (status, word, message, expected) in [
            (401, "invalid_api_key", "", Kind::PolicyDenied),
            (403, "permission_error", "", Kind::PolicyDenied),
            (429, "insufficient_quota", "", Kind::PolicyDenied),
            (400, "invalid_request_error", "Your credit balance is too low", Kind::PolicyDenied),
            (429, "rate_limit_exceeded", "", Kind::Blocked),
            (429, "", "", Kind::Blocked),
            (403, "", "a wall before the service", Kind::Blocked),
            (429, "engine_overloaded", "", Kind::Status5xx),
            (529, "overloaded_error", "", Kind::Status5xx),
            (500, "insufficient_quota", "", Kind::Status5xx),
            (404, "model_not_found", "", Kind::Status4xx),
            (400, "invalid_request_error", "", Kind::Status4xx),
        ] {
            let failure =
                of_status(status, &HeaderMap::new(), Some(&complaint(word, message)), None);
            assert_eq!(failure.kind, expected, "{status} {word} {message}");
        }
        assert_eq!(in_band(&complaint("overloaded_error", ""), None).kind, Kind::Status5xx);
        assert_eq!(in_band(&complaint("new_error", ""), None).kind, Kind::Status5xx);
        assert_eq!(in_band(&complaint("insufficient_quota", ""), None).kind, Kind::PolicyDenied);
    }

    #[test]
    fn the_key_is_never_repeated() {
        let said = complaint("invalid_api_key", "Incorrect API key provided: sk-12345.");
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, http::HeaderValue::from_static("20"));
        let failure = of_status(401, &headers, Some(&said), Some("sk-12345"));
        assert_eq!(
            failure.detail,
            "our key or quota: status 401, retry after 20: invalid_api_key: Incorrect API key \
             provided: (the key)."
        );
    }
}
