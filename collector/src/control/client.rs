//! A command's end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
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
    /// Nobody runs, and the folder is another user's: what is written there by root could not be read by
    /// its owner, and what its owner put there could lead root astray.
    #[error(
        "no collector runs on {}, which is another user's: start it, or run this as that user \
         (sudo -u '#{uid}' ...)",
        folder.display()
    )]
    OthersFolder {
        /// The data folder.
        folder: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// The authority is elsewhere.
    #[error(
        "the authority of the collector on {} is not in its folder: add --config FILE, which says where \
         it is",
        .0.display()
    )]
    NoAuthority(PathBuf),
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

/// Says whether a command may do by itself what a collector on `data` would do: only its owner may.
pub fn may_work_offline(data: &Path) -> Result<(), NoAnswer> {
    let uid = |path: &Path| {
        let broken = |why| NoAnswer::Broken { file: path.to_owned(), why };
        Ok::<u32, NoAnswer>(std::fs::metadata(path).map_err(broken)?.uid())
    };
    // a process's own folder in /proc belongs to its effective user
    let (mine, its) = (uid(Path::new("/proc/self"))?, uid(data)?);
    if mine == its {
        return Ok(());
    }
    Err(NoAnswer::OthersFolder { folder: data.to_owned(), uid: its })
}

/// Does it to the folder itself, whose lock the caller holds.
pub fn offline(
    data: &Path,
    own: Option<&Own>,
    ask: Ask,
    now: Timestamp,
) -> Result<Answer, NoAnswer> {
    if own.is_none() && !Identity::has_authority(data) {
        return Err(NoAnswer::NoAuthority(data.to_owned()));
    }
    let identity = Identity::open(data, own, LIFETIME, now)?;
    Ok(ask.carry_out(&identity, None, now))
}
