//! How large a message may be: `docs/wire.md` has these numbers.
//!
//! Kafka bounds requests, not records, and each topic has a bound of its own. Those that are made here
//! take [`RECORD_BYTES_MAX`]; payloads keep so far below it that their messages fit.

use super::topics::RECORD_BYTES_MAX;

/// Bytes of the attributes of a message, of its key and of Kafka's framing: a few hundred, and some
/// kilobytes where names and trace context are as long as they may be.
const ENVELOPE_BYTES_MAX: usize = 16 << 10;

/// Bytes of a command's `data`.
pub const COMMAND_BYTES_MAX: usize = RECORD_BYTES_MAX as usize - ENVELOPE_BYTES_MAX;

/// Bytes of a reply's `data`: a message of that size fits into a topic that was made with the broker's
/// own bound, 1 MiB unless somebody sets another one.
pub const REPLY_BYTES_MAX: usize = 900_000;
