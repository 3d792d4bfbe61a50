//! What to do about missing tools: a pure function of what was found and of the machine.

use std::fmt::Write as _;
use std::path::Path;

use super::finding::Finding;

/// What matters about the machine and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) has_apt: bool,
    pub(crate) is_root: bool,
    pub(crate) may_install: bool,
}

impl Machine {
    /// This one.
    pub(crate) fn present(may_install: bool) -> Self {
        let is_root = sagas_local::process::is_root();
        let has_apt = Path::new("/etc/debian_version").exists()
            && sagas_local::program::find("apt-get").is_some();
        Self {
            has_apt,
            is_root,
            may_install,
        }
    }
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing is missing.
    Ready,
    /// Install these Debian packages, without asking but not without saying.
    Install(Vec<&'static str>),
    /// End with this text, which names everything that is missing and how to get it.
    Refuse(String),
}

pub(crate) fn decide(findings: &[Finding], machine: Machine) -> Decision {
    let missing: Vec<&Finding> = findings.iter().filter(|f| f.problem.is_some()).collect();
    if missing.is_empty() {
        return Decision::Ready;
    }
    let mut packages: Vec<&'static str> = Vec::new();
    for package in missing.iter().flat_map(|finding| finding.tool.packages) {
        if !packages.contains(package) {
            packages.push(package);
        }
    }
    if machine.has_apt && machine.is_root && machine.may_install {
        return Decision::Install(packages);
    }
    Decision::Refuse(refusal(&missing, &packages, machine))
}

fn refusal(missing: &[&Finding], packages: &[&str], machine: Machine) -> String {
    let mut text = "this machine lacks:\n".to_owned();
    for Finding { tool, problem } in missing {
        let problem = problem.as_deref().unwrap_or_default();
        let packages = tool.packages.join(" ");
        let _ = writeln!(text, "  {}, to {}: {problem}", tool.name, tool.why);
        let _ = writeln!(text, "      apt-get install -y {packages}");
    }
    let sudo = if machine.is_root { "" } else { "sudo " };
    let all = packages.join(" ");
    let _ = write!(
        text,
        "all at once: {sudo}apt-get update && {sudo}apt-get install -y {all}"
    );
    if !machine.has_apt {
        text += "\n(those are Debian's names; this is not Debian, so use its package manager)";
    }
    if missing
        .iter()
        .any(|f| f.problem.as_deref().is_some_and(|p| p.contains("too old")))
    {
        text += "\n(where the distribution itself is too old: https://nodejs.org/en/download and \
                 https://adoptium.net have packages for it)";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::finding::TOOLS;
    use super::*;

    const DEBIAN_ROOT: Machine = Machine {
        has_apt: true,
        is_root: true,
        may_install: true,
    };

    /// All tools, those with a name in `missing` with a problem.
    fn findings(missing: &[&str]) -> Vec<Finding> {
        let problem = |name| missing.contains(&name).then(|| "not on PATH".to_owned());
        TOOLS
            .iter()
            .map(|tool| Finding {
                tool: *tool,
                problem: problem(tool.name),
            })
            .collect()
    }

    #[track_caller]
    fn refusal_of(missing: &[&str], machine: Machine) -> String {
        match decide(&findings(missing), machine) {
            Decision::Refuse(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_complete_machine_is_ready_whoever_asks() {
        let stranger = Machine {
            has_apt: false,
            is_root: false,
            may_install: false,
        };
        assert_eq!(decide(&findings(&[]), DEBIAN_ROOT), Decision::Ready);
        assert_eq!(decide(&findings(&[]), stranger), Decision::Ready);
    }

    #[test]
    fn root_on_debian_installs_everything_missing_in_one_go() {
        let decision = decide(&findings(&["mvn", "npm"]), DEBIAN_ROOT);
        assert_eq!(decision, Decision::Install(vec!["maven", "npm"]));
    }

    #[test]
    fn nothing_is_installed_when_forbidden_and_all_is_named() {
        let machine = Machine {
            may_install: false,
            ..DEBIAN_ROOT
        };
        let text = refusal_of(&["mvn", "Postgres server"], machine);
        assert!(
            text.contains("apt-get install -y postgresql maven"),
            "{text}"
        );
        assert!(
            text.contains("mvn, to fetch Kafka's jars: not on PATH"),
            "{text}"
        );
        assert!(!text.contains("sudo"), "{text}");
    }

    #[test]
    fn an_ordinary_user_is_told_the_command_with_sudo() {
        let text = refusal_of(
            &["npm"],
            Machine {
                is_root: false,
                ..DEBIAN_ROOT
            },
        );
        assert!(
            text.contains("sudo apt-get update && sudo apt-get install -y npm"),
            "{text}"
        );
    }

    #[test]
    fn another_system_is_not_touched_even_by_root() {
        let text = refusal_of(
            &["npm"],
            Machine {
                has_apt: false,
                ..DEBIAN_ROOT
            },
        );
        assert!(text.contains("not Debian"), "{text}");
    }
}
