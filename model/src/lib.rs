//! Every state of bounded worlds: the real `transition` and the real barrier between an adversary and
//! a search that leaves nothing out.
//!
//! ```text
//!   actions: deliver, answer, wake, order, crash, lose, purge
//!        │
//!        ▼
//!   door ──► sagas::transition ──► commands ──► participants ──► sagas::barrier::decide
//!    ▲                                               │
//!    └──────────────────── replies ◄─────────────────┘
//! ```
//!
//! [`search()`] lets stateright visit every reachable [`State`] and checks [`Rule`]s in each; then it
//! walks back from every resting state over the moves that need no fault. A [`Configuration`] bounds
//! a world, and a [`Sabotage`] breaks it on purpose, to see that the rules notice.
//!
//! Time is abstracted: a flight may become overdue at any moment. Messages are kept in sets and never
//! used up, which makes them late, repeated and out of order at once. States that behave alike are
//! searched once (`State::canonize`, `dead`, `identity`): a test compares what is seen with a search
//! that tells them all apart.
//!
//! Not here: Postgres, Kafka, lanes, several sagas at once. `tests/` has those, as they are.

pub mod action;
mod binary;
pub mod configuration;
mod dead;
mod door;
mod identity;
pub mod participants;
mod rest;
pub mod rule;
pub mod sabotage;
pub mod search;
pub mod shape;
pub mod state;
mod world;

pub use configuration::{CONFIGURATIONS, Configuration};
pub use rule::Rule;
pub use sabotage::Sabotage;
pub use search::{Report, search};
pub use state::State;
