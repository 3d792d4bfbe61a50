//! Log lines of service and SDK: their rate, and an error with its whole chain.
//!
//! Not here: the subscriber, which belongs to the program, and what may be told outside the process.

mod chain;
mod limit;

pub use chain::{causes, chain, database};
pub use limit::{Limit, sum_up};

/// The crate whose macros the macros of this one expand to.
#[doc(hidden)]
pub use tracing;
