//! Whether the containers find each other: every address that one is given is one that another has.

use super::{Compose, Container};
use crate::repository;

/// What the image of Postgres reads, of what its documentation names.
const POSTGRES: [&str; 4] = [
    "POSTGRES_DB",
    "POSTGRES_INITDB_ARGS",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_USER",
];

/// Addresses that nobody has.
pub(super) fn unknown(container: &Container, compose: &Compose) -> Vec<String> {
    let set = |name: &str| container.environment.get(name);
    let mut problems = Vec::new();
    if let Some(brokers) = set("SAGA_BROKERS") {
        let mut others = compose.services.values();
        let listener = format!("://{brokers}");
        if !others.any(|other| advertised(other).any(|address| address.ends_with(&listener))) {
            problems.push(format!("asks for brokers at {brokers}, where none is"));
        }
    }
    if let Some(url) = set("SAGA_URL") {
        let mut others = compose.services.iter();
        let is_there = others.any(|(name, other)| {
            listen_port(other).is_some_and(|port| *url == format!("http://{name}:{port}"))
        });
        if !is_there {
            problems.push(format!(
                "asks for the orchestrator at {url}, where it is not"
            ));
        }
    }
    if let Some(port) = listen_port(container) {
        let check = container.healthcheck.iter().flat_map(|check| &check.test);
        if !check
            .into_iter()
            .any(|word| word.contains(&format!(":{port}/")))
        {
            problems.push(format!("is not asked for its health at port {port}"));
        }
        if !container
            .ports
            .iter()
            .any(|map| map.ends_with(&format!(":{port}")))
        {
            problems.push(format!("does not publish port {port}"));
        }
    }
    problems
}

fn advertised(container: &Container) -> impl Iterator<Item = &str> {
    let listeners = container.environment.get("KAFKA_ADVERTISED_LISTENERS");
    listeners.into_iter().flat_map(|text| text.split(','))
}

fn listen_port(container: &Container) -> Option<&str> {
    let (_, port) = container.environment.get("SAGA_LISTEN")?.rsplit_once(':')?;
    Some(port)
}

/// Variables of the images that are not ours: of Kafka's settings, those that the end-to-end tests
/// start their broker with; of Postgres', a list.
pub(super) fn settings(container: &Container) -> Vec<String> {
    let broker = repository::read("local/src/kafka/properties.rs");
    let is_known = |name: &str| match name.strip_prefix("KAFKA_") {
        // Read by Kafka's start script.
        Some("HEAP_OPTS") => true,
        Some(setting) => has_setting(&broker, &setting.to_lowercase().replace('_', ".")),
        None => POSTGRES.contains(&name),
    };
    let unknown = container.environment.keys().filter(|name| !is_known(name));
    unknown
        .map(|name| format!("sets {name}, which no test has tried"))
        .collect()
}

/// Whether the source names exactly this setting, as `"name"` or `name=`.
fn has_setting(source: &str, name: &str) -> bool {
    source.contains(&format!("\"{name}\""))
        || source
            .lines()
            .any(|line| line.split(['=', '"']).any(|part| part == name))
}
