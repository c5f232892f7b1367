//! The last assignment, kept for a start without a collector.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use parallax_proto::limits::MESSAGE_FROM_COLLECTOR_BYTES_MAX;
use parallax_proto::{Assignment, FromCollector, pb};
use prost::Message;

/// Keeps the bytes of an assignment, durably and at once.
pub(super) fn save(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let crc = crc32fast::hash(bytes);
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    out.write_all(&crc.to_le_bytes())?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(draft, file)
}

/// What was kept. None if there is nothing that makes sense: the collector will say it again.
pub(super) fn load(file: &Path) -> Option<Assignment> {
    let bytes = fs::read(file).ok()?;
    let (crc, body) = bytes.split_first_chunk::<4>()?;
    if body.len() > MESSAGE_FROM_COLLECTOR_BYTES_MAX || crc32fast::hash(body).to_le_bytes() != *crc
    {
        tracing::warn!(file = %file.display(), "the kept assignment is damaged");
        return None;
    }
    let body = pb::collector_message::Body::Assignment(pb::Assignment::decode(body).ok()?);
    match FromCollector::try_from(pb::CollectorMessage { body: Some(body) }) {
        Ok(FromCollector::Assignment(assignment)) => Some(assignment),
        _ => None,
    }
}
