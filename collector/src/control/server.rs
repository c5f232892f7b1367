//! The running collector's end.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{ANSWER_WITHIN, Answer, Ask, LINE_BYTES_MAX, NoSocket, Reach, SOCKET};
use crate::identity::{Identity, Roll};

/// How long nothing is accepted after the system refused to.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers commands, one after the other.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    file: PathBuf,
    identity: Arc<Identity>,
    roll: Arc<dyn Roll>,
    reach: Reach,
    now: fn() -> Timestamp,
}

impl Control {
    /// Listens in the data folder, whose lock the caller holds.
    pub fn listen(
        data: &Path,
        identity: Arc<Identity>,
        roll: Arc<dyn Roll>,
        reach: Reach,
        now: fn() -> Timestamp,
    ) -> Result<Self, NoSocket> {
        let file = data.join(SOCKET);
        let listener = bind(&file).map_err(|why| NoSocket { file: file.clone(), why })?;
        Ok(Self { listener, file, identity, roll, reach, now })
    }

    /// Answers until told to stop.
    pub async fn work(self, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let done = match accepted {
                Ok((stream, _)) => self.answer(stream).await,
                Err(why) => {
                    sleep(PAUSE).await;
                    Err(why)
                }
            };
            if let Err(why) = done {
                tracing::warn!(%why, "a command was not answered");
            }
        }
        // the next start removes what is left
        drop(std::fs::remove_file(&self.file));
    }

    async fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        let mut read = BufReader::new(read.take(LINE_BYTES_MAX as u64));
        timeout(ANSWER_WITHIN, read.read_line(&mut line)).await??;
        // carried through, however long it takes: half of a revocation would be worse than none
        let answer = match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => self.carry_out(ask).await,
            Err(why) => Answer::Refused {
                why: format!(
                    "this collector does not understand the command ({why}): update one of them"
                ),
            },
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        timeout(ANSWER_WITHIN, write.write_all(&line)).await?
    }

    async fn carry_out(&self, ask: Ask) -> Answer {
        let (changes, now, identity) =
            (ask.changes_members(), (self.now)(), Arc::clone(&self.identity));
        let reach = Some(self.reach.clone());
        let said = format!("{ask:?}");
        let done = tokio::task::spawn_blocking(move || ask.carry_out(&identity, reach, now)).await;
        let answer = done.unwrap_or_else(|why| Answer::Refused { why: why.to_string() });
        match &answer {
            Answer::Refused { why } => tracing::warn!(asked = said, why, "a command was refused"),
            Answer::Token { .. } | Answer::Done => {
                tracing::info!(asked = said, "a command was carried out");
            }
            Answer::Tokens { .. } | Answer::Members { .. } => {}
        }
        if changes && !matches!(answer, Answer::Refused { .. }) {
            self.roll.changed().await;
        }
        answer
    }
}

fn bind(file: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(file) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let listener = UnixListener::bind(file)?;
    std::fs::set_permissions(file, Permissions::from_mode(0o600))?;
    Ok(listener)
}
