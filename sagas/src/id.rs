//! Identities: sagas, commands, and the rules that derive one from another.
//!
//! Every derived id is a UUIDv5, so that whoever holds the same facts computes the same id, in any
//! language (`docs/wire.md`). Random ids come from outside: this crate has no randomness.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::direction::Direction;

/// The namespace of saga ids that come from an idempotency key, for the one tenant of a plain
/// installation. A fixed, arbitrary UUID: changing it would let a repeated key start a second saga.
pub const TENANT_DEFAULT: Uuid = Uuid::from_u128(0x5a6a_0000_0000_4000_8000_0000_0000_0001);

/// One run of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SagaId(pub Uuid);

impl SagaId {
    /// The id of the saga that `key` names for `tenant`: `UUIDv5(tenant, key)`.
    #[must_use]
    pub fn from_key(tenant: Uuid, key: &str) -> Self {
        Self(Uuid::new_v5(&tenant, key.as_bytes()))
    }

    /// The saga's shard: the low half of its id, as a big-endian number, modulo `shards`.
    ///
    /// The low half is random or hashed in both kinds of saga id, so shards fill evenly.
    ///
    /// # Panics
    ///
    /// When `shards` is zero: an installation has at least one shard.
    #[must_use]
    pub fn shard(self, shards: u16) -> u16 {
        assert!(shards > 0, "an installation has at least one shard");
        let (_, low) = self.0.as_u64_pair();
        u16::try_from(low % u64::from(shards)).expect("a remainder is below its u16 divisor")
    }
}

/// One command of a saga. All attempts of one (step, direction, generation) share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

impl CommandId {
    /// `UUIDv5(saga, "<step>/<direction>/<generation>")`; a step's name has no slash.
    #[must_use]
    pub fn of(saga: SagaId, step: &str, direction: Direction, generation: u32) -> Self {
        let generation = generation.to_string();
        let name = [step, "/", direction.as_str(), "/", &generation].concat();
        Self(Uuid::new_v5(&saga.0, name.as_bytes()))
    }

    /// The message id of the reply to this command: `UUIDv5(command, "reply")`.
    #[must_use]
    pub fn reply_id(self) -> Uuid {
        Uuid::new_v5(&self.0, b"reply")
    }
}

/// An operator's order. The client chooses it, so that a repeated order is applied once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub Uuid);

macro_rules! reads_like_a_uuid {
    ($($id:ident),+) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $id {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}
reads_like_a_uuid!(SagaId, CommandId, OrderId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_ones_of_the_wire_document() {
        let saga = SagaId::from_key(TENANT_DEFAULT, "order-7");
        let command = CommandId::of(saga, "reserve-stock", Direction::Forward, 1);
        assert_eq!(saga.to_string(), "f44ab201-874a-5174-a879-4f71cf226ead");
        assert_eq!(command.to_string(), "a38eed35-d8d5-50fe-b03b-8eceff752dc2");
        assert_eq!(
            command.reply_id().to_string(),
            "2ab0f82c-cdf1-51e4-9c89-e2b8ca65dff1"
        );
    }

    #[test]
    fn shards_fill_evenly() {
        let mut counts = [0_u32; 16];
        for key in 0..16_000 {
            let saga = SagaId::from_key(TENANT_DEFAULT, &key.to_string());
            counts[usize::from(saga.shard(16))] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
