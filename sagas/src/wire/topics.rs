//! Topic names.
//!
//! `prefix` and `participant` satisfy [`crate::name::check`]; a name so built is legal in Kafka.

/// The topic of a participant's commands: `saga.inventory.commands`.
#[must_use]
pub fn commands(prefix: &str, participant: &str) -> String {
    format!("{prefix}.{participant}.commands")
}

/// The topic of all replies: `saga.replies`.
#[must_use]
pub fn replies(prefix: &str) -> String {
    format!("{prefix}.replies")
}

/// The topic of lifecycle events: `saga.events`.
#[must_use]
pub fn events(prefix: &str) -> String {
    format!("{prefix}.events")
}

/// The consumer group of a participant's instances: `saga.inventory`.
#[must_use]
pub fn group(prefix: &str, participant: &str) -> String {
    format!("{prefix}.{participant}")
}
