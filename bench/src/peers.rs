//! What others reach with the same work: measured by a program of another workspace, `bench/peers`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// One peer at one number in flight: `{"name": "restate", "version": "1.7.12", "in_flight": 64,
/// "sagas_per_second": 1311.0, "p50_ms": 48.1, "p99_ms": 70.3}`; one that could not be measured has
/// a name and no figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) figure: Option<Figure>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) in_flight: usize,
    pub(crate) sagas_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Runs the program to its end, which takes some minutes; it says on standard error how it goes.
pub(crate) async fn measure(program: &Path) -> anyhow::Result<Vec<Peer>> {
    let own = std::env::current_exe().context("find this program")?;
    let mut command = Command::new(program);
    command.arg("--json").arg("--ours").arg(own);
    // The fastest last: ours is measured after it.
    command.args(["--only", "dtmrs,dbos,restate"]);
    command.args([
        "--in-flight",
        "64,512,2000",
        "--rounds",
        "2",
        "--seconds",
        "8",
    ]);
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = output.await;
    let output = output.with_context(|| format!("start {}", program.display()))?;
    // One that failed is named in the list, which is worth having for the others.
    let peers = serde_json::from_slice(&output.stdout);
    let peers: Vec<Peer> =
        peers.with_context(|| format!("the peers ended with {}", output.status))?;
    ensure!(!peers.is_empty(), "no peer was measured");
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_missing_has_no_figures() {
        let json = r#"[{"name": "a", "missing": "npm is not there"},
            {"name": "b", "version": "2", "in_flight": 8, "sagas_per_second": 1.5, "p50_ms": 1,
             "p99_ms": 2, "ours_by_theirs": 4.0}]"#;
        let peers: Vec<Peer> = serde_json::from_str(json).unwrap();
        assert!(peers[0].figure.is_none());
        assert_eq!(peers[1].figure.as_ref().unwrap().in_flight, 8);
    }
}
