//! An error with everything that caused it, as one text for the log.
//!
//! A text of the database or of the broker is for this process's log alone: no reply and no report of
//! health has it.

use std::error::Error;

/// The whole chain in one line, with the code of the database that said no.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        // Some libraries repeat their source in their own text.
        if !text.contains(&own) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{own}");
        }
        if let Some(sqlx::Error::Database(refusal)) = error.downcast_ref()
            && let Some(code) = refusal.code()
        {
            text = format!("{text} (SQLSTATE {code})");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let io = std::io::Error::other("no space left on device");
        let error = crate::Error::Database {
            doing: "read the inbox",
            source: sqlx::Error::Io(io),
        };
        let expected = "read the inbox: error communicating with database: no space left on device";
        assert_eq!(chain(&error), expected);
    }

    /// A field that has only the head of an error, or loses its sources in JSON.
    const HEADS: [&str; 4] = [
        "%error",
        "?error",
        "error as &dyn",
        ": &dyn std::error::Error =",
    ];

    fn heads_of_errors(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                heads_of_errors(&path, found);
            } else if !path.ends_with("src/cause.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().zip(1..);
                let bad = lines.filter(|(line, _)| HEADS.iter().any(|head| line.contains(head)));
                found.extend(bad.map(|(line, at)| format!("{}:{at}: {line}", path.display())));
            }
        }
    }

    #[test]
    fn every_logged_error_has_its_whole_chain() {
        let mut found = Vec::new();
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        heads_of_errors(&package.join("src"), &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
