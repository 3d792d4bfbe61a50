//! Looking at the machine: the table of tools, and whether each is there and new enough.

use std::process::Command;

use super::Purpose;

/// A tool, what it is for, and the Debian packages that bring it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) purpose: Purpose,
    pub(crate) packages: &'static [&'static str],
    /// `None` when it is usable, else what is wrong.
    check: fn() -> Option<String>,
}

/// Whether a tool is usable.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) tool: Tool,
    pub(crate) problem: Option<String>,
}

/// Looks at every tool that one of the purposes needs.
pub(crate) fn look(purposes: &[Purpose]) -> Vec<Finding> {
    TOOLS
        .iter()
        .filter(|tool| purposes.contains(&tool.purpose))
        .map(|tool| Finding {
            tool: *tool,
            problem: (tool.check)(),
        })
        .collect()
}

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "cc, c++, make",
        why: "compile librdkafka",
        purpose: Purpose::Build,
        packages: &["gcc", "g++", "make", "perl", "cmake", "pkg-config"],
        check: || present(&["cc", "c++", "make", "perl"]),
    },
    Tool {
        name: "Postgres server",
        why: "run the managed database (initdb, postgres, createdb, pg_isready, psql)",
        purpose: Purpose::Postgres,
        packages: &["postgresql"],
        check: || match sagas_local::postgres::Binaries::find() {
            Ok(_) => present(&["psql"]),
            Err(error) => Some(error.to_string()),
        },
    },
    Tool {
        name: "java 17",
        why: "run the real Kafka",
        purpose: Purpose::Kafka,
        packages: &["default-jdk-headless"],
        check: || at_least("java", &["-version"], 17),
    },
    Tool {
        name: "mvn",
        why: "fetch Kafka's jars",
        purpose: Purpose::Kafka,
        packages: &["maven"],
        check: || present(&["mvn"]),
    },
    Tool {
        name: "node 20",
        why: "build the dashboard",
        purpose: Purpose::Dashboard,
        packages: &["nodejs"],
        check: || at_least("node", &["--version"], 20),
    },
    Tool {
        name: "npm",
        why: "install the dashboard's packages",
        purpose: Purpose::Dashboard,
        packages: &["npm"],
        check: || present(&["npm"]),
    },
    Tool {
        name: "python3 with venv",
        why: "run the stand-in for a service in another language",
        purpose: Purpose::Python,
        packages: &["python3", "python3-venv"],
        check: || {
            let found = Command::new("python3")
                .args(["-c", "import venv, ensurepip"])
                .output();
            let works = found.is_ok_and(|output| output.status.success());
            (!works).then(|| "python3 or its module venv is not installed".to_owned())
        },
    },
];

/// The programs that are not on `PATH`.
fn present(names: &[&str]) -> Option<String> {
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| sagas_local::program::find(name).is_none())
        .collect();
    (!missing.is_empty()).then(|| format!("not on PATH: {}", missing.join(", ")))
}

/// Whether the first number that the program prints is at least this.
fn at_least(program: &str, arguments: &[&str], wanted: u32) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return Some(format!("not on PATH: {program}"));
    };
    // Java prints its version on standard error.
    let said = [output.stdout, output.stderr].concat();
    match first_number(&String::from_utf8_lossy(&said)) {
        Some(found) if found >= wanted => None,
        Some(found) => Some(format!("version {found} is too old, {wanted} is needed")),
        None => Some(format!("{program} does not say its version")),
    }
}

/// Java before 9 said `1.8`: that is 1, and too old either way.
fn first_number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[digits..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(
            first_number("openjdk version \"17.0.15\" 2025-04-15"),
            Some(17)
        );
        assert_eq!(first_number("v20.20.2\n"), Some(20));
        assert_eq!(first_number("java version \"1.8.0\""), Some(1));
        assert_eq!(first_number("none"), None);
    }

    #[test]
    fn a_missing_program_is_named() {
        let problem = present(&["sh", "no-such-program"]).unwrap();
        assert!(
            problem.contains("no-such-program") && !problem.contains("sh,"),
            "{problem}"
        );
        assert_eq!(present(&["sh"]), None);
        assert!(
            at_least("no-such-program", &[], 1)
                .unwrap()
                .contains("no-such-program")
        );
    }

    #[test]
    fn every_purpose_has_a_tool() {
        for purpose in Purpose::ALL {
            assert!(
                TOOLS.iter().any(|tool| tool.purpose == purpose),
                "{purpose:?}"
            );
        }
    }
}
