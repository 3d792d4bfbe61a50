//! The service under test: it writes a line per effect and does what the payload says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sagas::{Command, Direction};
use sagas_participant::{Handle, HandlerError, Received, Rejection, Service, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};

pub const PARTICIPANT: &str = "counter";

/// What the handler is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    Succeed,
    Reject,
    /// With the character U+0000 in its message.
    RejectWithNul,
    Fail,
    /// With a message of a million characters.
    FailAtLength,
    Panic,
    /// Succeeds with a reply that is larger than replies may be.
    AnswerAtLength,
    /// Succeeds with a reply of a few kilobytes.
    AnswerWithMuch,
    BadStatement,
    SwallowBadStatement,
    /// Succeeds as soon as the test releases the advisory lock 1.
    WaitForLock,
    /// Runs a statement of a minute.
    Sleep,
    /// Conflicts the first time that it runs in this database.
    ConflictOnce,
}

macro_rules! command {
    ($type:ident, $name:literal) => {
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct $type {
            pub wish: Wish,
        }

        impl Command for $type {
            const PARTICIPANT: &'static str = PARTICIPANT;
            const NAME: &'static str = $name;
            const REJECTABLE: bool = true;
            type Reply = Counted;
        }
    };
}
command!(Count, "count");
command!(Uncount, "uncount");
command!(CountMany, "count-many");
command!(CountRuns, "count-runs");
command!(CountAll, "count-all");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    pub generation: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub padding: String,
}

impl Counted {
    pub fn of(generation: u32) -> Self {
        let padding = String::new();
        Self {
            generation,
            padding,
        }
    }
}

pub const SCHEMA: &str = "
    CREATE TABLE effect (saga uuid NOT NULL, step text NOT NULL, direction text NOT NULL);
    CREATE TABLE tried (saga uuid PRIMARY KEY);";

async fn effect(
    tx: &mut Transaction<'_, Postgres>,
    saga: sagas::SagaId,
    step: &str,
    direction: Direction,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO effect (saga, step, direction) VALUES ($1, $2, $3)")
        .bind(saga.0)
        .bind(step)
        .bind(direction.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn act(
    tx: &mut Transaction<'_, Postgres>,
    received: &Received<impl Sized>,
    wish: Wish,
) -> Result<Counted, HandlerError> {
    effect(tx, received.saga, &received.step, received.direction).await?;
    match wish {
        Wish::Succeed => {}
        Wish::Reject => return Err(HandlerError::rejected("no", "as you wish")),
        Wish::RejectWithNul => return Err(HandlerError::rejected("no", "a\0b")),
        Wish::Fail => return Err(HandlerError::failed("not-now", "as you wish")),
        Wish::FailAtLength => return Err(HandlerError::failed("not-now", "x".repeat(1_000_000))),
        Wish::Panic => panic!("as you wish"),
        Wish::AnswerAtLength => return Ok(padded(received.generation, 900_001)),
        Wish::AnswerWithMuch => return Ok(padded(received.generation, 3_000)),
        Wish::BadStatement => {
            sqlx::query("SELECT 1 / 0").execute(&mut **tx).await?;
        }
        Wish::SwallowBadStatement => {
            sqlx::query("SELECT 1 / 0")
                .execute(&mut **tx)
                .await
                .unwrap_err();
        }
        Wish::WaitForLock => {
            sqlx::query("SELECT pg_advisory_xact_lock(1)")
                .execute(&mut **tx)
                .await?;
        }
        Wish::Sleep => {
            sqlx::query("SELECT pg_sleep(60)")
                .execute(&mut **tx)
                .await?;
        }
        Wish::ConflictOnce => conflict_once(tx).await?,
    }
    Ok(Counted::of(received.generation))
}

fn padded(generation: u32, bytes: usize) -> Counted {
    Counted {
        padding: "x".repeat(bytes),
        generation,
    }
}

/// A sequence is not rolled back: it remembers that there was a first time.
async fn conflict_once(tx: &mut Transaction<'_, Postgres>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DO $$ BEGIN
            IF nextval('conflicts') = 1 THEN
                RAISE EXCEPTION 'as you wish' USING ERRCODE = '40001';
            END IF;
         END $$",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn count(
    tx: &mut Transaction<'_, Postgres>,
    received: Received<Count>,
) -> Result<Counted, HandlerError> {
    act(tx, &received, received.command.wish).await
}

pub async fn uncount(
    tx: &mut Transaction<'_, Postgres>,
    received: Received<Uncount>,
) -> Result<Counted, HandlerError> {
    act(tx, &received, received.command.wish).await
}

/// Reads the table as people do who will add a column to it some day.
pub async fn count_all(
    tx: &mut Transaction<'_, Postgres>,
    received: Received<CountAll>,
) -> Result<Counted, HandlerError> {
    sqlx::query("SELECT * FROM effect")
        .fetch_all(&mut **tx)
        .await?;
    act(tx, &received, received.command.wish).await
}

/// Refuses those that wish it, and fails as a whole where one wishes that.
pub async fn count_many(
    tx: &mut Transaction<'_, Postgres>,
    received: Vec<Received<CountMany>>,
) -> Result<Vec<Result<Counted, Rejection>>, HandlerError> {
    let mut answers = Vec::new();
    for one in &received {
        answers.push(match one.command.wish {
            Wish::Reject => Err(Rejection::new("no", "as you wish")),
            wish => Ok(act(tx, one, wish).await?),
        });
    }
    Ok(answers)
}

/// A handler with state.
#[derive(Debug, Default)]
pub struct Runs(pub AtomicU32);

impl Handle<CountRuns> for Runs {
    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        received: Received<CountRuns>,
    ) -> Result<Counted, HandlerError> {
        effect(tx, received.saga, &received.step, received.direction).await?;
        Ok(Counted::of(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

pub fn service(settings: Settings) -> Service {
    Service::new(PARTICIPANT, settings)
        .handle(count)
        .handle(uncount)
        .handle(count_all)
        .handle_batch(count_many)
        .handle_with(Arc::new(Runs::default()))
}
