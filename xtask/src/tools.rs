//! The programs that must be on this machine, found all at once.
//!
//! ```text
//!   look at the machine  ->  Finding per tool  ->  decide (pure)  ->  go on | install | refuse
//! ```
//!
//! Invariants: nothing is installed unless this is Debian, the user is root and nobody said
//! `--no-install`, and then it is said before; after an installation the machine is looked at again,
//! because a distribution's package may be too old.

mod decision;
mod finding;

use std::process::Command;

use crate::run;
use decision::{Decision, Machine, decide};
use finding::{Finding, look};

/// What a tool is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Compiling: librdkafka is C and C++.
    Build,
    /// A managed Postgres.
    Postgres,
    /// The real Kafka and its jars.
    Kafka,
    /// Building the page.
    Dashboard,
    /// The stand-in for a service in another language.
    Python,
}

impl Purpose {
    /// Every purpose.
    pub(crate) const ALL: [Self; 5] = [
        Self::Build,
        Self::Postgres,
        Self::Kafka,
        Self::Dashboard,
        Self::Python,
    ];
}

/// The machine lacks tools, and they were not installed. The text names all of them.
#[derive(Debug)]
pub(crate) struct NotReady(String);

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotReady {}

/// Makes sure that the tools for these purposes are there, installing them where that is allowed.
pub(crate) fn ensure(purposes: &[Purpose], may_install: bool) -> anyhow::Result<()> {
    let machine = Machine::present(may_install);
    let packages = match decide(&look(purposes), machine) {
        Decision::Ready => return Ok(()),
        Decision::Refuse(text) => return Err(NotReady(text).into()),
        Decision::Install(packages) => packages,
    };
    eprintln!(
        "Missing tools: installing {} with apt-get",
        packages.join(" ")
    );
    run::prepare(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run::prepare(
        install
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages),
    )?;
    match decide(
        &look(purposes),
        Machine {
            may_install: false,
            ..machine
        },
    ) {
        Decision::Refuse(text) => Err(NotReady(text).into()),
        Decision::Ready | Decision::Install(_) => Ok(()),
    }
}

/// Prints what is there and what is not, and installs nothing.
pub(crate) fn report() -> anyhow::Result<()> {
    let findings = look(&Purpose::ALL);
    for Finding { tool, problem } in &findings {
        match problem {
            None => println!("  ok       {:<18} {}", tool.name, tool.why),
            Some(problem) => println!("  missing  {:<18} {} ({problem})", tool.name, tool.why),
        }
    }
    match decide(&findings, Machine::present(false)) {
        Decision::Refuse(text) => Err(NotReady(text).into()),
        Decision::Ready | Decision::Install(_) => Ok(()),
    }
}
