//! `parallax-agent enroll`

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use parallax_model::AgentName;
use parallax_proto::JoinToken;

use super::{Enroll, FAILED, USAGE, fail};
use crate::config::{CollectorUrl, DATA_DIR_DEFAULT};
use crate::identity::{FILE, Identity, IdentityError, Request, Room};
use crate::uplink::{Applicant, enroll};

/// systemd runs this machine.
const SYSTEMD: &str = "/run/systemd/system";

impl Enroll {
    pub(super) async fn run(self) -> ExitCode {
        let (collector, token, name) = match self.check() {
            Ok(checked) => checked,
            Err(why) => return fail(USAGE, why),
        };
        match self.join(&collector, &token, name).await {
            Ok(identity) => {
                tell(&identity);
                ExitCode::SUCCESS
            }
            Err(why) => fail(FAILED, why),
        }
    }

    /// What can be seen from here: the address, the token, the name, and that nobody joined before.
    fn check(&self) -> Result<(CollectorUrl, JoinToken, String), String> {
        let collector = CollectorUrl::new(&self.collector).map_err(|e| e.to_string())?;
        if !collector.is_encrypted() {
            return Err(format!("agents join by TLS: write https instead of http in {collector}"));
        }
        let token = self.token.parse::<JoinToken>().map_err(|e| e.to_string())?;
        let name = match &self.name {
            Some(name) => AgentName::new(name).map_err(|e| e.to_string())?.to_string(),
            // the collector says what is wrong with it, if the token has no name
            None => host_name().unwrap_or_default(),
        };
        if !self.force && Identity::exists(&self.data_dir) {
            return Err(IdentityError::Exists { file: self.data_dir.join(FILE) }.to_string());
        }
        Ok((collector, token, name))
    }

    async fn join(
        &self,
        collector: &CollectorUrl,
        token: &JoinToken,
        name: String,
    ) -> anyhow::Result<Identity> {
        let _room = Room::make(&self.data_dir)?;
        let request = Request::new()?;
        let who = Applicant { name, csr: request.csr.clone(), now_ms: now_ms() };
        let granted = enroll(collector.as_str(), token, who).await?;
        let credential = request.credential(collector.as_str(), &granted, now_ms())?;
        Ok(Identity::keep(&self.data_dir, credential)?)
    }
}

#[expect(clippy::print_stdout, reason = "the answer")]
fn tell(identity: &Identity) {
    let credential = identity.credential();
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(credential.not_after_ms);
    println!(
        "joined {} as {} ({})\nits certificate holds until {} and is renewed by itself before\n{}",
        credential.collector,
        identity.name(),
        credential.place(),
        humantime::format_rfc3339_seconds(end),
        next(identity.folder(), Path::new(SYSTEMD).exists())
    );
}

/// What to do now.
fn next(folder: &Path, systemd: bool) -> String {
    if folder != Path::new(DATA_DIR_DEFAULT) {
        return format!("start it with: parallax-agent run --data-dir {}", folder.display());
    }
    let how = if systemd { "systemctl enable --now parallax-agent" } else { "parallax-agent run" };
    format!("start it with: {how}")
}

/// This machine's name, if it has one that says something.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!matches!(name, "" | "localhost" | "(none)")).then(|| name.to_owned())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_next_depends_on_where() {
        let packaged = Path::new(DATA_DIR_DEFAULT);
        assert_eq!(next(packaged, true), "start it with: systemctl enable --now parallax-agent");
        assert_eq!(next(packaged, false), "start it with: parallax-agent run");
        let own = next(Path::new("a"), true);
        assert_eq!(own, "start it with: parallax-agent run --data-dir a");
    }
}
