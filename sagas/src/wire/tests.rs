//! What is written is read back; what breaks the format is refused with its reason; and the
//! examples of `docs/wire.md` are the bytes that these types write.

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::barrier::Ask;
use crate::id::TENANT_DEFAULT;
use crate::{CommandId, Direction, Outcome, SagaId, Timestamp};

mod examples;
mod members;
mod payloads;
mod refusals;
mod round_trip;

use examples::{event, fence_of_compensation, reply, reserve};
use members::Members;
