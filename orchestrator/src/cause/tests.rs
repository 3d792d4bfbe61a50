//! Each kind of error: what the log has of it, and what is told outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;

use sagas_core::CommitError;

use super::*;
use crate::bus;
use crate::store::{self, Failure};

/// What Postgres says when it refuses: a code, and a text that must stay here.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    text: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Error for Refusal {}

impl sqlx::error::DatabaseError for Refusal {
    fn message(&self) -> &str {
        self.text
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

fn refusal(code: &'static str, text: &'static str) -> sqlx::Error {
    sqlx::Error::Database(Box::new(Refusal { code, text }))
}

fn refused(code: &'static str, text: &'static str) -> Failure {
    Failure::Answered(refusal(code, text))
}

#[track_caller]
fn check(error: &(dyn Error + 'static), told: &str, chain: &str) {
    check_cause(&of(error), told, chain);
}

#[track_caller]
fn check_cause(cause: &Cause, told: &str, chain: &str) {
    assert_eq!(cause.to_string(), told);
    assert_eq!(cause.chain(), chain);
}

#[test]
fn the_log_has_what_postgres_says_and_others_have_the_code_in_our_words() {
    let read_only = refused("25006", "cannot execute INSERT in a read-only transaction");
    check_cause(
        &CommitError::Unavailable(of(&read_only)).into_cause(),
        "the commit was not possible: the statement failed: SQLSTATE 25006: the server is read-only",
        "the commit was not possible: the statement failed: error returned from database: cannot \
         execute INSERT in a read-only transaction (SQLSTATE 25006)",
    );
    check(
        &store::Error::Unavailable(refused(
            "53100",
            "could not extend file \"base/1\": No space left on device",
        )),
        "the database is not available: the statement failed: SQLSTATE 53100: no space is left on \
         the server's disk",
        "the database is not available: the statement failed: error returned from database: could \
         not extend file \"base/1\": No space left on device (SQLSTATE 53100)",
    );
}

#[test]
fn a_connection_that_was_refused_is_told_to_all_that_waited_for_one() {
    let refusal = Arc::new(refusal("53300", "sorry, too many clients already"));
    check(
        &store::Error::Unavailable(Failure::NotSent(refusal)),
        "the database is not available: cannot get a connection to Postgres: SQLSTATE 53300: the \
         server has no connection free",
        "the database is not available: cannot get a connection to Postgres: error returned from \
         database: sorry, too many clients already (SQLSTATE 53300)",
    );
}

#[test]
fn a_silence_and_a_broken_connection_have_no_code() {
    let within = Duration::from_secs(15);
    let silent = "the database is not available: Postgres has not answered within 15 s";
    check(
        &store::Error::Unavailable(Failure::Silent { within }),
        silent,
        silent,
    );
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset by 10.0.0.7");
    check_cause(
        &CommitError::from(Failure::Answered(sqlx::Error::Io(reset))).into_cause(),
        "the outcome of the commit is unknown: the statement failed: the connection to Postgres \
         failed: connection reset",
        "the outcome of the commit is unknown: the statement failed: error communicating with \
         database: reset by 10.0.0.7",
    );
}

#[test]
fn kafka_is_told_by_its_code() {
    let too_large = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
    let text = of(&bus::Error::Settings(too_large)).to_string();
    assert!(text.contains("MessageSizeTooLarge"), "{text}");
    assert!(
        text.to_lowercase().contains("message size too large"),
        "{text}"
    );
    let few = KafkaError::MessageProduction(RDKafkaErrorCode::NotEnoughReplicas);
    let text = chain(&bus::Error::Settings(few)).to_lowercase();
    assert!(text.contains("notenoughreplicas"), "{text}");
    // Its value may be a password.
    let config = KafkaError::ClientCreation("sasl.password=hunter2".to_owned());
    let text = of(&bus::Error::Settings(config)).to_string();
    assert_eq!(text, "the settings of the Kafka client are refused");
}

#[test]
fn a_library_that_repeats_its_source_is_not_repeated() {
    let error = store::Error::Refused(refused("42P01", "relation \"saga\" does not exist"));
    let text = chain(&error);
    assert_eq!(text.matches("does not exist").count(), 1, "{text}");
}

#[test]
fn a_cause_has_the_code_of_the_server_beside_its_words() {
    let full = store::Error::Unavailable(refused("53100", "No space left on device"));
    let sqlstate = Code::Sqlstate("53100".to_owned());
    assert_eq!(of(&full).code(), Some(&sqlstate));
    let commit = CommitError::Unavailable(of(&full)).into_cause();
    assert_eq!(commit.within("tried").code(), Some(&sqlstate));
    let few = KafkaError::MessageProduction(RDKafkaErrorCode::NotEnoughReplicas);
    let few = of(&bus::Error::Settings(few));
    assert_eq!(few.code(), Some(&Code::Kafka(19)));
    let within = Duration::from_secs(15);
    assert_eq!(of(&Failure::Silent { within }).code(), None);
}
