//! Answers commands, whoever brings them: in rounds, each tried until it is committed.
//!
//! Invariant: every answer that is handed out is committed, or says `failed`. What a database that
//! comes and goes means for a command is decided here, and nowhere else: it waits.
//!
//! Not here: Kafka. The processor brings records and sends replies, the testkit brings its own
//! commands.

use std::collections::HashSet;
use std::sync::Arc;

use sagas::barrier::Answer;
use sagas_log::{chain, trouble};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::batch::{self, GaveUp, Handlers, Job};
use crate::clock;
use crate::inbox::Key;
use crate::outside;

/// What it takes to answer a command.
pub(crate) struct Answering {
    /// `None`: the handlers run outside any transaction.
    pub(crate) database: Option<PgPool>,
    pub(crate) handlers: Arc<dyn Handlers>,
    /// What is said before each handler ([`batch::next_savepoint`]).
    pub(crate) next_savepoint: String,
    pub(crate) stopping: CancellationToken,
}

/// The service is stopping; what is not committed comes again.
#[derive(Debug)]
pub(crate) struct Stopping;

impl Answering {
    /// Answers all commands of a round; each answer's effect is committed.
    pub(crate) async fn answer(&self, jobs: &[&Job]) -> Result<Vec<Answer>, Stopping> {
        let Some(database) = &self.database else {
            return Ok(outside::answer(&*self.handlers, jobs).await);
        };
        match self.attempt(database, jobs).await? {
            Ok(answers) => Ok(answers),
            Err(_) if jobs.len() > 1 => {
                let mut answers = Vec::with_capacity(jobs.len());
                for job in jobs {
                    answers.push(self.answer_alone(database, job).await?);
                }
                Ok(answers)
            }
            Err(error) => Ok(vec![failed(&error, jobs[0])]),
        }
    }

    async fn answer_alone(&self, database: &PgPool, job: &Job) -> Result<Answer, Stopping> {
        match self.attempt(database, &[job]).await? {
            Ok(mut answers) => Ok(answers.remove(0)),
            Err(error) => Ok(failed(&error, job)),
        }
    }

    /// Attempts a round until it is committed, or until some statement will not do.
    async fn attempt(
        &self,
        database: &PgPool,
        jobs: &[&Job],
    ) -> Result<Result<Vec<Answer>, sqlx::Error>, Stopping> {
        let mut backoff = Backoff::new();
        let mut away = false;
        loop {
            let now = clock::now();
            match batch::attempt(database, &*self.handlers, &self.next_savepoint, jobs, now).await {
                Ok(answers) => {
                    if away {
                        tracing::info!("the database is back");
                    }
                    return Ok(Ok(answers));
                }
                Err(GaveUp::Fault(error)) => return Ok(Err(error)),
                Err(GaveUp::Conflict(error)) if jobs.len() > 1 => return Ok(Err(error)),
                Err(GaveUp::Conflict(_) | GaveUp::Purged) => {}
                Err(GaveUp::Away(error)) => {
                    let (saga, commands) = (jobs[0].message.saga, jobs.len());
                    trouble!(
                        warn,
                        "the database is away; commands wait",
                        error = chain(&error),
                        %saga,
                        commands
                    );
                    away = true;
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => return Err(Stopping),
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }
}

fn failed(error: &sqlx::Error, job: &Job) -> Answer {
    Answer::failed(batch::database_fault(error, &job.message).to_json())
}

/// Splits commands so that no round has two of one (saga, step), and sorts each round by its keys;
/// the order of commands of one (saga, step) is kept.
pub(crate) fn rounds(jobs: impl Iterator<Item = Job>) -> Vec<Vec<Job>> {
    let mut rounds: Vec<(HashSet<Key>, Vec<Job>)> = Vec::new();
    for job in jobs {
        // A later command of the same row may not overtake an earlier one: the round after the
        // last that has the row.
        let last = rounds.iter().rposition(|(keys, _)| keys.contains(&job.key));
        let place = last.map_or(0, |last| last + 1);
        if place == rounds.len() {
            rounds.push((HashSet::new(), Vec::new()));
        }
        let (keys, round) = &mut rounds[place];
        keys.insert(job.key.clone());
        round.push(job);
    }
    let sorted = |(_, mut round): (HashSet<Key>, Vec<Job>)| {
        round.sort_by(|one, other| one.key.cmp(&other.key));
        round
    };
    rounds.into_iter().map(sorted).collect()
}

#[cfg(test)]
mod tests {
    use sagas::Direction;

    use super::*;

    fn job(saga: u128, attempt: u32) -> Job {
        Job::sample(saga, Direction::Forward, attempt, "null")
    }

    #[test]
    fn no_round_has_a_row_twice_and_no_command_overtakes_another_of_its_row() {
        let jobs = [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2)];
        let rounds = rounds(jobs.into_iter().map(|(saga, attempt)| job(saga, attempt)));
        let numbers: Vec<Vec<_>> = rounds
            .iter()
            .map(|round| {
                let number = |job: &Job| (job.message.saga.0.as_u128(), job.message.attempt);
                round.iter().map(number).collect()
            })
            .collect();
        assert_eq!(
            numbers,
            [
                vec![(1, 1), (2, 1), (3, 1)],
                vec![(1, 2), (2, 2)],
                vec![(1, 3)]
            ]
        );
    }
}
