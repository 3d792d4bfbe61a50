//! What a seed's world is made of: how many of everything, and which sagas.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sagas::wire::topics;
use sagas_core::Registry;
use sagas_core::admission::Admission;
use sagas_core::lane::Bounds;
use sagas_core::outgoing::Topics;
use sagas_core::schedule::{LOAD_MAX, PUBLICATIONS_MAX};

use crate::commands::SERVICES;
use crate::recipe::{self, Recipe};
use crate::rng::Rng;

/// The first part of all topic names.
const PREFIX: &str = "saga";

/// Sizes.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Processes of the orchestrator.
    pub replicas: usize,
    /// Lanes of each.
    pub lanes: usize,
    /// Events that wait in a lane at most.
    pub inbox_max: usize,
    /// The bounds of a lane.
    pub bounds: Bounds,
    /// Shards of the installation.
    pub shards: u16,
    /// Partitions that the reply topic begins with.
    pub reply_partitions: usize,
    /// Partitions of each command topic.
    pub command_partitions: usize,
    /// How long things go wrong.
    pub trouble: Duration,
}

impl Layout {
    /// The room of a lane.
    pub(crate) fn admission(&self) -> Admission {
        Admission::new(self.inbox_max, self.bounds.batch_max)
    }

    /// Sizes at random; small ones, because queues that are full are where the edges are.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let replicas = rng.pick(&[1, 1, 2, 2, 3, 4]);
        let cache_max = rng.pick(&[1, 3, 50, 1000]);
        let bounds = Bounds {
            batch_max: rng.pick(&[1, 2, 8, 100]),
            second_commit_min: rng.pick(&[1, 1, 3, 1000]),
            ahead_max: rng.pick(&[1, 2, 2, 1000]),
            cache_max: NonZeroUsize::new(cache_max).unwrap_or(NonZeroUsize::MIN),
            load_max: rng.pick(&[1, 3, LOAD_MAX]),
            publications_max: rng.pick(&[1, 4, PUBLICATIONS_MAX]),
        };
        Self {
            replicas,
            lanes: rng.pick(&[1, 1, 2, 3]),
            inbox_max: rng.pick(&[2, 20, 1000]),
            bounds,
            shards: rng.pick(&[1, 4, 16]),
            reply_partitions: rng.pick(&[1, 2, 4, 8]),
            command_partitions: rng.pick(&[1, 2, 4]),
            trouble: Duration::from_secs(rng.between(8, 20)),
        }
    }
}

/// What does not change while the world runs.
#[derive(Debug)]
pub struct Scene {
    /// Every definition; of some names another graph of the same version, too, which is retired.
    pub registry: Registry,
    /// What older binaries have: some definitions are missing, some are others under the same name
    /// and version.
    pub older: Vec<Registry>,
    /// The recipes that they were made from, by name.
    pub recipes: BTreeMap<String, Recipe>,
    /// How the engine writes records.
    pub outgoing: Topics,
    /// The topic of replies.
    pub replies: Arc<str>,
    /// The topic of lifecycle events.
    pub events: Arc<str>,
    /// The topics of commands, by service.
    pub commands: Vec<Arc<str>>,
}

impl Scene {
    /// The fixed shapes and some random ones.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let random = (0..3).map(|number| recipe::random(format!("random-{number}"), rng));
        let recipes: Vec<Recipe> = recipe::shapes().into_iter().chain(random).collect();
        let registry = recipes.iter().fold(Registry::new(), newest);
        let older = (0..2).map(|_| older(&recipes, rng)).collect();
        let recipes = recipes.into_iter();
        Self {
            registry,
            older,
            recipes: recipes
                .map(|recipe| (recipe.name.clone(), recipe))
                .collect(),
            outgoing: Topics::new(PREFIX, &SERVICES),
            replies: topics::replies(PREFIX).into(),
            events: topics::events(PREFIX).into(),
            commands: SERVICES
                .iter()
                .map(|service| topics::commands(PREFIX, service).into())
                .collect(),
        }
    }
}

/// Adds a recipe, every second one beside the graph of those older binaries that had changed it.
fn newest(registry: Registry, recipe: &Recipe) -> Registry {
    let has_another = registry.names().count() % 2 == 1;
    let registry = registry.with(recipe.build());
    if has_another {
        return registry.retired(recipe.with_another_graph().build());
    }
    registry
}

fn older(recipes: &[Recipe], rng: &mut Rng) -> Registry {
    let mut older = Registry::new();
    for recipe in recipes {
        match rng.below(4) {
            0 => {}
            1 => older = older.with(recipe.with_another_graph().build()),
            _ => older = older.with(recipe.build()),
        }
    }
    older
}
