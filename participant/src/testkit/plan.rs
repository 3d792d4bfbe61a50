//! What the user gave, with the types of the commands forgotten: payloads are JSON.

use sagas::Command;
use sqlx::PgPool;

use crate::{Service, Settings};

/// Gives a fresh payload.
pub(super) type Payload = Box<dyn Fn() -> Vec<u8> + Send + Sync>;

pub(super) struct Plan {
    pub(super) database: PgPool,
    /// May send the standby of the whole server away.
    pub(super) superuser: Option<PgPool>,
    pub(super) service: Box<dyn Fn(Settings) -> Service + Send + Sync>,
    pub(super) participant: &'static str,
    pub(super) forward: &'static str,
    pub(super) compensation: Option<&'static str>,
    pub(super) sample: Box<dyn Fn() -> Sample + Send + Sync>,
    pub(super) refused: Option<Payload>,
    pub(super) effects: Vec<&'static str>,
}

/// The payloads of one step.
pub(super) struct Sample {
    pub(super) forward: Vec<u8>,
    pub(super) undo: Option<Vec<u8>>,
}

pub(super) fn json<C: Command>(command: &C) -> Vec<u8> {
    serde_json::to_vec(command).expect("a sample has a JSON form, or no orchestrator could send it")
}
