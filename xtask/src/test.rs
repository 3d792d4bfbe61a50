//! `cargo xtask test`: the stages that must pass before a change lands, in order, each timed.
//!
//! Invariant: the first failing stage ends the run with 1 and the command that repeats it alone. No
//! stage needs a server that runs already: the tests start their own.

use std::time::{Duration, Instant};

use crate::cli::Usage;
use crate::tools::{self, Purpose};
use crate::{run, steps};

/// One stage: a name for the filter, what it is for, and the stages without which it cannot run.
struct Stage {
    name: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
    run: fn(&Context) -> anyhow::Result<()>,
}

/// What the stages are told.
struct Context {
    may_install: bool,
    purposes: Vec<Purpose>,
    passed_on: Vec<String>,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "tools",
        about: "the programs that the stages need",
        needs: &[],
        run: |context| tools::ensure(&context.purposes, context.may_install),
    },
    Stage {
        name: "dashboard",
        about: "install, build and test the page",
        needs: &["tools"],
        run: |_| steps::dashboard().and_then(|()| steps::dashboard_tests()),
    },
    Stage {
        name: "kafka",
        about: "the broker's jars",
        needs: &["tools"],
        run: |_| steps::kafka(),
    },
    Stage {
        name: "fmt",
        about: "formatting",
        needs: &[],
        run: |_| {
            run::cargo(&["fmt", "--all", "--check"])?;
            steps::peers_format()
        },
    },
    Stage {
        name: "clippy",
        about: "lints",
        needs: &["tools"],
        run: |_| clippy(),
    },
    Stage {
        name: "docs",
        about: "documentation and its links",
        needs: &["tools"],
        run: |_| docs(),
    },
    Stage {
        name: "deny",
        about: "bans, licences and sources of dependencies",
        needs: &["tools"],
        run: |_| steps::deny(),
    },
    Stage {
        name: "unit",
        about: "unit, property, compile-fail and documentation tests",
        needs: &["tools", "kafka"],
        run: |context| cargo_test(&["--workspace", "--exclude", "it"], &context.passed_on),
    },
    Stage {
        name: "sabotage",
        about: "each invariant's check notices a bug that is seeded in production code",
        needs: &["tools"],
        run: |_| steps::sabotage(&[]),
    },
    Stage {
        name: "binaries",
        about: "the programs that the end-to-end tests start",
        needs: &["tools", "dashboard"],
        run: |_| run::cargo(&["build", "--workspace", "--bins"]),
    },
    Stage {
        name: "it",
        about: "end to end on real Postgres and real Kafka",
        needs: &["tools", "kafka", "dashboard", "binaries"],
        run: |context| cargo_test(&["-p", "it"], &context.passed_on),
    },
];

/// Runs the stages that the filter names, with what they need; all of them without a filter.
pub(crate) fn run(
    filter: &[String],
    passed_on: &[String],
    may_install: bool,
) -> anyhow::Result<()> {
    let selected = select(filter)?;
    let names: Vec<&str> = selected.iter().map(|stage| stage.name).collect();
    let purposes = purposes(&names);
    let context = Context {
        may_install,
        purposes,
        passed_on: passed_on.to_vec(),
    };
    let mut report = Vec::new();
    for (index, stage) in selected.iter().enumerate() {
        println!(
            "\n==> {}/{} {}: {}",
            index + 1,
            selected.len(),
            stage.name,
            stage.about
        );
        let started = Instant::now();
        let result = (stage.run)(&context);
        report.push((stage.name, started.elapsed(), result.is_ok()));
        println!("<== {} {}", stage.name, seconds(started.elapsed()));
        if let Err(error) = result {
            print_table(&report);
            println!(
                "\n{} failed; run it alone: cargo xtask test {}",
                stage.name, stage.name
            );
            return Err(error);
        }
    }
    print_table(&report);
    Ok(())
}

/// The stages of the filter and what they need, in the order of the table.
fn select(filter: &[String]) -> anyhow::Result<Vec<&'static Stage>> {
    if let Some(unknown) = filter
        .iter()
        .find(|name| STAGES.iter().all(|s| s.name != *name))
    {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        let text = format!(
            "there is no stage {unknown}; there are: {}",
            names.join(" ")
        );
        return Err(Usage(text).into());
    }
    let is_wanted = |stage: &Stage| {
        filter.is_empty()
            || filter.iter().any(|name| {
                name == stage.name
                    || STAGES
                        .iter()
                        .any(|s| s.name == name && s.needs.contains(&stage.name))
            })
    };
    Ok(STAGES.iter().filter(|stage| is_wanted(stage)).collect())
}

/// What the tools are needed for, given the names of the stages.
fn purposes(stages: &[&str]) -> Vec<Purpose> {
    let mut purposes = Vec::new();
    for stage in stages {
        match *stage {
            "dashboard" => purposes.push(Purpose::Dashboard),
            "kafka" => purposes.push(Purpose::Kafka),
            "clippy" | "docs" | "deny" | "sabotage" | "binaries" => purposes.push(Purpose::Build),
            "unit" => purposes.extend([Purpose::Build, Purpose::Postgres]),
            "it" => purposes.extend([Purpose::Build, Purpose::Postgres, Purpose::Python]),
            _ => {}
        }
    }
    // `cargo xtask test tools` alone asks about everything.
    if purposes.is_empty() {
        Purpose::ALL.to_vec()
    } else {
        purposes
    }
}

fn clippy() -> anyhow::Result<()> {
    let sabotage = ["-p", "simulation", "--features", "sabotage"];
    for packages in [&["--workspace"][..], &sabotage] {
        let (first, last) = (["clippy", "--all-targets"], ["--", "-D", "warnings"]);
        run::cargo(&[&first[..], packages, &last].concat())?;
    }
    Ok(())
}

fn docs() -> anyhow::Result<()> {
    let mut command = run::cargo_command();
    command
        .args(["doc", "--no-deps", "--workspace"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run::program(&mut command)
}

fn cargo_test(packages: &[&str], passed_on: &[String]) -> anyhow::Result<()> {
    let mut command = run::cargo_command();
    command.arg("test").args(packages);
    if !passed_on.is_empty() {
        command.arg("--").args(passed_on);
    }
    run::program(&mut command)
}

fn print_table(report: &[(&str, Duration, bool)]) {
    println!();
    for (name, time, passed) in report {
        let verdict = if *passed { "ok" } else { "FAILED" };
        println!("  {name:<10} {:>8}  {verdict}", seconds(*time));
    }
    let total: Duration = report.iter().map(|(_, time, _)| *time).sum();
    println!("  {:<10} {:>8}", "total", seconds(total));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn selects(filter: &[&str], expected: &[&str]) {
        let filter: Vec<String> = filter.iter().map(|&name| name.to_owned()).collect();
        let names: Vec<&str> = select(&filter)
            .unwrap()
            .iter()
            .map(|stage| stage.name)
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_filter_brings_what_its_stages_need_in_order() {
        selects(&["fmt"], &["fmt"]);
        selects(
            &["it", "fmt"],
            &["tools", "dashboard", "kafka", "fmt", "binaries", "it"],
        );
    }

    #[test]
    fn without_a_filter_every_stage_runs() {
        assert_eq!(select(&[]).unwrap().len(), STAGES.len());
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_list() {
        let error = select(&["clipy".to_owned()]).err().unwrap().to_string();
        assert!(
            error.contains("clipy") && error.contains("clippy"),
            "{error}"
        );
    }

    #[test]
    fn needs_are_listed_in_full_and_stand_before_their_stage() {
        for (index, stage) in STAGES.iter().enumerate() {
            for need in stage.needs {
                let place = STAGES.iter().position(|other| other.name == *need).unwrap();
                assert!(place < index, "{need} comes after {}", stage.name);
                let deeper = STAGES[place].needs.iter();
                let missing: Vec<_> = deeper.filter(|n| !stage.needs.contains(n)).collect();
                assert!(missing.is_empty(), "{} lacks {missing:?}", stage.name);
            }
        }
    }

    #[test]
    fn formatting_alone_asks_for_no_server() {
        assert_eq!(purposes(&["tools", "clippy"]), [Purpose::Build]);
        assert!(purposes(&["it"]).contains(&Purpose::Python));
    }
}
