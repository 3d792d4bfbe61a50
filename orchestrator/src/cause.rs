//! Why something did not work, in two forms: the whole chain for the log, and what may leave the
//! process.
//!
//! Invariant: a text of Postgres, of the broker or of a library is in the chain alone. What is told
//! outside is the sentences of our own errors, then the code (SQLSTATE or Kafka's) with words of ours.

mod sqlstate;

use std::borrow::Cow;
use std::error::Error;
use std::io;

use rdkafka::error::KafkaError;
use sagas_log::{causes, database};
use sqlx::migrate::MigrateError;

pub use sagas_core::cause::{Cause, Code};
pub use sagas_log::chain;

/// An error of this crate, with all that caused it.
#[must_use]
pub fn of(error: &(dyn Error + 'static)) -> Cause {
    let (told, code) = told(error);
    Cause::new(told, chain(error), code)
}

/// Our own sentences, up to the first error of a library, of which only facts are told; and its code.
fn told(error: &(dyn Error + 'static)) -> (String, Option<Code>) {
    let mut text = String::new();
    for error in causes(error) {
        match fact(error) {
            None => append(&mut text, &error.to_string()),
            Some((fact, code)) => {
                append(&mut text, &fact);
                return (text, code);
            }
        }
    }
    (text, None)
}

fn append(text: &mut String, part: &str) {
    if !text.is_empty() && !part.is_empty() {
        text.push_str(": ");
    }
    text.push_str(part);
}

/// What may be told of an error of a library, with its code; nothing where it is one of ours.
fn fact(error: &(dyn Error + 'static)) -> Option<(String, Option<Code>)> {
    if let Some(error) = database(error) {
        return Some(of_postgres(error));
    }
    if let Some(error) = error.downcast_ref::<KafkaError>() {
        // The words are librdkafka's own for the code, not the broker's.
        let code = error.rdkafka_error_code();
        let text = code.map_or_else(String::new, |code| format!("Kafka says {code}"));
        return Some((text, code.map(|code| Code::Kafka(code as i32))));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some((error.kind().to_string(), None));
    }
    let is_foreign = error.is::<MigrateError>() || error.is::<serde_json::Error>();
    is_foreign.then(|| (String::new(), None))
}

fn of_postgres(error: &sqlx::Error) -> (String, Option<Code>) {
    let text = match error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().map(Cow::into_owned);
            let text = code.as_deref().map(sqlstate::told);
            let text = text.unwrap_or_else(|| "Postgres refused".to_owned());
            return (text, code.map(Code::Sqlstate));
        }
        sqlx::Error::Io(error) => format!("the connection to Postgres failed: {}", error.kind()),
        sqlx::Error::Tls(_) => "no TLS connection to Postgres".to_owned(),
        sqlx::Error::Protocol(_) => "Postgres answered what is not understood".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection to Postgres was free in time".to_owned(),
        sqlx::Error::Encode(_) => "a value cannot be written for Postgres".to_owned(),
        _ => String::new(),
    };
    (text, None)
}

#[cfg(test)]
mod tests;
