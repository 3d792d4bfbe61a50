//! One batch of commands in one transaction: barrier, handlers, stored answers, COMMIT.
//!
//! A handler that errs takes back only its own effects: each runs behind a savepoint, one round
//! trip more. The alternative, no savepoints and a second run of the batch with them where a handler
//! errs, was measured: with one-statement handlers and 500 commands in a batch it does 9 800
//! commands/s instead of 7 500 where nothing is refused, but 5 000 instead of 6 200 where one in a
//! hundred is, and 3 800 instead of 6 300 where one in ten is (100 in a batch: 6 100 for 5 000,
//! 3 600 for 4 600, 2 600 for 3 800; Postgres 15, fsync on, 2 shared cores, unoptimized build). And
//! it runs good handlers twice. A batch handler has one savepoint for all its commands: that is the
//! way to volume.
//!
//! Invariant: answers leave this module only after their transaction is committed, and the rows
//! are written by its last statement, so a transaction that a handler left aborted ends in an error
//! rather than in a COMMIT that silently rolls back. A stored answer leaves it after a COMMIT, too, and
//! one that wrote ([`inbox::take`]): a ROLLBACK would not wait for the standby.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use sagas::barrier::{Answer, Decision, Row, decide};
use sagas::wire::size::REPLY_BYTES_MAX;
use sagas::wire::{CommandMessage, Fault};
use sagas::{Direction, Timestamp};
use sagas_log::{Limit, chain, limited};
use sqlx::{Connection as _, PgConnection, PgPool};
use tracing::Instrument as _;

use crate::connections;
use crate::handler::{Erased, HandlerError, Tx};
use crate::inbox::{self, Key, Taken};
use crate::outside::Outside;
use crate::trouble::{Trouble, has_timed_out, spoils_connection};

/// A command and the name of its row.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) message: CommandMessage<'static>,
}

impl Job {
    pub(crate) fn new(message: CommandMessage<'static>) -> Self {
        let day = message.started_at.to_chrono().date_naive();
        let key = Key {
            day,
            saga: message.saga.0,
            step: message.step.clone().into_owned(),
        };
        Self { key, message }
    }
}

#[cfg(test)]
impl Job {
    /// A command for tests: `bed.sleep` of the step `step`.
    pub(crate) fn sample(
        saga: u128,
        direction: Direction,
        attempt: u32,
        payload: &'static str,
    ) -> Self {
        let saga = sagas::SagaId(uuid::Uuid::from_u128(saga));
        let now = Timestamp::from_micros(0);
        Self::new(CommandMessage {
            id: sagas::CommandId::of(saga, "step", direction, 1),
            participant: "bed".into(),
            command: "sleep".into(),
            definition: "d".into(),
            saga,
            step: "step".into(),
            direction,
            fences_compensation: false,
            generation: 1,
            attempt,
            started_at: now,
            revision: 1,
            deadline: None,
            reply_to: sagas::wire::ReplyTo {
                topic: "t".into(),
                partition: 0,
            },
            time: now,
            traceparent: None,
            payload: payload.as_bytes().into(),
        })
    }
}

/// Why an attempt came to nothing. It left no trace.
#[derive(Debug)]
pub(crate) enum GaveUp {
    /// The database is away: hold, and try again later.
    Away(sqlx::Error),
    /// Some statement of the transaction will not do: run the commands alone.
    Fault(sqlx::Error),
    /// As before, but worth trying again as it is when alone.
    Conflict(sqlx::Error),
    /// A purge came in between: begin again.
    Purged,
}

impl From<sqlx::Error> for GaveUp {
    fn from(error: sqlx::Error) -> Self {
        match Trouble::of(&error) {
            Trouble::Away => Self::Away(error),
            Trouble::Conflict => Self::Conflict(error),
            Trouble::Fault => Self::Fault(error),
        }
    }
}

/// Finds the handler of a command.
pub(crate) trait Handlers: Send + Sync {
    fn of(&self, message: &CommandMessage<'_>) -> Option<&dyn Erased>;

    /// The handler that runs outside any transaction.
    fn outside(&self, _message: &CommandMessage<'_>) -> Option<&dyn Outside> {
        None
    }
}

/// The code of a `failed` whose reply would not fit into a record.
pub(crate) const TOO_LARGE: &str = "reply-too-large";

/// Whatever the default isolation is: the inbox relies on a new snapshot per statement. The savepoint
/// is there for [`next_savepoint`] to release.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SAVEPOINT handler";
const BACK_TO_SAVEPOINT: &str = "ROLLBACK TO SAVEPOINT handler";

/// The code of a `failed` whose statement waited, or ran, for longer than a handler's may.
const TIMED_OUT: &str = "handler-timeout";

/// Next savepoint, and the time that each statement behind it has. One round trip; its first statement
/// fails where a handler swallowed an error and left the transaction aborted. The times are set anew for
/// each handler, so that one that changes them does so for itself alone.
pub(crate) fn next_savepoint(timeout: Duration) -> String {
    let millis = i32::try_from(timeout.as_millis())
        .unwrap_or(i32::MAX)
        .max(1);
    format!(
        "RELEASE SAVEPOINT handler; SET LOCAL statement_timeout = {millis}; \
         SET LOCAL lock_timeout = {millis}; SAVEPOINT handler"
    )
}

/// What one command came to, before it is committed.
type Settled = (Option<Row>, Answer);

/// Runs `jobs`, sorted by key and with distinct keys, in one transaction, and commits it.
pub(crate) async fn attempt(
    database: &PgPool,
    handlers: &dyn Handlers,
    next_savepoint: &str,
    jobs: &[&Job],
    now: Timestamp,
) -> Result<Vec<Answer>, GaveUp> {
    let mut connection = connections::acquire(database).await?;
    let attempt = Attempt {
        handlers,
        next_savepoint,
        jobs,
        now,
        is_spoiled: AtomicBool::new(false),
    };
    let outcome = attempt.commit(&mut connection).await;
    if let Err(GaveUp::Away(error) | GaveUp::Fault(error) | GaveUp::Conflict(error)) = &outcome {
        attempt.note(error);
    }
    if attempt.is_spoiled.into_inner() {
        tracing::warn!("a connection to the database is of no more use and is closed");
        connection.close_on_drop();
    }
    outcome
}

struct Attempt<'a> {
    handlers: &'a dyn Handlers,
    next_savepoint: &'a str,
    jobs: &'a [&'a Job],
    now: Timestamp,
    /// The connection is not given back: what comes next would fail on it, too.
    is_spoiled: AtomicBool,
}

impl Attempt<'_> {
    async fn commit(&self, connection: &mut PgConnection) -> Result<Vec<Answer>, GaveUp> {
        let mut tx = connection.begin_with(BEGIN).await?;
        match self.settle(&mut tx).await {
            Ok(answers) => {
                tx.commit().await?;
                Ok(answers)
            }
            Err(gave_up) => {
                if let Err(error) = tx.rollback().await {
                    tracing::debug!(
                        error = chain(&error),
                        "the transaction ended with its connection"
                    );
                }
                Err(gave_up)
            }
        }
    }

    fn note(&self, error: &sqlx::Error) {
        if spoils_connection(error) {
            self.is_spoiled.store(true, Ordering::Relaxed);
        }
    }

    async fn settle(&self, tx: &mut Tx<'_>) -> Result<Vec<Answer>, GaveUp> {
        let keys: Vec<&Key> = self.jobs.iter().map(|job| &job.key).collect();
        let taken = inbox::take(tx, &keys).await?;
        let mut settled: Vec<Option<Settled>> = Vec::with_capacity(self.jobs.len());
        let mut to_run = Vec::new();
        for (place, (job, row)) in self.jobs.iter().zip(&taken.rows).enumerate() {
            let (message, below) = (&job.message, job.key.day < taken.before_day);
            let decision = decide(row.as_ref(), message.ask(), message.generation, below);
            settled.push(match decision {
                Decision::Answer(answer) => Some((None, answer)),
                Decision::Write(row, answer) => Some((Some(row), answer)),
                Decision::RunForward | Decision::RunCompensation => {
                    let fault = self.cannot_run(message);
                    if fault.is_none() {
                        to_run.push(place);
                    }
                    fault.map(|fault| (None, Answer::failed(fault.to_json())))
                }
            });
        }
        for run in self.runs(&to_run) {
            let results = self.run_all(tx, &run).await?;
            for (place, result) in run.into_iter().zip(results) {
                let row = taken.rows[place].clone();
                settled[place] = Some(stored(&self.jobs[place].message, row, result));
            }
        }
        self.write(tx, &taken, settled).await
    }

    /// Why a command whose handler should run cannot be given to one.
    fn cannot_run(&self, message: &CommandMessage<'_>) -> Option<Fault> {
        if self.handlers.of(message).is_none() {
            let text = format!("no handler for {}.{}", message.participant, message.command);
            return Some(Fault::new("unknown-command", text));
        }
        let deadline = message.deadline.filter(|deadline| *deadline < self.now)?;
        (message.direction == Direction::Forward)
            .then(|| Fault::new("deadline-passed", format!("the deadline was {deadline}")))
    }

    fn handler(&self, place: usize) -> &dyn Erased {
        let message = &self.jobs[place].message;
        self.handlers
            .of(message)
            .expect("only commands with a handler are run")
    }

    /// Which commands go to their handler together.
    fn runs(&self, to_run: &[usize]) -> Vec<Vec<usize>> {
        let mut runs: Vec<Vec<usize>> = Vec::new();
        for &place in to_run {
            let takes_many = self.handler(place).takes_many();
            let command = &self.jobs[place].message.command;
            let same = |run: &&mut Vec<usize>| self.jobs[run[0]].message.command == *command;
            match runs.iter_mut().find(same).filter(|_| takes_many) {
                Some(run) => run.push(place),
                None => runs.push(vec![place]),
            }
        }
        runs
    }

    /// Runs one handler; one by one where it erred on many. Per command: the reply, or why not.
    async fn run_all(
        &self,
        tx: &mut Tx<'_>,
        run: &[usize],
    ) -> Result<Vec<Result<String, NotDone>>, GaveUp> {
        let error = match self.run(tx, run).await? {
            Ok(results) => return Ok(results),
            Err(error) => error,
        };
        if run.len() == 1 {
            return Ok(vec![Err(self.not_done(error, run[0]))]);
        }
        let mut results = Vec::with_capacity(run.len());
        for place in run {
            match self.run(tx, &[*place]).await? {
                Ok(one) => results.extend(one),
                Err(error) => results.push(Err(self.not_done(error, *place))),
            }
        }
        Ok(results)
    }

    /// Runs one handler behind a savepoint of its own. After an error it has left no trace.
    async fn run(
        &self,
        tx: &mut Tx<'_>,
        run: &[usize],
    ) -> Result<Result<Vec<Result<String, NotDone>>, Erred>, GaveUp> {
        let savepoint = sqlx::AssertSqlSafe(self.next_savepoint);
        sqlx::raw_sql(savepoint).execute(&mut **tx).await?;
        let messages: Vec<_> = run.iter().map(|place| &self.jobs[*place].message).collect();
        let results = call(self.handler(run[0]), tx, &messages).await;
        let error = match results.and_then(within_bounds) {
            Ok(results) => {
                let refused = |result: Result<_, _>| result.map_err(NotDone::Refused);
                return Ok(Ok(results.into_iter().map(refused).collect()));
            }
            Err(error) => error,
        };
        if let Erred::Error(HandlerError::Database(cause)) = &error {
            self.note(cause);
        }
        let error = match error {
            Erred::Error(HandlerError::Database(cause))
                if Trouble::of(&cause) != Trouble::Fault =>
            {
                return Err(cause.into());
            }
            // The others would wait behind it, each for as long.
            Erred::Error(HandlerError::Database(cause))
                if has_timed_out(&cause) && self.jobs.len() > 1 =>
            {
                return Err(GaveUp::Fault(cause));
            }
            error => error,
        };
        let back = sqlx::raw_sql(BACK_TO_SAVEPOINT).execute(&mut **tx).await;
        match (back, &error) {
            (Ok(_), _) => {}
            // A panic may leave the connection unusable: that is not the database being away.
            (Err(cause), Erred::Panicked) => return Err(GaveUp::Fault(cause)),
            (Err(cause), Erred::Error(_)) => return Err(cause.into()),
        }
        Ok(Err(error))
    }

    fn not_done(&self, error: Erred, place: usize) -> NotDone {
        match error {
            Erred::Error(HandlerError::Rejected { code, message }) => {
                NotDone::Refused(Fault::new(code, message))
            }
            Erred::Error(HandlerError::Failed { code, message }) => {
                NotDone::Failed(Fault::new(code, message))
            }
            Erred::Error(HandlerError::Database(error)) => {
                NotDone::Failed(database_fault(&error, &self.jobs[place].message))
            }
            Erred::Panicked => {
                let message = &self.jobs[place].message;
                tracing::error!(
                    saga = %message.saga, step = %message.step, command = %message.command,
                    "the handler panicked; the command is answered failed"
                );
                NotDone::Failed(Fault::new("handler-panicked", "the handler panicked"))
            }
        }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        taken: &Taken,
        settled: Vec<Option<Settled>>,
    ) -> Result<Vec<Answer>, GaveUp> {
        let (mut changed, mut unused) = (Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(settled.len());
        for ((job, before), settled) in self.jobs.iter().zip(&taken.rows).zip(settled) {
            let (row, answer) = settled.expect("every command was answered or run");
            answers.push(answer);
            match row {
                Some(row) => changed.push((&job.key, row)),
                None if before.is_none() => unused.push(&job.key),
                None => {}
            }
        }
        inbox::give_back(tx, &unused).await?;
        if !inbox::write(tx, &changed, taken.before_day).await? {
            return Err(GaveUp::Purged);
        }
        Ok(answers)
    }
}

/// Why a handler did not do what it was told.
enum NotDone {
    Refused(Fault),
    Failed(Fault),
}

/// The row and the answer that a handler's result becomes.
fn stored(
    message: &CommandMessage<'_>,
    row: Option<Row>,
    result: Result<String, NotDone>,
) -> Settled {
    let generation = message.generation;
    let undoes = row.filter(|_| message.direction == Direction::Compensate);
    let (row, answer) = match (result, undoes) {
        (Err(NotDone::Failed(fault)), _) => {
            return (None, Answer::failed(fault.bounded().to_json()));
        }
        (Ok(reply), None) => Row::done(generation, reply),
        (Ok(reply), Some(row)) => row.compensated(generation, reply),
        (Err(NotDone::Refused(fault)), None) => Row::refused(generation, fault.bounded().to_json()),
        (Err(NotDone::Refused(fault)), Some(row)) => {
            row.compensation_refused(generation, fault.bounded().to_json())
        }
    };
    (Some(row), answer)
}

/// The text of the database stays in this process's log.
pub(crate) fn database_fault(error: &sqlx::Error, message: &CommandMessage<'_>) -> Fault {
    static FAILED: Limit = Limit::each("a statement failed; the command is answered failed");
    limited!(
        FAILED, error, "a statement failed; the command is answered failed",
        saga = %message.saga, step = %message.step, command = %message.command,
        error = chain(error)
    );
    let code = error.as_database_error().and_then(|error| error.code());
    if has_timed_out(error) {
        let text = match code.as_deref() {
            Some("55P03") => "a statement waited too long for a lock (SQLSTATE 55P03)",
            _ => "a statement took too long, or was cancelled (SQLSTATE 57014)",
        };
        return Fault::new(TIMED_OUT, text);
    }
    Fault::new(
        "database",
        code.map_or_else(
            || "a statement failed".to_owned(),
            |code| format!("a statement failed with SQLSTATE {code}"),
        ),
    )
}

/// A handler did not come to results.
enum Erred {
    Error(HandlerError),
    Panicked,
}

/// The results of a handler, unless a reply among them is too large to be sent: then what was done
/// is taken back with it. A fault's text is cut instead, because its code decides.
fn within_bounds(results: Vec<Result<String, Fault>>) -> Result<Vec<Result<String, Fault>>, Erred> {
    let mut replies = results.iter().filter_map(|result| result.as_ref().ok());
    match replies.find_map(|reply| too_large(reply)) {
        Some(error) => Err(Erred::Error(error)),
        None => Ok(results),
    }
}

/// Why a reply cannot be sent, if it cannot.
pub(crate) fn too_large(reply: &str) -> Option<HandlerError> {
    let bytes = reply.len();
    (bytes > REPLY_BYTES_MAX).then(|| {
        let text = format!("the reply has {bytes} bytes, at most {REPLY_BYTES_MAX} are sent");
        HandlerError::failed(TOO_LARGE, text)
    })
}

/// Calls a handler and catches its panic, with the saga on every line that it logs.
async fn call(
    handler: &dyn Erased,
    tx: &mut Tx<'_>,
    messages: &[&CommandMessage<'static>],
) -> Result<Vec<Result<String, Fault>>, Erred> {
    let first = messages[0];
    let span = tracing::info_span!(
        "command", saga = %first.saga, step = %first.step, command = %first.command,
        direction = %first.direction, commands = messages.len()
    );
    let mut running = pin!(handler.run(tx, messages).instrument(span));
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map_err(Erred::Error),
            Err(_) => Poll::Ready(Err(Erred::Panicked)),
        }
    })
    .await
}
