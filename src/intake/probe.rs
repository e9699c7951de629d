//! Tries a mail that was in hand when the daemon died in a process of its own, with limits on its memory and time: what
//! kills it there kills nothing else. Knows a program and bytes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The child limits its own processor time; this is for one that does nothing.
const WITHIN: Duration = Duration::from_secs(60);

/// A program that understands one mail on its standard input when called as `PROGRAM probe`.
#[derive(Clone, Debug)]
pub struct Probe {
    pub program: PathBuf,
}

impl Probe {
    /// Whether understanding the mail does no harm.
    pub async fn is_harmless(&self, raw: &[u8]) -> bool {
        let child = Command::new(&self.program)
            .arg("probe")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(kind = %error.kind(), "a mail could not be tried in a process of its own");
                return true;
            }
        };
        let tried = async {
            if let Some(mut stdin) = child.stdin.take() {
                // It may die before it has read all; its end tells.
                stdin.write_all(raw).await.ok();
            }
            child.wait().await.is_ok_and(|status| status.success())
        };
        tokio::time::timeout(WITHIN, tried).await.unwrap_or(false)
    }
}
