//! Causes under real faults: the log of the running service has the server's words with the code, and
//! what others are told has our sentence with the code and none of the server's words.

pub(crate) mod kafka;
mod letters;
mod postgres;

use serde_json::Value;

use crate::wait::until;
use crate::world::{SOON, World};

/// Waits until the first replica has said this, and gives what it said: warnings and errors that have
/// all of these parts, in whatever case.
async fn said(world: &World, parts: &[&str]) -> Vec<Value> {
    until(&format!("the log says {parts:?}"), SOON, async || {
        let lines = complaints(&world.log_of(0), parts);
        (!lines.is_empty()).then_some(lines).ok_or(())
    })
    .await
}

/// The same of any log, so far.
fn complaints(log: &str, parts: &[&str]) -> Vec<Value> {
    let has_all = |line: &&str| {
        let line = line.to_lowercase();
        parts.iter().all(|part| line.contains(&part.to_lowercase()))
    };
    let lines = log.lines().filter(has_all);
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["level"] == "WARN" || line["level"] == "ERROR")
        .collect()
}
