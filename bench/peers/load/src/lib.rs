//! What the drivers of all peers share: the work, the load, the figures.
//!
//! ```text
//!   measure()       warm-up, rounds, median, for each number in flight; then the books
//!      │
//!   closed_loop     so many clients, each with one saga at a time
//!      │
//!   impl Peer       runs one saga to its end; says at last what its books hold
//! ```
//!
//! Invariant: a figure is given only after the peer's own books say that every saga that was started
//! has ended, with all its steps: a fast wrong run is a failed run.

mod arguments;
mod closed_loop;
mod database;
mod figure;
mod lock_file;
mod measure;
mod peer;

pub use arguments::Arguments;
pub use database::Database;
pub use figure::{Figure, Report, best, median};
pub use lock_file::version;
pub use measure::run;
pub use peer::{Books, Peer};
