//! The URL of a database as people write it, checked before the driver reads it.
//!
//! The driver passes over line ends and whatever follows a `#`, takes half of a password that is not
//! escaped for a host or a database, and logs a parameter that it does not know together with its
//! value. A secret could so get into a name that is printed.
//!
//! Invariant: neither an error nor a warning holds a part of the URL, but for the name of a parameter
//! that looks like one. Whether the URL leads anywhere is not asked here.

use super::Secret;

/// The parameters that sqlx 0.9 reads, beside `options[name]`.
const PARAMETERS: [&str; 20] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-client-cert",
    "ssl-client-key",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Why a text is no URL of a database. The text itself is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAUrl {
    /// More than one line.
    #[error("it has more than one line; it is the URL alone")]
    Lines,
    /// A blank or a control character.
    #[error("it has a blank or a control character; a password writes a blank as %20")]
    Blank,
    /// A character that has a meaning in a URL, in a place where it can only be a part of a password.
    #[error(
        "it has a {found} where a URL of a database has none; a password writes # as %23, / as %2F, \
         ? as %3F, : as %3A and @ as %40"
    )]
    Unescaped {
        /// The character.
        found: char,
    },
}

/// The URL, without blanks around it and without parameters that the driver does not know; of those, a
/// warning gives the name.
///
/// # Errors
///
/// When the driver would misread it.
pub fn database_url(text: &str) -> Result<Secret, NotAUrl> {
    let text = text.trim();
    if text.contains(['\n', '\r']) {
        return Err(NotAUrl::Lines);
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(NotAUrl::Blank);
    }
    none_of(text, &['#'])?;
    let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
    let after_scheme = place.split_once("://").map_or("", |(_, rest)| rest);
    let (_, database) = after_scheme.split_once('/').unwrap_or_default();
    none_of(database, &['/', '@', ':'])?;
    let mut kept = Vec::new();
    for parameter in parameters.split('&').filter(|part| !part.is_empty()) {
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        none_of(name, &['/', '@', ':', '?'])?;
        if PARAMETERS.contains(&name) || name.starts_with("options[") {
            kept.push(parameter);
        } else {
            pass_over(name);
        }
    }
    let parameters = kept.join("&");
    Ok(Secret::new(if parameters.is_empty() {
        place.to_owned()
    } else {
        format!("{place}?{parameters}")
    }))
}

fn none_of(text: &str, characters: &[char]) -> Result<(), NotAUrl> {
    let found = text.chars().find(|found| characters.contains(found));
    found.map_or(Ok(()), |found| Err(NotAUrl::Unescaped { found }))
}

fn pass_over(name: &str) {
    let is_name = |c: char| c.is_ascii_lowercase() || "_-".contains(c);
    let shown = if name.chars().all(is_name) {
        name
    } else {
        "***"
    };
    tracing::warn!(
        "the URL of the database has the parameter {shown}, which is not known: left out"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_is() {
        for url in [
            "postgres://saga:hunter2@db:5432/saga",
            "postgres://saga:hunt%2Fer%402@db/saga?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres:///saga?host=/run/postgresql&user=a@b&options[statement_timeout]=5s",
            "postgres://[::1]:5432/saga",
        ] {
            let read = database_url(&format!(" {url}\r\n\n"));
            assert_eq!(read.unwrap().expose(), url);
        }
    }

    #[test]
    fn an_unknown_parameter_is_left_out() {
        let url = "postgres://db/saga?pasword=hunter2&user=saga&connect_timeout=3";
        let read = database_url(url).unwrap();
        assert_eq!(read.expose(), "postgres://db/saga?user=saga");
        let read = database_url("postgres://db/saga?pasword=hunter2").unwrap();
        assert_eq!(read.expose(), "postgres://db/saga");
    }

    #[test]
    fn what_the_driver_would_misread_is_refused_without_being_repeated() {
        for (text, why) in [
            ("postgres://db/saga\nhunter2", "more than one line"),
            ("postgres://db/saga hunter2", "a blank"),
            ("postgres://db/saga\0hunter2", "a control character"),
            ("postgres://saga:1#hunter2@db/saga", "it has a #"),
            ("postgres://saga:1/hunter2@db/saga", "it has a @"),
            ("postgres://saga:1/hun/ter2@db/saga", "it has a /"),
            ("postgres://saga:1?hunter2@db/saga", "it has a @"),
        ] {
            let error = database_url(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
