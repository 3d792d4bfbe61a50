//! Binaries that cannot move the saga: what a rolling deploy puts beside the one that can.
//!
//! The saga pins the name, the version and the fingerprint of its definition. A binary looks the
//! first two up, as the orchestrator's registry does; what it finds, the state machine compares.

use sagas::Definition;
use sagas::machine::Saga;

use crate::sabotage::Sabotage;
use crate::shape::{self, Recipe};

/// A binary, by the one definition of this name that it has.
pub(crate) struct Binary {
    definition: Definition,
}

impl Binary {
    /// One that lacks the definition: it has only another version of the same graph, which no
    /// fingerprint tells apart. And one that has changed it: same name and version, other steps.
    pub(crate) fn others(recipe: Recipe) -> Vec<Self> {
        let fewer = &recipe.shape[..recipe.shape.len() - 1];
        let version = recipe.version + 1;
        let lacks = Recipe { version, ..recipe };
        let changed = Recipe {
            shape: fewer,
            ..recipe
        };
        [lacks, changed]
            .map(|recipe| Self {
                definition: shape::build(recipe),
            })
            .into()
    }

    /// What it would move the saga with.
    pub(crate) fn pinned(&self, saga: &Saga, sabotage: Option<Sabotage>) -> Option<&Definition> {
        let (name, version) = (self.definition.name(), self.definition.version());
        let any_version = sabotage == Some(Sabotage::TakesAnyVersion);
        let is_pinned = saga.definition == name && (any_version || saga.version == version);
        is_pinned.then_some(&self.definition)
    }
}
