//! Query strings, read strictly: what nobody reads is an error, so that a typing mistake does not
//! show everything.

use super::problem::Problem;

/// Rows of a page when nobody says.
const LIMIT_DEFAULT: u32 = 50;

/// Rows of the longest page.
const LIMIT_MAX: u32 = 200;

/// The parameters of one request.
#[derive(Debug, Clone)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes what the URL gave; every name must be one of `known`, and come once, with a text. No text
    /// has the one character that Postgres takes in no text, nor the one that stands for bytes which are no
    /// UTF-8.
    pub(super) fn check(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, Problem> {
        for (position, (name, text)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "this address takes none".to_owned(),
                    known => format!("there is: {}", known.join(", ")),
                };
                let detail = format!("unknown parameter {name:?}; {known}");
                return Err(Problem::parameter(detail));
            }
            if text.is_empty() {
                let detail = format!("the parameter {name:?} is empty; leave it out");
                return Err(Problem::parameter(detail));
            }
            if text.contains(char::REPLACEMENT_CHARACTER) {
                let detail = format!("the parameter {name:?} is no UTF-8");
                return Err(Problem::parameter(detail));
            }
            if pairs[..position].iter().any(|(before, _)| before == name) {
                let detail = format!("the parameter {name:?} comes twice");
                return Err(Problem::parameter(detail));
            }
            if text.contains('\0') {
                let detail = format!(
                    "the parameter {name:?} holds the character U+0000, which no stored text has"
                );
                return Err(Problem::parameter(detail));
            }
        }
        Ok(Self(pairs))
    }

    /// The parameter's text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, text)| text.as_str())
    }

    /// `limit`, 1 to 200; 50 when absent.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(LIMIT_DEFAULT);
        };
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| {
            Problem::parameter(format!(
                "the limit is a number from 1 to {LIMIT_MAX}, not {text:?}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Result<Parameters, Problem> {
        let pairs = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Parameters::check(pairs.collect(), &["limit", "state"])
    }

    #[test]
    fn limits_from_1_to_200_are_read() {
        assert_eq!(given(&[]).unwrap().limit().unwrap(), 50);
        assert_eq!(given(&[("limit", "200")]).unwrap().limit().unwrap(), 200);
        for text in ["0", "201", "-1", "x", "1e2", "99999999999"] {
            assert!(
                given(&[("limit", text)]).unwrap().limit().is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let unknown = given(&[("stat", "stuck")]).unwrap_err();
        assert_eq!(
            unknown.detail(),
            "unknown parameter \"stat\"; there is: limit, state"
        );
        assert!(given(&[("state", "a"), ("state", "b")]).is_err());
    }

    #[test]
    fn an_empty_parameter_and_one_where_there_is_none_are_refused() {
        let empty = given(&[("limit", "5"), ("state", "")]).unwrap_err();
        let expected = "the parameter \"state\" is empty; leave it out";
        assert_eq!(empty.detail(), expected);
        let pairs = vec![("pretty".to_owned(), "1".to_owned())];
        let none = Parameters::check(pairs, &[]).unwrap_err();
        let expected = "unknown parameter \"pretty\"; this address takes none";
        assert_eq!(none.detail(), expected);
        assert!(given(&[("state", "\u{fffd}")]).is_err());
    }

    #[test]
    fn a_text_that_cannot_be_stored_is_refused_with_its_name() {
        for text in ["\0", "a\0", "\0b"] {
            let refused = given(&[("limit", "1"), ("state", text)]).unwrap_err();
            let expected = "the parameter \"state\" holds the character U+0000";
            assert!(refused.detail().starts_with(expected), "{text:?}");
        }
    }
}
