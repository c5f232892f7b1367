//! One request over HTTP/2, on a connection of its own and without a task of its own.

use bytes::Bytes;
use h2::client::Connection;
use http::Request;
use http::response::Parts;
use parallax_model::Stage;
use tokio::io::{AsyncRead, AsyncWrite};

use super::driven::Driven;
use super::failure::Failure;
use super::timing::Course;

/// Largest head of an answer, unpacked.
const HEAD_BYTES_MAX: u32 = 64 << 10;

/// An answer whose body has not been read.
pub(super) struct Begun<T> {
    pub(super) head: Parts,
    body: h2::RecvStream,
    connection: Connection<T, Bytes>,
}

/// Sends the request and awaits the answer's head.
pub(super) async fn ask<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    request: Request<()>,
    body: Bytes,
    course: &mut Course<'_>,
) -> Result<Begun<T>, Failure> {
    course.begin(Stage::FirstByte);
    let failed = |e: h2::Error| Failure::breaking_http2(&e, false);
    let (sender, mut connection) = h2::client::Builder::new()
        .max_header_list_size(HEAD_BYTES_MAX)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(failed)?;
    let mut driven = Driven::new(&mut connection);
    let mut sender = driven.drive(sender.ready()).await.map_err(failed)?;
    let (answer, mut sending) = sender.send_request(request, body.is_empty()).map_err(failed)?;
    if !body.is_empty() {
        sending.send_data(body, true).map_err(failed)?;
    }
    let (head, body) = driven.drive(answer).await.map_err(failed)?.into_parts();
    course.mark.hit();
    Ok(Begun { head, body, connection })
}

impl<T: AsyncRead + AsyncWrite + Unpin> Begun<T> {
    /// Reads the body up to `bytes_max`; true: to its end.
    pub(super) async fn read(mut self, bytes_max: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut driven = Driven::new(&mut self.connection);
        let mut kept = Vec::new();
        while kept.len() < bytes_max {
            let Some(data) = driven.drive(self.body.data()).await else { return Ok((kept, true)) };
            let data = data.map_err(|e| Failure::breaking_http2(&e, true))?;
            let released = self.body.flow_control().release_capacity(data.len());
            released.map_err(|e| Failure::breaking_http2(&e, true))?;
            kept.extend_from_slice(data.get(..bytes_max - kept.len()).unwrap_or(&data));
        }
        Ok((kept, false))
    }
}
