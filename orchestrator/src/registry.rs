//! The definitions that this binary can run.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::Definition;
use sagas::sabotage::{Bug, is_seeded};
use uuid::Uuid;

/// Definitions by name and version. The newest version of a name is the one that new sagas get.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    definitions: BTreeMap<String, BTreeMap<u32, Arc<Definition>>>,
}

impl Registry {
    /// A registry without definitions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a definition; keep older versions registered as long as their sagas run.
    ///
    /// # Panics
    ///
    /// When the same name and version is registered twice: which one counts would be a guess.
    #[must_use]
    pub fn with(mut self, definition: Definition) -> Self {
        let versions = self
            .definitions
            .entry(definition.name().to_owned())
            .or_default();
        let (name, version) = (definition.name().to_owned(), definition.version());
        let before = versions.insert(version, Arc::new(definition));
        assert!(
            before.is_none(),
            "the definition {name:?} version {version} is registered twice"
        );
        self
    }

    /// The newest version of `name`: what a new saga runs.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(name)?.values().next_back()
    }

    /// The definition that a stored saga pins; `None` when this binary lacks it or has changed it.
    #[must_use]
    pub fn pinned(&self, name: &str, version: u32, fingerprint: Uuid) -> Option<&Arc<Definition>> {
        if is_seeded(Bug::TakesAnyDefinition) {
            return self.newest(name);
        }
        let definition = self.definitions.get(name)?.get(&version)?;
        (definition.fingerprint() == fingerprint).then_some(definition)
    }

    /// Every definition, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values().flat_map(BTreeMap::values)
    }

    /// Names of all definitions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// Every participant that a definition sends commands to, once each.
    #[must_use]
    pub fn participants(&self) -> Vec<&'static str> {
        let steps = self.iter().flat_map(|definition| definition.steps());
        let mut participants: Vec<_> = steps.map(|step| step.participant).collect();
        participants.sort_unstable();
        participants.dedup();
        participants
    }
}
