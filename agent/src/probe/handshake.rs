//! `tls`: a handshake and nothing else. What was presented is told also when it is not valid.

use std::time::Instant;

use parallax_model::{ErrorKind, Stage, TlsCheck};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;

use super::connect::{connect, host_and_port};
use super::failure::{Failure, excerpt};
use super::tcp::Talk;
use super::timing::Course;
use super::{Surroundings, assertion, papers, tls};

pub(super) async fn look(
    check: &TlsCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let (host, port) = host_and_port(&check.address)?;
    course.family = check.family;
    // a peer that does not speak HTTP may refuse one who offers only that
    let client = tls::offering(&around.tls, &[]);
    let client = papers::dressed(client, &check.tls, &host, &around.own).await?;
    let talk = Talk::of(&check.talk)?;
    let mut stream = connect(&host, port, around, course).await?;
    // part of what it takes to get to TLS: a server that does not want to begin it is one without TLS
    course.begin(Stage::Tls);
    let beyond = talk.over(&mut stream, course).await?;
    if !beyond.is_empty() {
        // what came in the clear must not be taken for what came by TLS
        let why = format!("{} came before the handshake", excerpt(&beyond));
        return Err(Failure::new(ErrorKind::Protocol, why));
    }
    let stream = tls::handshake(stream, &host, &client, &check.tls, course).await?;
    let ended = Instant::now();
    course.end(ended);
    if check.tls.certificate.is_some() {
        course.latency = Some(ended - course.mark.origin());
        hear_out(stream, course).await?;
    }
    assertion::judge(&check.assertions, &assertion::Answer::default(), course)
}

/// In TLS 1.3 a server judges our certificate when the handshake is over for us: what it thinks of it is
/// its answer to our goodbye. One that says anything else, or nothing, has taken it.
async fn hear_out(mut stream: TlsStream<TcpStream>, course: &Course<'_>) -> Result<(), Failure> {
    let answer = async {
        stream.shutdown().await?;
        stream.read(&mut [0]).await
    };
    match timeout_at(course.last_word(), answer).await {
        Ok(Err(e)) => Failure::certificate_refused(&e).map_or(Ok(()), Err),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}
