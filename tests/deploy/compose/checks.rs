//! What is wrong with a container or a declaration; one sentence for each problem.

use std::path::Path;

use super::{Compose, Container, Surroundings, addresses, health, seconds};
use crate::{programs, repository};

/// Where `deploy/secrets.sh` puts its files.
const SECRETS: &str = "deploy/secrets";

type Problems = Vec<String>;

/// What is declared but used nowhere, or comes from nowhere.
pub(super) fn declarations(compose: &Compose, around: &Surroundings<'_>) -> Problems {
    let containers = || compose.services.values();
    let mut problems = Vec::new();
    for (name, secret) in &compose.secrets {
        if !containers().any(|container| container.secrets.contains(name)) {
            problems.push(format!("secret {name} is used nowhere"));
        }
        problems.extend(secret_file(&secret.file, around).err());
    }
    for name in compose.volumes.keys() {
        let mut mounts = containers().flat_map(|container| &container.volumes);
        if !mounts.any(|mount| source(mount) == name) {
            problems.push(format!("volume {name} is used nowhere"));
        }
    }
    problems
}

/// What is wrong with one container.
pub(super) fn container(
    container: &Container,
    compose: &Compose,
    around: &Surroundings<'_>,
) -> Problems {
    let mut problems = references(container, compose);
    problems.extend(bounds(container, around));
    problems.extend(health::problems(container, around));
    if container.is_ours() {
        problems.extend(command(container, around));
        problems.extend(privileges(container));
        problems.extend(environment(container, around));
        problems.extend(addresses::unknown(container, compose));
    } else {
        problems.extend(addresses::settings(container));
    }
    problems
}

/// Names that lead nowhere.
fn references(container: &Container, compose: &Compose) -> Problems {
    let mut problems = Vec::new();
    for secret in &container.secrets {
        if !compose.secrets.contains_key(secret) {
            problems.push(format!("secret {secret} is not declared"));
        }
    }
    for (variable, value) in &container.environment {
        let secret = value.strip_prefix("/run/secrets/");
        if let Some(secret) = secret.filter(|name| !container.secrets.iter().any(|s| s == name)) {
            problems.push(format!(
                "{variable} names the secret {secret}, which is not mounted"
            ));
        }
    }
    for mount in &container.volumes {
        let from = source(mount);
        let is_file = from.starts_with("./");
        if is_file && !repository::root().join(from).exists() {
            problems.push(format!("mounts {from}, which does not exist"));
        }
        if !is_file && !compose.volumes.contains_key(from) {
            problems.push(format!("volume {from} is not declared"));
        }
    }
    for (name, dependency) in &container.depends_on {
        problems.extend(dependency_problem(name, &dependency.condition, compose));
    }
    problems
}

fn dependency_problem(name: &str, condition: &str, compose: &Compose) -> Option<String> {
    let Some(other) = compose.services.get(name) else {
        return Some(format!("depends on {name}, which there is not"));
    };
    match condition {
        "service_healthy" if other.healthcheck.is_none() => Some(format!(
            "waits for the health of {name}, which has no health check"
        )),
        "service_healthy" | "service_started" => None,
        unknown => Some(format!("waits for {unknown} of {name}")),
    }
}

/// What must not be without a limit, or open to other machines.
fn bounds(container: &Container, around: &Surroundings<'_>) -> Problems {
    let mut problems = Vec::new();
    for port in &container.ports {
        if !port.starts_with("127.0.0.1:") {
            problems.push(format!("port {port} is open to other machines"));
        }
    }
    if !container.logging.options.contains_key("max-size") {
        problems.push(format!("the {} log has no limit", container.logging.driver));
    }
    let restart = if container.is_server() {
        "unless-stopped"
    } else {
        "no"
    };
    if container.restart != restart {
        problems.push(format!("restart is {}, not {restart}", container.restart));
    }
    if container.image.ends_with(":latest") || !container.image.contains(':') {
        problems.push(format!("image {} has no version", container.image));
    }
    if container.is_server() {
        problems.extend(stop(container, around));
    }
    problems
}

/// A container is killed at the end of its grace period: what runs in it must have ended before.
fn stop(container: &Container, around: &Surroundings<'_>) -> Option<String> {
    let Some(grace) = container.stop_grace_period.as_deref().and_then(seconds) else {
        return Some("has no stop_grace_period".to_owned());
    };
    if !container.is_ours() {
        return None;
    }
    let drain = match container.environment.get("SAGA_DRAIN_LIMIT") {
        Some(limit) => seconds(limit)?,
        None => around.service_stop_seconds,
    };
    (grace <= drain).then(|| format!("is killed after {grace} s, but may take {drain} s to stop"))
}

/// Whether the program is in the image, and takes these arguments.
fn command(container: &Container, around: &Surroundings<'_>) -> Problems {
    let mut problems = Vec::new();
    let context = container
        .build
        .as_ref()
        .map(|build| build.context.as_path());
    if context != Some(Path::new(".")) {
        problems.push(format!(
            "is built from {context:?}, which has no Dockerfile"
        ));
    }
    match container.line().first() {
        Some(program) if !around.programs.contains(*program) => {
            problems.push(format!("{program} is not in the image"));
        }
        None => problems.push("has no command".to_owned()),
        Some(_) => {}
    }
    problems
}

fn privileges(container: &Container) -> Option<String> {
    let no_new = "no-new-privileges:true";
    let is_bare =
        container.read_only && container.cap_drop == ["ALL"] && container.security_opt == [no_new];
    (!is_bare).then(|| format!("is not read_only with cap_drop ALL and {no_new}"))
}

/// Every variable must be one that this very command reads.
fn environment(container: &Container, around: &Surroundings<'_>) -> Problems {
    let known = match programs::variables(&container.line()) {
        Ok(known) => known,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let mut set: Vec<String> = container.environment.keys().cloned().collect();
    for file in &container.env_file {
        match secret_file(file, around) {
            Ok(text) => set.extend(names(&text)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(foreign_database(container));
    let line = container.line().join(" ");
    let unknown = set.into_iter().filter(|name| !known.contains(name));
    problems.extend(unknown.map(|name| format!("sets {name}, which `{line}` does not read")));
    problems
}

/// A service must get the URL of its own database.
fn foreign_database(container: &Container) -> Option<String> {
    let ["shop", "service", service] = container.line()[..] else {
        return None;
    };
    let own = format!("/run/secrets/{service}_database_url");
    let set = container.environment.get("SHOP_DATABASE_URL_FILE");
    (set != Some(&own)).then(|| format!("its database is that of {set:?}, not of {own}"))
}

/// The names of `NAME=value` lines.
fn names(text: &str) -> impl Iterator<Item = String> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
}

/// What the script wrote for this place.
fn secret_file(file: &Path, around: &Surroundings<'_>) -> Result<String, String> {
    let place = file.strip_prefix(SECRETS);
    let place = place.map_err(|_| format!("{} is not in {SECRETS}", file.display()))?;
    std::fs::read_to_string(around.secrets.join(place)).map_err(|error| {
        format!(
            "deploy/secrets.sh does not write {}: {error}",
            file.display()
        )
    })
}

/// The left side of `source:target`.
fn source(mount: &str) -> &str {
    mount.split(':').next().unwrap_or(mount)
}
