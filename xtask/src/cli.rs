//! The command line: what was asked, as a value.
//!
//! Parsed by hand, because an argument parser would double the time until the first output. Pure:
//! nothing here looks at the machine.

use crate::ab;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
cargo xtask: build, try, test and measure; checks for its tools and sets up what it can

  test [FILTER…] [-- ARGS]  everything that must hold before a change lands, stage by stage
                              cargo xtask test
                              cargo xtask test fmt clippy
                              cargo xtask test it -- a_refused_payment
                            FILTER is any of: tools dashboard kafka fmt clippy docs deny unit
                            sabotage binaries it. A stage brings the stages that it needs.
  demo [ARGS]               run the shop on this machine and show its sagas
                              cargo xtask demo --once --orders 50
  bench NAME [ARGS]         measure, with every part real; NAME is a workload, or `all`
                              cargo xtask bench steps3 --in-flight 64,512
                              cargo xtask bench shop --json
                              cargo xtask bench all --write
                            `peers`: `steps3` beside the same work on what others offer, with ratios
                              cargo xtask bench peers --in-flight 64,512
  bench ab --baseline COMMIT [WORKLOAD] [-- ARGS]
                            this tree beside a commit, both built, run by run in turn: the ratio
                              cargo xtask bench ab --baseline 02bc92b --at-least 0.95
                              cargo xtask bench ab --baseline main shop --pairs 9 -- --warm-up 60
                            --pairs 7, --seconds 20 (of a round), --json; --at-least RATIO: 1 below it;
                            ARGS go to the workload (steps3: --in-flight 2000); the baseline stays
                            built in target/ab
  simulate [ARGS]           run seeded worlds of the whole service on virtual time
                              cargo xtask simulate --seeds 1000 --from 1
  sabotage [BUG]            seed bugs in production code; for each a check must notice
                              cargo xtask sabotage undoes-unasked
  model [NAME…]             search every state of bounded worlds, the large ones too
                              cargo xtask model chain diamond
  kafka                     fetch the jars of the real Kafka to target/kafka/libs
                              cargo xtask kafka
  dashboard                 build the page that goes into the binary
                              cargo xtask dashboard
  tools                     say what this machine lacks, and install nothing
                              cargo xtask tools

  --no-install              never install packages; what is missing ends the command with 2

Exit codes: 0 all is well, 1 something failed, 2 wrong usage or a missing tool.";

/// The benchmarks; what each is, `bench NAME --help` says.
const BENCHES: [&str; 15] = [
    "steps3",
    "refused",
    "mixed",
    "payloads",
    "latency",
    "recovery",
    "aging",
    "idle",
    "replicas",
    "admission",
    "away",
    "shop",
    ALL,
    PEERS,
    AB,
];

/// All of them, beside what others offer.
pub(crate) const ALL: &str = "all";

/// The one that is not a command of `bench`, but a program of another workspace.
pub(crate) const PEERS: &str = "peers";

/// The one that compares two commits.
const AB: &str = "ab";

/// Something was asked that does not exist; the text says what does.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// One invocation.
#[derive(Debug, PartialEq)]
pub(crate) struct Invocation {
    /// What to do.
    pub(crate) command: Command,
    /// Whether packages may be installed.
    pub(crate) may_install: bool,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Tools,
    Kafka,
    Dashboard,
    Test {
        filter: Vec<String>,
        passed_on: Vec<String>,
    },
    Demo {
        arguments: Vec<String>,
    },
    Bench {
        arguments: Vec<String>,
    },
    Ab(ab::Options),
    Simulate {
        arguments: Vec<String>,
    },
    Sabotage {
        arguments: Vec<String>,
    },
    Model {
        arguments: Vec<String>,
    },
}

/// Understands the arguments after `cargo xtask`, or says what is wrong with them.
pub(crate) fn parse(arguments: &[String]) -> Result<Invocation, String> {
    let split = arguments.iter().position(|argument| argument == "--");
    let (ours, passed_on) = arguments.split_at(split.unwrap_or(arguments.len()));
    let passed_on = passed_on.get(1..).unwrap_or_default().to_vec();
    let may_install = !ours.iter().any(|argument| argument == "--no-install");
    let mut words = ours
        .iter()
        .filter(|argument| *argument != "--no-install")
        .cloned();

    let Some(name) = words.next() else {
        return Ok(Invocation {
            command: Command::Help,
            may_install,
        });
    };
    let rest: Vec<String> = words.collect();
    let command = match name.as_str() {
        "help" | "--help" | "-h" => Command::Help,
        // The demo, the benchmark, the simulation and its bugs explain their own flags.
        "demo" => Command::Demo {
            arguments: [rest, passed_on].concat(),
        },
        "simulate" => Command::Simulate {
            arguments: [rest, passed_on].concat(),
        },
        "sabotage" => Command::Sabotage {
            arguments: [rest, passed_on].concat(),
        },
        "bench" if rest.first().is_some_and(|name| name == AB) => {
            if rest.iter().any(|word| word == "--help" || word == "-h") {
                Command::Help
            } else {
                Command::Ab(ab::Options::parse(&rest[1..], &passed_on)?)
            }
        }
        "bench" if rest.first().is_some_and(|name| BENCHES.contains(&&**name)) => Command::Bench {
            arguments: [rest, passed_on].concat(),
        },
        // Here, not after minutes of building what would say the same.
        "bench" => {
            return Err(format!(
                "bench wants a name; there is: {}",
                BENCHES.join(", ")
            ));
        }
        _ if rest.iter().any(|word| word == "--help" || word == "-h") => Command::Help,
        "test" => Command::Test {
            filter: rest,
            passed_on,
        },
        "model" => Command::Model { arguments: rest },
        "tools" | "kafka" | "dashboard" => {
            if let Some(word) = rest.first() {
                return Err(format!("{name} takes no argument, so not {word}"));
            }
            match name.as_str() {
                "tools" => Command::Tools,
                "kafka" => Command::Kafka,
                _ => Command::Dashboard,
            }
        }
        other => return Err(format!("there is no command {other}")),
    };
    Ok(Invocation {
        command,
        may_install,
    })
}

/// Whether the arguments of the demo ask for the real broker.
pub(crate) fn wants_real_kafka(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--kafka=real")
        || arguments.windows(2).any(|pair| pair == ["--kafka", "real"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_filter_and_arguments_of_the_tests_are_told_apart() {
        let command = Command::Test {
            filter: words("unit it"),
            passed_on: words("a_name --nocapture"),
        };
        let expected = Invocation {
            command,
            may_install: false,
        };
        assert_eq!(
            parsed("test unit --no-install it -- a_name --nocapture"),
            Ok(expected)
        );
    }

    #[test]
    fn the_demo_gets_its_flags_unseen() {
        let command = Command::Demo {
            arguments: words("--once --help"),
        };
        assert_eq!(
            parsed("demo --once --help"),
            Ok(Invocation {
                command,
                may_install: true
            })
        );
    }

    #[test]
    fn a_comparison_is_understood_here() {
        let line = "bench ab --baseline 02bc92b shop -- --in-flight 500";
        let Command::Ab(options) = parsed(line).unwrap().command else {
            panic!("{line} is a comparison");
        };
        assert_eq!(options.baseline, "02bc92b");
        assert!(options.workload.ends_with(&words("--in-flight 500")));
        assert!(parsed("bench ab").unwrap_err().contains("--baseline"));
        assert_eq!(parsed("bench ab --help").unwrap().command, Command::Help);
    }

    #[test]
    fn the_simulation_gets_its_flags_unseen() {
        let command = Command::Simulate {
            arguments: words("--seeds 10 --from 7"),
        };
        let line = "simulate --seeds 10 --from 7";
        assert_eq!(parsed(line).unwrap().command, command);
    }

    #[test]
    fn the_search_gets_the_names_of_its_worlds() {
        let command = Command::Model {
            arguments: words("chain diamond"),
        };
        assert_eq!(parsed("model chain diamond").unwrap().command, command);
    }

    #[test]
    fn nothing_and_help_are_answered_with_the_help() {
        for line in ["", "help", "--help", "test --help"] {
            assert_eq!(parsed(line).unwrap().command, Command::Help, "{line}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_by_name() {
        assert!(parsed("tset").unwrap_err().contains("tset"));
        assert!(parsed("kafka now").unwrap_err().contains("now"));
        assert!(parsed("bench").unwrap_err().contains("recovery"));
        assert!(parsed("bench step3").unwrap_err().contains("steps3"));
    }

    #[test]
    fn the_real_broker_is_asked_for_in_both_spellings() {
        assert!(wants_real_kafka(&words("--once --kafka real")));
        assert!(wants_real_kafka(&words("--kafka=real")));
        assert!(!wants_real_kafka(&words("--kafka mock real")));
    }
}
