//! One Postgres for all tests, a migrated database for each, and sagas in it that have ended.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sagas::machine::{Entry, Event, Reply, transition};
use sagas::{Command, Definition, Direction, Json, Outcome, Saga, SagaId, Timestamp};
use sagas_core::batch::{Batch, Start, State, Update};
use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::{Settings, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

pub(crate) const SHARDS: u16 = 16;

/// An instant that is long past for the database.
const NOON: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A migrated database, a store on it, and a connection to look at it from the side.
pub(crate) struct Database {
    store: Store,
    pub(crate) side: PgConnection,
    pub(crate) url: String,
}

pub(crate) async fn fresh() -> Database {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| {
        let options = PostgresOptions {
            fsync: false,
            ..PostgresOptions::default()
        };
        Postgres::start(options).unwrap()
    });
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    let url = server.url(&name);
    let settings = Settings {
        url: url.clone(),
        connections_max: 6,
        commits_max: 2,
        shards: SHARDS,
    };
    let store = Store::connect(&settings).unwrap();
    store.migrate().await.unwrap();
    let side = PgConnection::connect(&url).await.unwrap();
    Database { store, side, url }
}

impl Database {
    /// Sagas `1..=last` of `take-notes`, completed at noon.
    pub(crate) async fn complete(&self, last: u128) {
        let definition = take_notes();
        let (mut starts, mut updates) = (Batch::default(), Batch::default());
        for number in 1..=last {
            let (saga, start) = started(&definition, id(number));
            starts.starts.push(start);
            updates.updates.push(completed(&definition, &saga));
        }
        self.store.commit(&starts).await.unwrap();
        let committed = self.store.commit(&updates).await.unwrap();
        assert!(committed.updates.iter().all(|won| *won));
    }

    /// Runs a query that gives one number.
    pub(crate) async fn number(&mut self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.side)
            .await
            .unwrap()
    }
}

pub(crate) fn id(number: u128) -> SagaId {
    SagaId(Uuid::from_u128(number))
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Note {
    text: String,
}

impl Command for Note {
    const PARTICIPANT: &'static str = "notes";
    const NAME: &'static str = "write";
    const REJECTABLE: bool = false;
    type Reply = ();
}

fn take_notes() -> Definition {
    let mut saga = Definition::of::<Note>("take-notes");
    let step = saga.step("write");
    step.send(|note, ()| Note {
        text: note.text.clone(),
    })
    .retriable();
    saga.build().unwrap()
}

fn started(definition: &Definition, id: SagaId) -> (Saga, Start) {
    let input = Json::parse(r#"{"text":"a"}"#.to_owned()).unwrap();
    let saga = Saga::new(definition, id, input, NOON);
    let moved = transition(definition, &saga, Event::Start, NOON).unwrap();
    let start = Start {
        id,
        definition: definition.name().to_owned(),
        version: definition.version(),
        fingerprint: definition.fingerprint(),
        digest: None,
        started_at: NOON,
        is_retried: false,
        state: state(&moved.next, moved.entry),
    };
    (moved.next, start)
}

fn completed(definition: &Definition, saga: &Saga) -> Update {
    let event = Event::Reply(Reply {
        step: "write".to_owned(),
        direction: Direction::Forward,
        generation: 1,
        attempt: 1,
        outcome: Outcome::Succeeded,
        payload: Json::null(),
    });
    let moved = transition(definition, saga, event, NOON).unwrap();
    Update {
        id: saga.id,
        expected: saga.revision,
        state: state(&moved.next, moved.entry),
    }
}

/// The saga as a commit takes it, without its lifecycle events.
fn state(saga: &Saga, entry: Entry) -> State {
    State {
        revision: saga.revision,
        status: saga.status(),
        wake_at: saga.wake_at,
        moving: saga.moving.clone(),
        entries: vec![entry],
        announcements: Vec::new(),
    }
}
