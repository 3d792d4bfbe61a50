//! What a participant can be told to do, as a Rust type.
//!
//! Orchestrator and participant share the type, so a payload that one side builds is a payload
//! that the other side can read. Nothing here says when a command is sent; definitions do.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A command of a participant: its payload, its name on the wire and its reply.
///
/// The payload travels as the JSON that serde makes of the type; `schemars` describes that JSON to
/// services in other languages.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct ReserveStock {
///     order: u32,
///     sku: String,
/// }
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Reserved {
///     reservation: u32,
/// }
///
/// impl sagas::Command for ReserveStock {
///     const PARTICIPANT: &'static str = "inventory";
///     const NAME: &'static str = "reserve-stock";
///     const REJECTABLE: bool = true;
///     type Reply = Reserved;
/// }
/// ```
pub trait Command: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The service that executes it; part of the topic name `<prefix>.<participant>.commands`.
    const PARTICIPANT: &'static str;
    /// The command's name, unique within its participant.
    const NAME: &'static str;
    /// Whether the participant may refuse it for a business reason (`rejected`).
    const REJECTABLE: bool;
    /// What the participant answers when the command took effect. `()` where there is nothing to
    /// say.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
}
