//! The definitions that this binary can run: those that start sagas, and retired ones, which move the
//! sagas that pin them and start none.
//!
//! A saga pins name, version and fingerprint, and only the definition with all three moves it. So
//! several graphs may stand under one name and version, of which at most one starts sagas: after a
//! definition was changed in place, sagas of both graphs are open.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sagas::Definition;
use sagas::sabotage::{Bug, is_seeded};
use uuid::Uuid;

use crate::loaded::SagaRow;

/// Definitions by what sagas pin. Of those of a name that are not retired, the newest version is the
/// one that new sagas get.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// By name, then by version and fingerprint.
    definitions: BTreeMap<String, BTreeMap<(u32, Uuid), Held>>,
}

/// What a saga pins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The definition's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The digest of its graph.
    pub fingerprint: Uuid,
}

impl Pin {
    /// What sagas of this definition pin.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        Self {
            name: definition.name().to_owned(),
            version: definition.version(),
            fingerprint: definition.fingerprint(),
        }
    }

    /// What this saga pins.
    #[must_use]
    pub fn of_row(row: &SagaRow) -> Self {
        Self {
            name: row.definition.clone(),
            version: row.version,
            fingerprint: row.fingerprint,
        }
    }
}

/// `place-order/2/6f7e2c1a-…`
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name, self.version, self.fingerprint)
    }
}

#[derive(Debug, Clone)]
struct Held {
    definition: Arc<Definition>,
    is_retired: bool,
}

impl Registry {
    /// A registry without definitions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a definition. An older version stays as long as its sagas run, here or by
    /// [`Registry::retired`].
    ///
    /// # Panics
    ///
    /// When the same name and version is added twice: which one counts would be a guess.
    #[must_use]
    pub fn with(self, definition: Definition) -> Self {
        let (name, version) = (definition.name(), definition.version());
        let mut versions = self.versions(name);
        assert!(
            versions.all(|held| held.is_retired || held.definition.version() != version),
            "the definition {name:?} version {version} is registered twice"
        );
        drop(versions);
        self.hold(definition, false)
    }

    /// Adds a definition for the sagas that pin it: it moves them, and starts none.
    ///
    /// For a version that is given up, be it older or newer than the one that starts sagas; and for
    /// a graph that once stood under a version that means another one now. Build it as it was, under
    /// the version that its sagas have:
    ///
    /// ```
    /// # use sagas::Definition;
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)] struct Call { to: u32 }
    /// # impl sagas::Command for Call {
    /// #     const PARTICIPANT: &'static str = "phone";
    /// #     const NAME: &'static str = "call";
    /// #     const REJECTABLE: bool = false;
    /// #     type Reply = ();
    /// # }
    /// # fn build(steps: &[&str], version: u32) -> Definition {
    /// #     let mut saga = Definition::of::<u32>("place-order");
    /// #     saga.version(version);
    /// #     for step in steps { saga.step(step).send(|to, ()| Call { to: *to }).query(); }
    /// #     saga.build().unwrap()
    /// # }
    /// # fn as_it_was(version: u32) -> Definition { build(&["call"], version) }
    /// # fn with_a_gift(version: u32) -> Definition { build(&["call", "wrap"], version) }
    /// use sagas_core::Registry;
    ///
    /// // A release had the gift as version 1, so some sagas of version 1 have it.
    /// let registry = Registry::new()
    ///     .with(with_a_gift(2))
    ///     .retired(as_it_was(1))
    ///     .retired(with_a_gift(1));
    /// assert_eq!(registry.newest("place-order").unwrap().version(), 2);
    /// ```
    ///
    /// # Panics
    ///
    /// When the same name, version and fingerprint is there already.
    #[must_use]
    pub fn retired(self, definition: Definition) -> Self {
        self.hold(definition, true)
    }

    fn hold(mut self, definition: Definition, is_retired: bool) -> Self {
        let (name, version) = (definition.name().to_owned(), definition.version());
        let pin = (version, definition.fingerprint());
        let definition = Arc::new(definition);
        let held = Held {
            definition,
            is_retired,
        };
        let versions = self.definitions.entry(name.clone()).or_default();
        assert!(
            versions.insert(pin, held).is_none(),
            "the definition {name:?} version {version} is registered twice with the same graph"
        );
        self
    }

    /// The newest version of `name` that is not retired: what a new saga runs.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&Arc<Definition>> {
        let mut newest_first = self.versions(name).rev();
        let newest = newest_first.find(|held| !held.is_retired);
        newest.map(|held| &held.definition)
    }

    /// The definition that a stored saga pins; `None` when this binary lacks it or has changed it.
    #[must_use]
    pub fn pinned(&self, name: &str, version: u32, fingerprint: Uuid) -> Option<&Arc<Definition>> {
        if is_seeded(Bug::TakesAnyDefinition) {
            return self.newest(name);
        }
        let held = self.definitions.get(name)?.get(&(version, fingerprint))?;
        Some(&held.definition)
    }

    /// Every definition, retired ones included, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        let held = self.definitions.values().flat_map(BTreeMap::values);
        held.map(|held| &held.definition)
    }

    /// Whether this definition is here for its open sagas alone.
    #[must_use]
    pub fn is_retired(&self, definition: &Definition) -> bool {
        let versions = self.definitions.get(definition.name());
        let pin = (definition.version(), definition.fingerprint());
        versions
            .and_then(|versions| versions.get(&pin))
            .is_some_and(|held| held.is_retired)
    }

    /// Whether any definition has this name, a retired one included.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.definitions.contains_key(name)
    }

    /// Names of all definitions that start sagas.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.definitions.keys().map(String::as_str);
        names.filter(|name| self.newest(name).is_some())
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

    /// Everything of a name, the oldest version first.
    fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Held> {
        let versions = self.definitions.get(name).into_iter();
        versions.flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests {
    use sagas::Command;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct BookRoom {}

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct ReleaseRoom {}

    impl Command for BookRoom {
        const PARTICIPANT: &'static str = "rooms";
        const NAME: &'static str = "book-room";
        const REJECTABLE: bool = true;
        type Reply = ();
    }

    impl Command for ReleaseRoom {
        const PARTICIPANT: &'static str = "rooms";
        const NAME: &'static str = "release-room";
        const REJECTABLE: bool = false;
        type Reply = ();
    }

    /// `book-trip` in this version, as so many rooms in a row.
    fn trip(version: u32, rooms: usize) -> Definition {
        let mut saga = Definition::of::<u32>("book-trip");
        saga.version(version);
        for room in 0..rooms {
            saga.step(&format!("book-room-{room}"))
                .send(|_, ()| BookRoom {})
                .compensate(|_, (), _| ReleaseRoom {});
        }
        saga.build().unwrap()
    }

    /// `(version, steps)` of what is found.
    fn found(definition: Option<&Arc<Definition>>) -> Option<(u32, usize)> {
        definition.map(|found| (found.version(), found.steps().len()))
    }

    fn pin(definition: &Definition) -> (u32, Uuid) {
        (definition.version(), definition.fingerprint())
    }

    #[test]
    fn a_retired_definition_moves_its_sagas_and_starts_none() {
        let registry = Registry::new().with(trip(1, 2)).retired(trip(2, 3));
        assert_eq!(found(registry.newest("book-trip")), Some((1, 2)));
        let (version, graph) = pin(&trip(2, 3));
        let held = registry.pinned("book-trip", version, graph);
        assert_eq!(found(held), Some((2, 3)));
        assert!(registry.is_retired(held.unwrap()));
        assert!(!registry.is_retired(registry.newest("book-trip").unwrap()));
        assert_eq!(registry.iter().count(), 2);
    }

    #[test]
    fn graphs_under_one_version_are_told_apart_by_what_a_saga_pins() {
        let registry = Registry::new()
            .with(trip(2, 3))
            .retired(trip(1, 2))
            .retired(trip(1, 3));
        assert_eq!(found(registry.newest("book-trip")), Some((2, 3)));
        for steps in [2, 3] {
            let (version, graph) = pin(&trip(1, steps));
            let held = registry.pinned("book-trip", version, graph);
            assert_eq!(found(held), Some((1, steps)));
        }
        // The same graph under another version is another definition: its closures may differ.
        let (_, graph) = pin(&trip(1, 2));
        assert_eq!(found(registry.pinned("book-trip", 2, graph)), None);
    }

    #[test]
    fn a_name_whose_definitions_are_all_retired_cannot_be_submitted() {
        let registry = Registry::new().retired(trip(1, 2));
        assert_eq!(found(registry.newest("book-trip")), None);
        assert_eq!(registry.names().count(), 0);
        assert!(registry.knows("book-trip"));
        assert_eq!(registry.participants(), ["rooms"]);
    }

    #[test]
    fn what_would_be_a_guess_is_refused() {
        let twice = [
            (|| Registry::new().with(trip(1, 2)).with(trip(1, 3))) as fn() -> Registry,
            || Registry::new().with(trip(1, 2)).retired(trip(1, 2)),
            || Registry::new().retired(trip(1, 2)).retired(trip(1, 2)),
        ];
        for registered in twice {
            assert!(std::panic::catch_unwind(registered).is_err());
        }
    }
}
