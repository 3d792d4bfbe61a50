//! A set of steps of one definition, as bits.

use serde::{Deserialize, Serialize};

/// Steps by index. A definition has at most [`StepSet::CAPACITY`] steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepSet(u64);

impl StepSet {
    /// The most steps that a definition can have: the bits of a `u64`.
    pub const CAPACITY: usize = 64;

    /// The set with `step` in it.
    ///
    /// # Panics
    ///
    /// When `step` is not below [`StepSet::CAPACITY`]; `build()` refuses such definitions.
    #[must_use]
    pub fn with(self, step: usize) -> Self {
        assert!(step < Self::CAPACITY, "build() refuses more than 64 steps");
        Self(self.0 | 1 << step)
    }

    /// Every step that is in one of the two.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `step` is in it.
    #[must_use]
    pub fn contains(self, step: usize) -> bool {
        step < Self::CAPACITY && self.0 >> step & 1 == 1
    }

    /// Whether no step is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The steps, lowest index first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::CAPACITY).filter(move |step| self.contains(*step))
    }
}

impl FromIterator<usize> for StepSet {
    fn from_iter<T: IntoIterator<Item = usize>>(steps: T) -> Self {
        steps.into_iter().fold(Self::default(), Self::with)
    }
}
