//! Sagas without I/O: definitions, their state machine, the participants' barrier, the wire format.
//!
//! Invariant: nothing here reads a clock, rolls a die, or talks to anybody; time and identities
//! are arguments. A simulator can therefore drive the very code that runs in production.

pub mod barrier;
pub mod command;
pub mod direction;
pub mod id;
pub mod name;
pub mod time;
pub mod wire;

pub use command::Command;
pub use direction::{Direction, Outcome};
pub use id::{CommandId, OrderId, SagaId};
pub use time::Timestamp;
