//! Whether a saga that ends now finds its partition in the archive, so that the commit that ends it
//! can put it there.
//!
//! Partitions are made days ahead, so it nearly always does. Where it is not known, the saga stays
//! where it ran, and is moved later.

use std::sync::{Arc, PoisonError, RwLock};

use sagas::Timestamp;

use super::retention::Policy;
use super::terms::Terms;

/// Shared by all who use the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Destination(Arc<RwLock<Option<Open>>>);

#[derive(Debug)]
struct Open {
    terms: Arc<Terms>,
    until: Timestamp,
}

impl Destination {
    /// All partitions exist that this policy needs for what ends until then.
    pub(super) fn open(&self, policy: &Policy, until: Timestamp) -> Result<(), sqlx::Error> {
        let terms = Arc::new(Terms::of(policy)?);
        let open = Open { terms, until };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(())
    }

    /// Somebody may have taken partitions away.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// On which terms what ends at this instant goes to the archive; `None`: it stays for now.
    pub(super) fn at(&self, end: Timestamp) -> Option<Arc<Terms>> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().filter(|open| end <= open.until)?;
        Some(open.terms.clone())
    }
}
