//! A till that holds money, with one mistake in it.

use std::sync::Arc;

use sagas::Command;
use sagas_participant::{Handle, HandlerError, Received, Rejection, Service, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

/// No key: what is held twice is there twice.
pub const SCHEMA: &str = "
    CREATE TABLE held (id uuid NOT NULL, cents bigint NOT NULL);
    CREATE SEQUENCE refusals;";

/// What is wrong with the till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// It holds through a connection of its own.
    WritesOutside,
    /// It ends the transaction that it is given.
    Commits,
    /// What was held is zero afterwards, but still there.
    UndoesHalf,
    /// It is faster than the standby.
    DoesNotWait,
    RefusesToUndo,
    /// Each refusal has a number of its own.
    CountsRefusals,
    /// In a batch, where one is refused, none is held; the others are told that they are.
    LosesTheBatch,
    /// In a batch, what is refused is held.
    KeepsTheRefused,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    pub id: Uuid,
    pub cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    cents: i64,
}

impl Command for Hold {
    const PARTICIPANT: &'static str = "till";
    const NAME: &'static str = "hold";
    const REJECTABLE: bool = true;
    type Reply = Held;
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    pub id: Uuid,
}

impl Command for Release {
    const PARTICIPANT: &'static str = "till";
    const NAME: &'static str = "release";
    const REJECTABLE: bool = false;
    type Reply = Held;
}

struct Till {
    mistake: Mistake,
    pool: PgPool,
}

pub fn service(mistake: Mistake, settings: Settings) -> Service {
    let pool = settings.database.clone().expect("the kit gives one");
    let till = Arc::new(Till { mistake, pool });
    let service = Service::new("till", settings);
    match mistake {
        Mistake::LosesTheBatch => service.handle_batch(hold_all_or_none),
        Mistake::KeepsTheRefused => service.handle_batch(hold_whatever_comes),
        _ => service.handle_with::<Hold, _>(Arc::clone(&till)),
    }
    .handle_with::<Release, _>(till)
}

async fn insert(to: impl sqlx::PgExecutor<'_>, hold: &Hold) -> Result<Held, sqlx::Error> {
    sqlx::query("INSERT INTO held (id, cents) VALUES ($1, $2)")
        .bind(hold.id)
        .bind(hold.cents)
        .execute(to)
        .await?;
    Ok(Held { cents: hold.cents })
}

impl Handle<Hold> for Till {
    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        received: Received<Hold>,
    ) -> Result<Held, HandlerError> {
        let hold = received.command;
        if hold.cents < 0 {
            return Err(self.refusal(tx).await?);
        }
        match self.mistake {
            Mistake::WritesOutside => Ok(insert(&self.pool, &hold).await?),
            Mistake::DoesNotWait => {
                let hurry = "SET LOCAL synchronous_commit = off";
                sqlx::raw_sql(hurry).execute(&mut **tx).await?;
                Ok(insert(&mut **tx, &hold).await?)
            }
            Mistake::Commits => {
                let held = insert(&mut **tx, &hold).await?;
                sqlx::raw_sql("COMMIT").execute(&mut **tx).await?;
                Ok(held)
            }
            _ => Ok(insert(&mut **tx, &hold).await?),
        }
    }
}

impl Till {
    async fn refusal(
        &self,
        tx: &mut Transaction<'_, Postgres>,
    ) -> Result<HandlerError, sqlx::Error> {
        let mut message = "nobody holds less than nothing".to_owned();
        if self.mistake == Mistake::CountsRefusals {
            let number = sqlx::query_scalar("SELECT nextval('refusals')");
            let number: i64 = number.fetch_one(&mut **tx).await?;
            message = format!("{message}, said {number} times");
        }
        Ok(HandlerError::rejected("negative", message))
    }
}

impl Handle<Release> for Till {
    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        received: Received<Release>,
    ) -> Result<Held, HandlerError> {
        let statement = match self.mistake {
            Mistake::RefusesToUndo => {
                return Err(HandlerError::rejected("no", "what is held is held"));
            }
            Mistake::UndoesHalf => "UPDATE held SET cents = 0 WHERE id = $1",
            _ => "DELETE FROM held WHERE id = $1",
        };
        sqlx::query(statement)
            .bind(received.command.id)
            .execute(&mut **tx)
            .await?;
        Ok(Held { cents: 0 })
    }
}

type Answers = Result<Vec<Result<Held, Rejection>>, HandlerError>;

fn judge(hold: &Hold) -> Result<Held, Rejection> {
    if hold.cents < 0 {
        return Err(Rejection::new("negative", "nobody holds less than nothing"));
    }
    Ok(Held { cents: hold.cents })
}

async fn hold_all_or_none(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<Hold>>,
) -> Answers {
    let answers: Vec<_> = batch.iter().map(|one| judge(&one.command)).collect();
    if answers.iter().all(Result::is_ok) {
        for one in &batch {
            insert(&mut **tx, &one.command).await?;
        }
    }
    Ok(answers)
}

async fn hold_whatever_comes(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<Hold>>,
) -> Answers {
    for one in &batch {
        insert(&mut **tx, &one.command).await?;
    }
    Ok(batch.iter().map(|one| judge(&one.command)).collect())
}
