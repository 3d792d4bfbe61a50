//! What a replica says of itself and the others.

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// `GET /v1/summary`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) commits: Commits,
    /// Those that live.
    pub(crate) replicas: Vec<serde::de::IgnoredAny>,
}

/// The last commits of the replica that answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Commits {
    /// Sagas written by half of them, or more.
    pub(crate) rows_median: usize,
    pub(crate) ms_median: f64,
    pub(crate) ms_p99: f64,
}

/// Asks the replica at `http://host:port`.
pub(crate) async fn summary(orchestrator: &str) -> anyhow::Result<Summary> {
    let answer = reqwest::get(format!("{orchestrator}/v1/summary")).await?;
    if !answer.status().is_success() {
        bail!("the summary was answered {}", answer.status());
    }
    answer.json().await.context("read the summary")
}
