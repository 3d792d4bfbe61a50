//! The standby takes over after commits were cut while they waited for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagas::SagaId;
use sagas_core::submission::Key;
use sagas_core::{Registry, Submission};
use sagas_orchestrator::engine::{Accepted, Engine, Error, Settings};
use sagas_orchestrator::store::retention::Policy;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Pair, SOON};
use crate::broker;
use crate::sample;

/// As many as wait at once.
const SUBMISSIONS: i64 = 6;

/// What clients were told.
#[derive(Debug, Default)]
struct Answers {
    accepted: BTreeSet<SagaId>,
    refused: i64,
}

impl Answers {
    fn note(&mut self, answer: Result<Accepted, Error>) {
        match answer {
            Ok(accepted) => drop(self.accepted.insert(accepted.id)),
            Err(_) => self.refused += 1,
        }
    }

    fn all(&self) -> i64 {
        i64::try_from(self.accepted.len()).unwrap() + self.refused
    }
}

/// Ends the server processes whose commit of a start waits for the standby.
const CUT_COMMITS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE wait_event = 'SyncRep' AND query LIKE '%started AS (%'";

/// Reads whose confirmation waits for the standby.
const CONFIRMING: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE wait_event = 'SyncRep' AND query LIKE '%logical_emit_message%'";

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_submission_survives_a_failover_after_its_commit_was_cut() {
    let (mut pair, bus) = tokio::join!(Pair::open(), broker::ready());
    let registry = Registry::new().with(sample::chain());
    let settings = Settings {
        lanes: 6,
        batch_max: 10,
        inbox_max: 100,
        cache_max: 100,
        bus,
        replica_name: "one".to_owned(),
        retention: Policy::default(),
    };
    let engine = Engine::start(registry, pair.store.clone(), settings)
        .await
        .unwrap();
    let mut tries = 0;
    let (mut submissions, mut answers) = loop {
        pair.take_standby_away().await;
        let (submissions, answers) = submit_and_cut(&engine, &mut pair).await;
        if answers.refused < SUBMISSIONS {
            break (submissions, answers);
        }
        // On a busy machine, the engine may notice the silence before it has begun a commit.
        tries += 1;
        assert!(tries < 5, "nothing was put to the test");
        pair.bring_standby_back();
        let deadline = Instant::now() + SOON;
        while engine.health().postgres.is_some() {
            assert!(Instant::now() < deadline, "{:?}", engine.health());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut promoted = pair.fail_over().await;
    while let Some(answer) = submissions.join_next().await {
        answers.note(answer.unwrap());
    }
    let stored: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM saga")
        .fetch_all(&mut promoted)
        .await
        .unwrap();
    let stored: BTreeSet<SagaId> = stored.into_iter().map(SagaId).collect();
    let lost: Vec<_> = answers.accepted.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
}

/// Submits while no commit is acknowledged, and cuts every commit that waits, until all submissions are
/// visible or refused. Returns those that have no answer yet, and the answers.
async fn submit_and_cut(
    engine: &Engine,
    pair: &mut Pair,
) -> (JoinSet<Result<Accepted, Error>>, Answers) {
    let definition = Arc::new(sample::chain());
    let mut submissions = JoinSet::new();
    for number in 0..SUBMISSIONS {
        let engine = engine.clone();
        let input = sample::input("a");
        let key = Key::new(
            &format!("key-{number}"),
            definition.name(),
            &input.canonical(),
        );
        let submission = Submission {
            definition: definition.clone(),
            input,
            key: Some(key),
        };
        submissions.spawn(async move { engine.submit(submission).await });
    }
    // Each gets visible, and Postgres acknowledges none. They are tried again, and wait again; or they are
    // answered, which is the mistake.
    let mut answers = Answers::default();
    let deadline = Instant::now() + SOON;
    let mut waits_again = 0;
    while answers.refused + pair.number("SELECT count(*) FROM saga").await < SUBMISSIONS
        || (answers.all() < SUBMISSIONS && waits_again == 0)
    {
        pair.number(CUT_COMMITS).await;
        while let Some(answer) = submissions.try_join_next() {
            answers.note(answer.unwrap());
        }
        waits_again = pair.number(CONFIRMING).await;
        assert!(Instant::now() < deadline, "{answers:?}, {waits_again}");
    }
    (submissions, answers)
}
