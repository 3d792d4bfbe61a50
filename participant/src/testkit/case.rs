//! The cases: their names, what each needs, and how they are run.
//!
//! Invariant: every case is in the report, the skipped ones with the reason. A case leaves no effect
//! behind, where there is a compensation; after a month there is none any more.

mod crash;
mod month;
mod neighbour;
mod order;
mod repeated;
mod unconfirmed;

use sagas::Outcome;
use sagas::barrier::{Ask, CaseReport, Report, Verdict};

use super::bench::{Bench, Saga, Wrong, came};
use super::instance::Instance;
use super::plan::Plan;
use crate::inbox;

/// The first case: it weighs one effect, which all others need.
const FIRST: &str = "forward and compensation";

/// A case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    DuplicateForward,
    DuplicateCompensation,
    CompensationFirst,
    LateForward,
    Concurrent,
    CrashBeforeCommit,
    CrashBeforeReply,
    AfterAMonth,
    BadNeighbour,
    Refused,
    Unconfirmed,
}

impl Case {
    const ALL: [Self; 11] = [
        Self::DuplicateForward,
        Self::DuplicateCompensation,
        Self::CompensationFirst,
        Self::LateForward,
        Self::Concurrent,
        Self::CrashBeforeCommit,
        Self::CrashBeforeReply,
        Self::AfterAMonth,
        Self::BadNeighbour,
        Self::Refused,
        Self::Unconfirmed,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::DuplicateForward => "duplicate forward",
            Self::DuplicateCompensation => "duplicate compensation",
            Self::CompensationFirst => "compensation first",
            Self::LateForward => "late forward",
            Self::Concurrent => "concurrent forward and compensation",
            Self::CrashBeforeCommit => "crash before the commit",
            Self::CrashBeforeReply => "crash between commit and reply",
            Self::AfterAMonth => "redelivery after a month",
            Self::BadNeighbour => "batch with one bad neighbour",
            Self::Refused => "refused forward",
            Self::Unconfirmed => "answers while the standby is away",
        }
    }

    /// Why it cannot be tried.
    fn lacks(self, plan: &Plan) -> Option<&'static str> {
        match self {
            Self::DuplicateCompensation
            | Self::CompensationFirst
            | Self::LateForward
            | Self::Concurrent
                if plan.compensation.is_none() =>
            {
                Some("the kit was given no compensation")
            }
            Self::Refused if plan.refused.is_none() => {
                Some("the kit was given no payload that is refused")
            }
            Self::Unconfirmed if plan.superuser.is_none() => {
                Some("the kit was given no superuser of a server of its own")
            }
            _ => None,
        }
    }

    async fn run(self, bench: &mut Bench<'_>) -> Result<(), Wrong> {
        match self {
            Self::DuplicateForward => repeated::duplicate_forward(bench).await,
            Self::DuplicateCompensation => repeated::duplicate_compensation(bench).await,
            Self::CompensationFirst => order::compensation_first(bench).await,
            Self::LateForward => order::late_forward(bench).await,
            Self::Concurrent => Box::pin(order::concurrent(bench)).await,
            Self::CrashBeforeCommit => crash::before_commit(bench).await,
            Self::CrashBeforeReply => crash::before_reply(bench).await,
            Self::AfterAMonth => month::redelivery(bench).await,
            Self::BadNeighbour => neighbour::bad(bench).await,
            Self::Refused => repeated::refused(bench).await,
            Self::Unconfirmed => match &bench.plan.superuser {
                Some(superuser) => Box::pin(unconfirmed::unconfirmed(bench, superuser)).await,
                None => Ok(()),
            },
        }
    }

    async fn verdict(self, plan: &Plan, weight: &[i64]) -> Verdict {
        if let Some(why) = self.lacks(plan) {
            return Verdict::Skipped { why };
        }
        let mut bench = match Bench::new(plan, weight.to_vec()).await {
            Ok(bench) => bench,
            Err(wrong) => return failed(Vec::new(), wrong),
        };
        match self.run(&mut bench).await {
            Ok(()) => Verdict::Passed,
            Err(wrong) => failed(bench.into_exchange(), wrong),
        }
    }
}

/// Runs the first case, and then the others.
pub(super) async fn run_all(plan: &Plan) -> Report {
    let (name, first) = (FIRST, Box::pin(first(plan)).await);
    let mut cases = Vec::with_capacity(1 + Case::ALL.len());
    match first {
        Ok(weight) => {
            let verdict = Verdict::Passed;
            cases.push(CaseReport { name, verdict });
            for case in Case::ALL {
                let (name, verdict) = (case.name(), case.verdict(plan, &weight).await);
                cases.push(CaseReport { name, verdict });
            }
        }
        Err(verdict) => {
            cases.push(CaseReport { name, verdict });
            let why = "the first case failed";
            cases.extend(Case::ALL.map(|case| CaseReport {
                name: case.name(),
                verdict: Verdict::Skipped { why },
            }));
        }
    }
    Report {
        participant: plan.participant.to_owned(),
        cases,
    }
}

/// How far one effect moves each probe.
async fn first(plan: &Plan) -> Result<Vec<i64>, Verdict> {
    if let Err(error) = inbox::migrate(&plan.database).await {
        let wrong = Wrong::new("a database that takes the inbox", error.to_string());
        return Err(failed(Vec::new(), wrong));
    }
    let bench = Bench::new(plan, Vec::new()).await;
    let mut bench = bench.map_err(|wrong| failed(Vec::new(), wrong))?;
    match takes_effect(&mut bench).await {
        Ok(weight) => Ok(weight),
        Err(wrong) => Err(failed(bench.into_exchange(), wrong)),
    }
}

async fn takes_effect(bench: &mut Bench<'_>) -> Result<Vec<i64>, Wrong> {
    let (instance, saga) = (bench.instance()?, bench.saga());
    let answer = bench.ask(&instance, &saga, Ask::Forward).await?;
    came(
        &answer,
        Outcome::Succeeded,
        "the forward command of the samples is one that is not refused",
    )?;
    let weight = bench.weigh().await?;
    undo(bench, &instance, &[&saga]).await?;
    Ok(weight)
}

/// Compensates these sagas, where there is a compensation; nothing of them stands after it.
async fn undo(bench: &Bench<'_>, instance: &Instance, sagas: &[&Saga]) -> Result<(), Wrong> {
    if bench.plan.compensation.is_none() {
        return Ok(());
    }
    for saga in sagas {
        let answer = bench.ask(instance, saga, Ask::Compensate).await?;
        came(
            &answer,
            Outcome::Succeeded,
            "a compensation undoes what its forward command did",
        )?;
    }
    bench.effects(0, "everything is compensated").await
}

fn failed(exchange: Vec<String>, wrong: Wrong) -> Verdict {
    Verdict::Failed {
        exchange,
        expected: wrong.expected,
        came: wrong.came,
    }
}
