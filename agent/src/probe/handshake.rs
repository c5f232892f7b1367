//! `tls`: a handshake and nothing else. What was presented is told also when it is not valid.

use parallax_model::{ErrorKind, TlsCheck};

use super::connect::connect;
use super::failure::Failure;
use super::timing::Course;
use super::{Surroundings, assertion, tls};

pub(super) async fn look(
    check: &TlsCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let malformed =
        || Failure::new(ErrorKind::Internal, format!("{:?} is not host:port", check.address));
    let (host, port) = check.address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    let host = host.to_ascii_lowercase();
    course.family = check.family;
    let stream = connect(&host, port, around, course).await?;
    // a peer that does not speak HTTP may refuse one who offers only that
    let client = tls::offering(&around.tls, &[]);
    tls::handshake(stream, &host, &client, &check.tls, course).await?;
    course.end(std::time::Instant::now());
    assertion::judge(&check.assertions, &assertion::Answer::default(), course)
}
