//! TLS that begins in the clear, against servers that speak so.

use std::sync::Arc;

use parallax_model::{Family, TlsCheck, TlsOptions};
use rcgen::KeyPair;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::tls::{authority, config, greeting, leaf, trusting};
use super::*;

/// What a server says first, and then to each line it hears; after the last it shakes hands.
type Script = &'static [(&'static str, &'static str)];

const SMTP: Script = &[
    ("", "220-mail.example\r\n220 ready\r\n"),
    ("EHLO parallax\r\n", "250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
    ("STARTTLS\r\n", "220 go ahead\r\n"),
];

const IMAP: Script = &[("", "* OK ready\r\n"), ("a STARTTLS\r\n", "* 1 EXISTS\r\na OK begin\r\n")];

const POP3: Script = &[("", "+OK ready\r\n"), ("STLS\r\n", "+OK begin\r\n")];

/// A server of mail whose certificate is valid until `year`.
async fn mail(script: Script, year: i32) -> (SocketAddr, Surroundings) {
    let (authority, key) = (authority("ours"), KeyPair::generate().unwrap());
    let certificate = leaf("127.0.0.1", year).signed_by(&key, &authority).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config(vec![certificate.der().clone()], &key)));
    let server = greeting(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = BufReader::new(stream);
            for (hears, says) in script {
                let mut line = String::new();
                if !hears.is_empty() {
                    stream.read_line(&mut line).await.unwrap();
                }
                assert_eq!(line, *hears);
                stream.write_all(says.as_bytes()).await.unwrap();
            }
            assert!(stream.buffer().is_empty());
            // a client that does not like the certificate, or what was said, goes away
            acceptor.accept(stream.into_inner()).await.ok();
        }
    });
    (server.await, trusting(&authority))
}

async fn look_at(protocol: &str, script: Script, year: i32) -> ProbeResult {
    let (address, around) = mail(script, year).await;
    let check = Check::Tls(TlsCheck {
        address: address.to_string(),
        talk: TlsCheck::starttls(protocol).unwrap(),
        tls: TlsOptions::default(),
        family: Family::Any,
        assertions: vec![],
    });
    look(&target(check, Duration::from_secs(2)), &around, Timestamp::EPOCH, false).await
}

#[tokio::test]
async fn each_protocol_goes_over_to_tls() {
    for (protocol, script) in [("smtp", SMTP), ("imap", IMAP), ("pop3", POP3)] {
        let result = look_at(protocol, script, 4000).await;
        assert_eq!(result.outcome, Outcome::Ok, "{protocol}: {}", detail(&result));
        assert!(result.stages.connect.is_some() && result.stages.tls.is_some());
        let tls = result.clues.as_ref().unwrap().tls.as_ref().unwrap();
        assert_eq!(tls.chain.first().unwrap().subject, "CN=127.0.0.1");
    }
}

#[tokio::test]
async fn a_bad_certificate_behind_plain_words_is_judged_like_any() {
    let result = look_at("smtp", SMTP, 2021).await;
    assert_eq!(kind(&result), Some(ErrorKind::CertExpired), "{}", detail(&result));
    assert_eq!(result.clues.as_ref().unwrap().tls.as_ref().unwrap().chain.len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_go_over_says_so_itself() {
    const WITHOUT: Script = &[
        ("", "220 ready\r\n"),
        ("EHLO parallax\r\n", "250 mail.example\r\n"),
        ("STARTTLS\r\n", "454 TLS not available\r\n"),
    ];
    let result = look_at("smtp", WITHOUT, 4000).await;
    assert_eq!(kind(&result), Some(ErrorKind::Assertion), "{}", detail(&result));
    assert!(detail(&result).contains("454 TLS not available"), "{}", detail(&result));
    assert!(
        result.stages.tls.is_some()
            && result.clues.as_ref().is_none_or(|clues| clues.tls.is_none())
    );
}

#[tokio::test]
async fn what_is_said_beyond_the_last_plain_word_is_not_taken_for_tls() {
    const INJECTED: Script = &[("", "+OK ready\r\n"), ("STLS\r\n", "+OK begin\r\n+OK more\r\n")];
    let result = look_at("pop3", INJECTED, 4000).await;
    assert_eq!(kind(&result), Some(ErrorKind::Protocol), "{}", detail(&result));
    assert!(detail(&result).contains("+OK more"), "{}", detail(&result));
}
