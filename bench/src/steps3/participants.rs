//! The participants of the three steps: without a database they do nothing, with one each keeps one
//! row per saga, beside its inbox.

use sagas::SagaId;
use sagas_participant::{HandlerError, Received, Service, Settings};
use sqlx::{PgPool, Postgres, Transaction};

use super::{First, Late, SILENCE, Second, Third, UndoFirst, UndoLate, UndoSecond};

/// Those that have a database each, if any has; the databases are named after them.
pub const NAMES: [&str; 3] = ["first", "second", "third"];

/// Without databases: what they cost is what the SDK costs.
pub fn without_databases(brokers: &str, prefix: &str) -> Vec<Service> {
    let service = |name: &str| {
        let settings = Settings {
            prefix: prefix.to_owned(),
            ..Settings::without_database(brokers)
        };
        Service::new(name, settings)
    };
    vec![
        service("first")
            .handle_outside(|_: Received<First>| done())
            .handle_outside(|_: Received<UndoFirst>| done()),
        service("second")
            .handle_outside(|_: Received<Second>| done())
            .handle_outside(|_: Received<UndoSecond>| done()),
        service("third")
            .handle_outside(|received: Received<Third>| async move { agree(&received.command) }),
        service("late")
            .handle_outside(late)
            .handle_outside(|_: Received<UndoLate>| done()),
    ]
}

/// With databases, in the order of [`NAMES`]. Creates their tables.
///
/// # Errors
///
/// When a database is away or refuses.
pub async fn with_databases(
    brokers: &str,
    prefix: &str,
    databases: [PgPool; 3],
) -> anyhow::Result<Vec<Service>> {
    for database in &databases {
        sqlx::query("CREATE TABLE IF NOT EXISTS effect (saga uuid PRIMARY KEY)")
            .execute(database)
            .await?;
    }
    let settings = databases.map(|database| Settings {
        prefix: prefix.to_owned(),
        ..Settings::new(brokers, database)
    });
    let [first, second, third] = settings;
    let services = vec![
        Service::new("first", first)
            .handle(do_first)
            .handle(undo_first),
        Service::new("second", second)
            .handle(do_second)
            .handle(undo_second),
        Service::new("third", third).handle(do_third),
    ];
    for service in &services {
        service.migrate().await?;
    }
    Ok(services)
}

fn done() -> impl Future<Output = Result<(), HandlerError>> {
    std::future::ready(Ok(()))
}

fn agree(command: &Third) -> Result<(), HandlerError> {
    if command.is_refused {
        return Err(HandlerError::rejected("refused", "as the input says"));
    }
    Ok(())
}

/// To the first attempt it says nothing until nobody waits for it any more.
async fn late(received: Received<Late>) -> Result<(), HandlerError> {
    if received.attempt == 1 {
        tokio::time::sleep(SILENCE).await;
    }
    Ok(())
}

type Tx<'a> = Transaction<'a, Postgres>;

async fn do_first(tx: &mut Tx<'_>, received: Received<First>) -> Result<(), HandlerError> {
    keep(tx, received.saga).await
}

async fn undo_first(tx: &mut Tx<'_>, received: Received<UndoFirst>) -> Result<(), HandlerError> {
    forget(tx, received.saga).await
}

async fn do_second(tx: &mut Tx<'_>, received: Received<Second>) -> Result<(), HandlerError> {
    keep(tx, received.saga).await
}

async fn undo_second(tx: &mut Tx<'_>, received: Received<UndoSecond>) -> Result<(), HandlerError> {
    forget(tx, received.saga).await
}

async fn do_third(tx: &mut Tx<'_>, received: Received<Third>) -> Result<(), HandlerError> {
    agree(&received.command)?;
    keep(tx, received.saga).await
}

/// A second effect for one saga is an error: it fails, and so does the run.
async fn keep(tx: &mut Tx<'_>, saga: SagaId) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO effect (saga) VALUES ($1)")
        .bind(saga.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn forget(tx: &mut Tx<'_>, saga: SagaId) -> Result<(), HandlerError> {
    sqlx::query("DELETE FROM effect WHERE saga = $1")
        .bind(saga.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
