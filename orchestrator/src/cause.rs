//! Why something did not work, in two forms: the whole chain for the log, and what may leave the
//! process.
//!
//! Invariant: a text of Postgres, of the broker or of a library is in the chain alone. What is told
//! outside is the sentences of our own errors, then the code (SQLSTATE or Kafka's) with words of ours.

mod sqlstate;

use std::error::Error;
use std::fmt;
use std::io;

use rdkafka::error::KafkaError;
use sqlx::migrate::MigrateError;

/// Why something did not work. `Display` is what may be told outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    told: String,
    chain: String,
}

impl Cause {
    /// An error of this crate, with all that caused it.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self {
            told: told(error),
            chain: chain(error),
        }
    }

    /// A sentence of ours, which has no cause besides.
    pub fn ours(sentence: impl Into<String>) -> Self {
        let told = sentence.into();
        let chain = told.clone();
        Self { told, chain }
    }

    /// The same cause, of something that was attempted: `cannot reach Kafka: …`.
    #[must_use]
    pub fn within(self, attempt: &str) -> Self {
        Self {
            told: format!("{attempt}: {}", self.told),
            chain: format!("{attempt}: {}", self.chain),
        }
    }

    /// Everything, for the log of this process and for the terminal of the person who started it.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

/// An error with everything that caused it, in one line, with the code of the server that said no.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        let own = error.to_string();
        // Some libraries repeat their source in their own text.
        if !text.contains(&own) {
            append(&mut text, &own);
        }
        if let Some(sqlx::Error::Database(refusal)) = error.downcast_ref()
            && let Some(code) = refusal.code()
        {
            text = format!("{text} (SQLSTATE {code})");
        }
    }
    text
}

/// Our own sentences, up to the first error of a library, of which only facts are told.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        match fact(error) {
            None => append(&mut text, &error.to_string()),
            Some(fact) => {
                append(&mut text, &fact);
                break;
            }
        }
    }
    text
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

fn append(text: &mut String, part: &str) {
    if !text.is_empty() && !part.is_empty() {
        text.push_str(": ");
    }
    text.push_str(part);
}

/// What may be told of an error of a library; nothing where it is one of ours.
fn fact(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref() {
        return Some(of_postgres(error));
    }
    if let Some(error) = error.downcast_ref::<KafkaError>() {
        // The words are librdkafka's own for the code, not the broker's.
        let code = error.rdkafka_error_code();
        return Some(code.map_or_else(String::new, |code| format!("Kafka says {code}")));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(error.kind().to_string());
    }
    let is_foreign = error.is::<MigrateError>() || error.is::<serde_json::Error>();
    is_foreign.then(String::new)
}

fn of_postgres(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refusal) => match refusal.code() {
            Some(code) => sqlstate::told(&code),
            None => "Postgres refused".to_owned(),
        },
        sqlx::Error::Io(error) => format!("the connection to Postgres failed: {}", error.kind()),
        sqlx::Error::Tls(_) => "no TLS connection to Postgres".to_owned(),
        sqlx::Error::Protocol(_) => "Postgres answered what is not understood".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection to Postgres was free in time".to_owned(),
        sqlx::Error::Encode(_) => "a value cannot be written for Postgres".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
