//! How one statement gets to the database: on a pooled connection, with bounds on every wait.
//!
//! Invariant: an answer that decides something is confirmed on the connection that gave it, before
//! anybody gets it (`kind.rs`).
//!
//! Invariant: a statement that was begun is never cancelled. It runs in a task of its own. What may wait
//! for a standby keeps its connection until it is answered (`breaker.rs`); any other connection whose
//! answer was not awaited is closed, never given back. (With sqlx 0.9, a cancelled
//! `begin()` would leave a pooled connection inside a transaction, and later writes on it vanish;
//! nothing here begins a transaction.)

use std::pin::pin;
use std::time::Duration;

use sagas_log::trouble;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgRow};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::breaker::{Breaker, Turn};
use super::connections::{Connections, Server, Use};
use super::kind::{Ask, Kind};
use super::list::{self, ListFilter};
use super::sql::Statement;
use super::{Failure, Store, commit};
use crate::cause::chain;

/// How long a caller waits for a connection, opening one included: long enough for a failover by
/// DNS to be noticed, short enough that REST still answers in time.
const CONNECTION_WITHIN: Duration = Duration::from_secs(3);

/// The server gives up on a statement after 10 s ([`SETTINGS`]); a server that is silent for longer
/// than that is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A connection of readers that was not used for so long is closed.
const READER_IDLE_MAX: Duration = Duration::from_secs(60 * 60);

/// A commit that Postgres answers once its synchronous standby has all that came before it. An xid alone
/// would not wait: Postgres waits for what a transaction has put into its log, and this is the least.
const CONFIRM: &str = "SELECT pg_logical_emit_message(true, 'saga', '')";

/// What every connection is told.
///
/// * Every statement here goes by an index. A fresh table has no statistics, and the plan of a
///   prepared statement stays: without these settings the first minutes of an installation may be
///   spent in sequential scans. A merge join would also lock rows in another order than they came.
/// * `generic`: planning the commit takes longer than running it.
/// * `jit`: compiling a statement that runs for a millisecond takes a hundred.
const SETTINGS: &str = "
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_mergejoin = off;
    SET jit = off;
    SET timezone = 'UTC';
";

/// Connections for everything that is no commit and no list. What is asked for in an order is to come
/// out of an index in that order. A bitmap and a sort would look as good to the planner, but visit
/// every row that was deleted and not vacuumed yet, again each time: with 35 000 of them the look for
/// due wakes took 130 ms, several times a second. A walk through an index marks them, and passes them once.
pub(super) fn pool(
    options: PgConnectOptions,
    connections_max: u32,
    server: &Server,
) -> Connections {
    let pool = told(bounded(connections_max), server, "SET enable_sort = off");
    Connections::new(pool, options.application_name("saga-orchestrator"), server)
}

/// Connections for commits alone. An index is there only a way to rows by their keys: while the tables
/// are small, or were empty when they were last looked at, the planner would rather walk through a
/// whole index once for each row of a batch, and the plan stays when the tables have grown. A bitmap
/// scan cannot do that.
pub(super) fn commits(
    options: PgConnectOptions,
    connections_max: u32,
    server: &Server,
) -> Connections {
    let by_key = "SET enable_indexscan = off; SET enable_indexonlyscan = off";
    let pool = told(bounded(connections_max), server, by_key);
    Connections::new(pool, options.application_name("saga-orchestrator"), server)
}

/// Every new connection is told the common settings, and these.
fn told(pool: PgPoolOptions, server: &Server, settings: &'static str) -> PgPoolOptions {
    let server = server.clone();
    pool.after_connect(move |connection, _| {
        let server = server.clone();
        Box::pin(async move {
            settle(connection).await?;
            sqlx::raw_sql(settings).execute(&mut *connection).await?;
            server.is_right(connection, Use::Writes).await?;
            Ok(())
        })
    })
}

/// Connections that keep what they have learned of the archive's partitions: they stay open for longer.
pub(super) fn readers(
    options: PgConnectOptions,
    connections_max: u32,
    server: &Server,
) -> Connections {
    let seen = server.clone();
    let pool = bounded(connections_max)
        .idle_timeout(READER_IDLE_MAX)
        .after_connect(move |connection, _| {
            let seen = seen.clone();
            Box::pin(async move {
                settle(connection).await?;
                if seen.is_right(connection, Use::Reads).await? {
                    learn(connection).await;
                }
                Ok(())
            })
        });
    let options = options.application_name("saga-orchestrator-readers");
    Connections::new(pool, options, server)
}

fn bounded(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(CONNECTION_WITHIN)
        // sqlx tests a connection when it comes back; testing it again would cost every statement
        // a round trip. One that broke in between fails, and the caller handles that anyway.
        .test_before_acquire(false)
}

async fn settle(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(SETTINGS).execute(connection).await?;
    Ok(())
}

/// Plans a list. A new server process reads the catalog of every partition for its first one, which
/// takes it ten times as long as any later plan. Before the schema is there, this fails and is all the
/// same: whoever asks finds out.
async fn learn(connection: &mut PgConnection) {
    let list = list::statement(&ListFilter::default());
    if let Err(error) = list.fetch_all(connection).await {
        trouble!(
            warn,
            "a reader's connection has not planned a list",
            error = chain(&error)
        );
    }
}

impl Store {
    /// Runs one statement, which is its own transaction, to its end.
    pub(super) async fn run(&self, ask: Ask, statement: Statement) -> Result<Vec<PgRow>, Failure> {
        let connections = match ask.kind() {
            Kind::Hints | Kind::Shows => &self.shown_by,
            Kind::Commits | Kind::Writes | Kind::Decides => &self.pool,
        };
        run(&self.breaker, connections, ask, statement).await
    }

    /// Opens the connections of [`Store::for_readers`], so that no reader waits for one.
    pub async fn open_readers(&self) {
        // Held until all are open: one that went back would be handed out again.
        let mut open = Vec::new();
        while open.len() < self.readers_max() {
            match self.readers.acquire().await {
                Ok(connection) => open.push(connection),
                Err(error) => {
                    let error = chain(&error);
                    trouble!(warn, "a reader's connection cannot be opened now", error);
                    return;
                }
            }
        }
    }

    fn readers_max(&self) -> usize {
        let options = self.readers.pool().options();
        usize::try_from(options.get_max_connections()).unwrap_or(usize::MAX)
    }

    /// As [`Store::run`], for statements that answer with exactly one row.
    pub(super) async fn run_one(&self, ask: Ask, statement: Statement) -> Result<PgRow, Failure> {
        one(self.run(ask, statement).await?)
    }

    /// As [`Store::run_one`], on a connection that is kept for commits.
    pub(super) async fn run_commit(
        &self,
        ask: Ask,
        statement: Statement,
    ) -> Result<PgRow, Failure> {
        one(run(&self.breaker, &self.commits, ask, statement).await?)
    }
}

fn one(mut rows: Vec<PgRow>) -> Result<PgRow, Failure> {
    rows.pop()
        .ok_or(Failure::Answered(sqlx::Error::RowNotFound))
}

async fn run(
    breaker: &Breaker,
    connections: &Connections,
    ask: Ask,
    statement: Statement,
) -> Result<Vec<PgRow>, Failure> {
    let (breaker, connections) = (breaker.clone(), connections.clone());
    let (tell, told) = oneshot::channel();
    let task = tokio::spawn(async move {
        match begin(&breaker, &connections, ask.kind()).await {
            Ok((turn, connection)) => {
                finish(&breaker, turn, connection, ask, statement, tell).await;
            }
            // Whoever went away does not mind.
            Err(failure) => drop(tell.send(Err(failure))),
        }
    });
    if let Ok(outcome) = told.await {
        return outcome;
    }
    match task.await {
        Ok(()) => Err(Failure::Abandoned),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Failure::Abandoned),
        },
    }
}

async fn begin(
    breaker: &Breaker,
    connections: &Connections,
    kind: Kind,
) -> Result<(Option<Turn>, PoolConnection<Postgres>), Failure> {
    let turn = breaker.admit(kind).await?;
    Ok((turn, connections.acquire().await?))
}

/// Runs the statement to its end, and tells the caller what came of it, or that nothing came in time.
async fn finish(
    breaker: &Breaker,
    turn: Option<Turn>,
    mut connection: PoolConnection<Postgres>,
    ask: Ask,
    statement: Statement,
    tell: oneshot::Sender<Result<Vec<PgRow>, Failure>>,
) {
    let may_wait = ask.kind().may_wait();
    let late = {
        let mut answer = pin!(answer(&mut connection, ask, statement));
        match timeout(ANSWER_WITHIN, &mut answer).await {
            Ok(answer) => Some((answer, Some(tell))),
            Err(_) => {
                if may_wait {
                    breaker.is_owed();
                }
                drop(turn);
                let within = ANSWER_WITHIN;
                drop(tell.send(Err(Failure::Silent { within })));
                tokio::select! {
                    late = &mut answer, if may_wait => Some((late, None)),
                    () = breaker.is_past_grace(), if may_wait => None,
                    else => None,
                }
            }
        }
    };
    let Some((answer, tell)) = late else {
        // Its answer may still come, to whoever asks next: nobody must.
        drop(connection.detach());
        return;
    };
    match &answer {
        Ok(_) if may_wait => breaker.is_answered(),
        Ok(_) => {}
        Err(failure) => Connections::judge(&mut connection, failure),
    }
    if let Some(tell) = tell {
        // The next one finds the connection in its pool.
        drop(connection);
        drop(tell.send(answer));
    }
}

/// The answer to a statement, confirmed where its kind says so: by the same connection, because another
/// one may lead to another server.
async fn answer(
    connection: &mut PgConnection,
    ask: Ask,
    statement: Statement,
) -> Result<Vec<PgRow>, Failure> {
    let rows = statement.fetch_all(&mut *connection).await;
    let rows = rows.map_err(Failure::Answered)?;
    let kind = ask.kind();
    let has_written = kind == Kind::Commits && rows.iter().any(commit::has_written);
    if kind.is_confirmed(has_written) {
        let confirmed = sqlx::query(CONFIRM).execute(connection).await;
        confirmed.map_err(Failure::Unconfirmed)?;
    }
    Ok(rows)
}
