//! The codes of Postgres' appendix A in our own words: what may be told outside, and what a person
//! who reads it can act on.

/// `SQLSTATE 25006: the server is read-only`.
pub(super) fn told(code: &str) -> String {
    match meaning(code) {
        Some(meaning) => format!("SQLSTATE {code}: {meaning}"),
        None => format!("SQLSTATE {code}"),
    }
}

fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "0A000" => "a prepared statement does not fit its table any more",
        "25006" => "the server is read-only",
        "3D000" => "there is no such database",
        "40001" | "40P01" => "transactions were in each other's way",
        "42501" => "the user lacks a right",
        "53100" => "no space is left on the server's disk",
        "53200" => "the server is out of memory",
        "53300" => "the server has no connection free",
        "55P03" => "a lock was not free in time",
        "57014" => "the statement took too long, or somebody cancelled it",
        "57P01" => "the server is shutting down",
        "57P02" => "the server has crashed",
        "57P03" => "the server is starting up, shutting down, or recovering",
        _ => of_class(code.get(..2)?)?,
    })
}

fn of_class(class: &str) -> Option<&'static str> {
    Some(match class {
        "08" => "the connection failed",
        "22" => "a value does not fit its type",
        "23" => "a constraint forbids the row",
        "28" => "the server refuses the user or the password",
        "42" => "the schema is not the one of this program, or a right is missing",
        "53" => "the server lacks a resource",
        "54" => "a limit of the server is exceeded",
        "57" => "an operator intervened",
        "58" => "the server's system failed",
        "XX" => "the server found an error of its own, or damage",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_with_what_it_means_or_alone() {
        assert_eq!(told("25006"), "SQLSTATE 25006: the server is read-only");
        assert_eq!(
            told("22P05"),
            "SQLSTATE 22P05: a value does not fit its type"
        );
        assert_eq!(told("F0000"), "SQLSTATE F0000");
        assert_eq!(told(""), "SQLSTATE ");
    }
}
