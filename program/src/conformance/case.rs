//! The cases: their names, what each needs, and how they are tried.
//!
//! Invariant: every case is in the report, the skipped ones with the reason. Where nobody answers
//! the first command, nobody is asked the others.

mod one;
mod several;

use sagas::barrier::{CaseReport, Report, Verdict};

use super::Error;
use super::channel::Channel;
use super::scenario::Scenario;
use super::talk::{Stop, Talk};

/// A case.
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn(&mut Talk) -> Result<(), Stop>,
}

/// What the scenario has to have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Forward,
    Compensation,
    Refused,
    Standby,
}

const fn case(name: &'static str, needs: Needs, run: fn(&mut Talk) -> Result<(), Stop>) -> Case {
    Case { name, needs, run }
}

const CASES: [Case; 15] = {
    use Needs::{Compensation, Forward, Refused, Standby};
    [
        case("forward and compensation", Forward, one::forward),
        case("duplicate forward", Forward, one::duplicate_forward),
        case(
            "duplicate compensation",
            Compensation,
            one::duplicate_compensation,
        ),
        case("compensation first", Compensation, one::compensation_first),
        case("late forward", Compensation, one::late_forward),
        case(
            "concurrent forward and compensation",
            Compensation,
            several::concurrent,
        ),
        case(
            "redelivery, as after a crash between commit and reply",
            Forward,
            one::redelivery,
        ),
        case("redelivery after a month", Forward, one::after_a_month),
        case(
            "batch with one bad neighbour",
            Forward,
            several::bad_neighbour,
        ),
        case(
            "fence before the forward command",
            Forward,
            one::fence_first,
        ),
        case("refused forward", Refused, one::refused),
        case("edit after a refusal", Refused, one::edited),
        case("payload null, or in base64", Forward, one::payloads),
        case("records that nobody can handle", Forward, several::strange),
        case(
            "stored answer while the standby is away",
            Standby,
            one::unconfirmed,
        ),
    ]
};

pub(super) fn run_all(
    channel: Channel,
    participant: String,
    scenario: Scenario,
) -> Result<Report, Error> {
    let mut talk = Talk::new(channel, participant, scenario);
    let mut cases: Vec<CaseReport> = Vec::with_capacity(CASES.len());
    for case in &CASES {
        let is_hopeless = matches!(
            cases.first().map(|first| &first.verdict),
            Some(Verdict::Failed { .. })
        );
        let verdict = if is_hopeless {
            let why = "the first case failed";
            Verdict::Skipped { why }
        } else {
            verdict(case, &mut talk)?
        };
        let name = case.name;
        cases.push(CaseReport { name, verdict });
    }
    let participant = talk.participant;
    Ok(Report { participant, cases })
}

fn verdict(case: &Case, talk: &mut Talk) -> Result<Verdict, Error> {
    let scenario = &talk.scenario;
    if case.needs == Needs::Compensation && scenario.compensation.is_none() {
        let why = "the scenario has no compensation";
        return Ok(Verdict::Skipped { why });
    }
    if case.needs == Needs::Refused && scenario.refused.is_none() {
        let why = "the scenario has no payload that is refused";
        return Ok(Verdict::Skipped { why });
    }
    if case.needs == Needs::Standby && scenario.standby.is_none() {
        let why = "the scenario does not say how the standby is sent away";
        return Ok(Verdict::Skipped { why });
    }
    let result = talk.begin().and_then(|()| (case.run)(talk));
    let exchange = talk.take_exchange();
    match result {
        Ok(()) => Ok(Verdict::Passed),
        Err(Stop::Broken(error)) => Err(error),
        Err(Stop::Wrong { expected, came }) => Ok(Verdict::Failed {
            exchange,
            expected,
            came,
        }),
    }
}
