//! An error with everything that caused it, as one text for the log.
//!
//! A text of the database or of the broker is for this process's log alone: no reply, no report of
//! health and no answer over HTTP has it.

use std::error::Error;
use std::sync::Arc;

/// The whole chain in one line, with the code of the server that said no.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        let own = error.to_string();
        // Some libraries repeat their source in their own text.
        if !text.contains(&own) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{own}");
        }
        if let Some(sqlx::Error::Database(refusal)) = database(error)
            && let Some(code) = refusal.code()
        {
            text = format!("{text} (SQLSTATE {code})");
        }
    }
    text
}

/// The error, its source, the source of that, and so on.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// The error as one of sqlx; one that several callers share is behind an `Arc`.
#[must_use]
pub fn database<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a sqlx::Error> {
    let shared = || error.downcast_ref::<Arc<sqlx::Error>>().map(Arc::as_ref);
    error.downcast_ref().or_else(shared)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the inbox")]
    struct NotRead(#[source] sqlx::Error);

    #[test]
    fn each_cause_is_said_once() {
        let io = io::Error::other("no space left on device");
        let error = NotRead(sqlx::Error::Io(io));
        let expected = "read the inbox: error communicating with database: no space left on device";
        assert_eq!(chain(&error), expected);
    }
}
