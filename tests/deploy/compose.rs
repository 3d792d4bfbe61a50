//! `docker-compose.yml` as far as it is checked: what it says, and what is wrong with it.
//!
//! Invariant: a key of a container that this model does not know is an error, so a misspelt key is
//! one too. It checks names, references and bounds; it starts nothing and pulls no image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

mod addresses;
mod checks;
mod health;

/// The file. Top-level keys beyond these are anchors (`x-…`), whose content is where they are used.
#[derive(Debug, Deserialize)]
struct Compose {
    services: BTreeMap<String, Container>,
    secrets: BTreeMap<String, Secret>,
    volumes: BTreeMap<String, Option<()>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    image: String,
    build: Option<Build>,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    env_file: Vec<PathBuf>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    healthcheck: Option<HealthCheck>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    restart: String,
    stop_grace_period: Option<String>,
    #[serde(default)]
    profiles: Vec<String>,
    logging: Logging,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    cap_drop: Vec<String>,
    #[serde(default)]
    security_opt: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    context: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logging {
    driver: String,
    options: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    test: Vec<String>,
    start_period: String,
    start_interval: String,
    interval: String,
    timeout: String,
    retries: u32,
}

/// What the check is told beside the file.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// A folder as `deploy/secrets.sh` makes it.
    pub(crate) secrets: &'a Path,
    /// The programs of the workspace that the image holds.
    pub(crate) programs: &'a BTreeSet<String>,
    /// Other files of the image that a health check may start.
    pub(crate) tools: &'a BTreeSet<String>,
    /// Within how many seconds a service stops, by its SDK.
    pub(crate) service_stop_seconds: u64,
}

/// Everything that is wrong with the text of the file.
pub(crate) fn problems(text: &str, around: &Surroundings<'_>) -> Vec<String> {
    let compose: Compose = match serde_saphyr::from_str(text) {
        Ok(compose) => compose,
        Err(error) => return vec![format!("does not parse: {error}")],
    };
    let mut problems = checks::declarations(&compose, around);
    for (name, container) in &compose.services {
        let found = checks::container(container, &compose, around);
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("{name}: {problem}")),
        );
    }
    problems
}

impl Container {
    /// Whether it runs our image.
    fn is_ours(&self) -> bool {
        self.build.is_some()
    }

    /// Whether it runs for as long as the deployment does.
    fn is_server(&self) -> bool {
        self.profiles.is_empty()
    }

    /// What runs in it.
    fn line(&self) -> Vec<&str> {
        let words = self.entrypoint.iter().chain(&self.command);
        words.map(String::as_str).collect()
    }
}

/// Seconds of `30s` or `2m`.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
