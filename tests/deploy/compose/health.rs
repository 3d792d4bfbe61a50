//! Whether every server is asked how it is, by a program that is there, with bounds that make sense.

use super::{Container, HealthCheck, Surroundings, seconds};
use crate::programs;

type Problems = Vec<String>;

/// What is wrong with the health check of a container.
pub(super) fn problems(container: &Container, around: &Surroundings<'_>) -> Problems {
    let Some(check) = &container.healthcheck else {
        let is_missed = container.is_server();
        return Vec::from_iter(is_missed.then(|| "has no health check".to_owned()));
    };
    let mut problems = bounds(check);
    if container.is_ours() {
        problems.extend(program(check, container, around));
    }
    problems
}

fn bounds(check: &HealthCheck) -> Problems {
    let mut problems = Vec::new();
    if check.test.first().is_none_or(|form| form != "CMD") || check.test.len() < 2 {
        problems.push("the health check needs a shell; use CMD and a program".to_owned());
    }
    let spans = [
        &check.start_period,
        &check.start_interval,
        &check.interval,
        &check.timeout,
    ];
    for span in spans.into_iter().filter(|span| seconds(span).is_none()) {
        problems.push(format!("{span} is no duration in seconds or minutes"));
    }
    if seconds(&check.timeout) >= seconds(&check.interval) || check.retries == 0 {
        problems.push("health checks overlap, or none of them counts".to_owned());
    }
    problems
}

/// Whether the image has what the check starts. One of our programs must take the arguments, and
/// find in the container's environment whatever variable it reads.
fn program(check: &HealthCheck, container: &Container, around: &Surroundings<'_>) -> Problems {
    let line: Vec<&str> = check.test.iter().skip(1).map(String::as_str).collect();
    let Some(program) = line.first().copied() else {
        return Vec::new();
    };
    if around.tools.contains(program) {
        return Vec::new();
    }
    if !around.programs.contains(program) {
        let problem = format!("its health check starts {program}, which is not in the image");
        return vec![problem];
    }
    let read = match programs::variables(&line) {
        Ok(read) => read,
        Err(problem) => return vec![format!("its health check: {problem}")],
    };
    let mut problems = Vec::new();
    for variable in read {
        match container.environment.get(&variable) {
            None => problems.push(format!(
                "its health check reads {variable}, which is not set"
            )),
            Some(address)
                if variable.ends_with("_LISTEN") && !address.starts_with("127.0.0.1:") =>
            {
                problems.push(format!("tells its health at {address} to other containers"));
            }
            Some(_) => {}
        }
    }
    problems
}
