//! A command's end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use parallax_model::Timestamp;

use super::{ANSWER_WITHIN, Answer, Ask, IdentityError, LINE_BYTES_MAX, SOCKET};
use crate::identity::{Identity, LIFETIME, Own};

/// Why a command gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens.
    #[error("no collector answers on {}", .0.display())]
    NotRunning(PathBuf),
    /// Somebody else's.
    #[error(
        "{} belongs to the collector's user: run this as that user or as root (sudo)",
        .0.display()
    )]
    NotYours(PathBuf),
    /// The talk broke off.
    #[error("the collector on {} did not answer: {why}", file.display())]
    Broken {
        /// The socket.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Asks the collector that runs on `data`.
pub fn ask(data: &Path, ask: &Ask) -> Result<Answer, NoAnswer> {
    let file = data.join(SOCKET);
    let talked = UnixStream::connect(&file).and_then(|stream| talk(stream, ask));
    talked.map_err(|why| {
        let kind = why.kind();
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
            NoAnswer::NotRunning(file)
        } else if kind == io::ErrorKind::PermissionDenied {
            NoAnswer::NotYours(file)
        } else {
            NoAnswer::Broken { file, why }
        }
    })
}

fn talk(mut stream: UnixStream, ask: &Ask) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX as u64)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Does it to the folder itself, whose lock the caller holds.
pub fn offline(
    data: &Path,
    own: Option<&Own>,
    ask: Ask,
    now: Timestamp,
) -> Result<Answer, NoAnswer> {
    let identity = Identity::open(data, own, LIFETIME, now)?;
    Ok(ask.carry_out(&identity, None, now))
}
