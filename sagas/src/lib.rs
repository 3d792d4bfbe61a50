//! Sagas without I/O: definitions, their state machine, the participants' barrier, the wire format.
//!
//! Invariant: nothing here reads a clock, rolls a die, or talks to anybody; time and identities
//! are arguments. A simulator can therefore drive the very code that runs in production.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod barrier;
pub mod command;
pub mod definition;
pub mod direction;
pub mod fault;
pub mod id;
pub mod json;
pub mod machine;
pub mod name;
pub mod retry;
#[doc(hidden)]
pub mod sabotage;
#[doc(hidden)]
pub mod schema;
#[doc(hidden)]
pub mod splitmix;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod time;
pub mod wire;

pub use command::Command;
pub use definition::{Definition, DefinitionBuilder, StepKind};
pub use direction::{Direction, Outcome};
pub use fault::Fault;
pub use id::{CommandId, OrderId, SagaId};
pub use json::Json;
pub use machine::{Event, Refusal, Saga, Status, Transition, transition};
pub use retry::RetryPolicy;
pub use time::Timestamp;
