//! `conformance`: puts a running participant through the barrier's cases, and prints the report.

use sagas_log::chain;

use super::arguments::ConformanceArguments;
use super::{Failure, places, say, topics};
use crate::conformance::{self, Error, Scenario};

pub(super) async fn run(arguments: &ConformanceArguments) -> Result<(), Failure> {
    let settings = places::bus(&arguments.kafka)?;
    let participant = &arguments.participant;
    sagas::name::check(participant)
        .map_err(|error| Failure::Usage(format!("--participant: {error}")))?;
    let scenario = Scenario::read(&arguments.scenario)
        .map_err(|error| Failure::Usage(format!("--scenario: {}", chain(&error))))?;
    let within = arguments.reply_timeout.0;
    let report = conformance::run(&settings, participant, scenario, within)
        .await
        .map_err(|error| match error {
            Error::Bus(error) => topics::failure(&settings, &error),
            Error::NoCommandTopic { .. } => Failure::Usage(error.to_string()),
            Error::Unread { .. } | Error::NoScenario { .. } | Error::Kafka { .. } => {
                Failure::Failed(chain(&error))
            }
        })?;
    if arguments.json {
        say(&format!("{:#}", report.to_json()));
    } else {
        say(&report.to_string());
    }
    match report.failed().count() {
        0 => Ok(()),
        failed => {
            let all = report.cases.len();
            Err(Failure::Failed(format!(
                "{participant} does not keep the barrier: {failed} of {all} cases failed"
            )))
        }
    }
}
