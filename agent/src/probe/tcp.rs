//! Does anybody take a TCP connection there?

use parallax_model::{ErrorKind, TcpCheck};

use super::Surroundings;
use super::connect::connect;
use super::failure::Failure;
use super::timing::Course;

pub(super) async fn look(
    check: &TcpCheck,
    around: &Surroundings,
    course: &mut Course<'_>,
) -> Result<(), Failure> {
    let malformed = || {
        let why = format!("{:?} is not host:port", check.address);
        Failure::new(ErrorKind::Internal, why)
    };
    let (host, port) = check.address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    connect(&host.to_ascii_lowercase(), port, around, course).await.map(drop)
}
