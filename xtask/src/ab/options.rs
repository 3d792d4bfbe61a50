//! What `bench ab` is asked for, and the command line that each run gets.
//!
//! Pure: nothing here looks at the machine.

/// Pairs of runs; fewer show the machine's mood rather than the program.
const PAIRS: u32 = 7;

/// Length of a measured round, in seconds.
const SECONDS: u32 = 20;

/// Sagas in flight of `steps3`: the load near which it is fastest, and one instead of four of them.
const IN_FLIGHT: &str = "2000";

/// The workload where none is named.
const WORKLOAD: &str = "steps3";

/// The workloads that are loads in rounds.
const IN_ROUNDS: [&str; 10] = [
    "steps3",
    "refused",
    "mixed",
    "payloads",
    "latency",
    "recovery",
    "aging",
    "replicas",
    "admission",
    "shop",
];

/// The others, which have a length of their own.
const TIMED: [&str; 2] = ["idle", "away"];

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// The commit to compare with, as git understands it.
    pub(crate) baseline: String,
    /// The command line of each run, its name first.
    pub(crate) workload: Vec<String>,
    pub(crate) pairs: u32,
    /// The ratio below which the comparison fails.
    pub(crate) at_least: Option<f64>,
    pub(crate) json: bool,
}

impl Options {
    /// Understands the arguments after `bench ab`; those after `--` go to the workload.
    pub(crate) fn parse(arguments: &[String], passed_on: &[String]) -> Result<Self, String> {
        let (mut baseline, mut workload) = (None, None);
        let (mut pairs, mut seconds, mut at_least, mut json) = (PAIRS, None, None, false);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let mut value = || {
                let value = value.clone().or_else(|| words.next().cloned());
                value.ok_or_else(|| format!("{name} wants a value"))
            };
            match name {
                "--baseline" => baseline = Some(value()?),
                "--pairs" => pairs = count(name, &value()?)?,
                "--seconds" => seconds = Some(count(name, &value()?)?),
                "--at-least" => at_least = Some(ratio(name, &value()?)?),
                "--json" => json = true,
                _ if name.starts_with('-') => return Err(format!("bench ab has no {name}")),
                _ if workload.is_some() => {
                    return Err(format!("bench ab takes one workload, so not {word} too"));
                }
                _ => workload = Some(known(word)?),
            }
        }
        let baseline = baseline.ok_or("bench ab wants --baseline COMMIT")?;
        let workload = command_line(workload.as_deref().unwrap_or(WORKLOAD), seconds, passed_on);
        Ok(Self {
            baseline,
            workload,
            pairs,
            at_least,
            json,
        })
    }
}

fn known(word: &str) -> Result<String, String> {
    let all = IN_ROUNDS.iter().chain(&TIMED);
    if all.clone().any(|name| *name == word) {
        return Ok(word.to_owned());
    }
    let names: Vec<&str> = all.copied().collect();
    let names = names.join(", ");
    Err(format!(
        "bench ab has no workload {word}; there is: {names}"
    ))
}

/// The workload's name, our defaults where the person did not choose, and what the person chose.
fn command_line(workload: &str, seconds: Option<u32>, passed_on: &[String]) -> Vec<String> {
    let is_in_rounds = IN_ROUNDS.contains(&workload);
    let mut line = vec![workload.to_owned()];
    let mut add = |name: &str, value: Option<String>| {
        let is_chosen = passed_on
            .iter()
            .any(|word| word == name || word.starts_with(&format!("{name}=")));
        if let Some(value) = value.filter(|_| !is_chosen) {
            line.extend([name.to_owned(), value]);
        }
    };
    let usual = is_in_rounds.then_some(SECONDS);
    add(
        "--seconds",
        seconds.or(usual).map(|seconds| seconds.to_string()),
    );
    add("--rounds", is_in_rounds.then(|| "1".to_owned()));
    let in_flight = (workload == WORKLOAD).then(|| IN_FLIGHT.to_owned());
    add("--in-flight", in_flight);
    line.extend_from_slice(passed_on);
    line
}

fn count(name: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{name} wants a number from 1, not {value}"))
}

fn ratio(name: &str, value: &str) -> Result<f64, String> {
    let number: Option<f64> = value.parse().ok();
    let number = number.filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{name} wants a ratio such as 0.95, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn parsed(line: &str) -> Result<Options, String> {
        let (ours, passed_on) = line.split_once(" -- ").unwrap_or((line, ""));
        Options::parse(&words(ours), &words(passed_on))
    }

    #[test]
    fn only_the_baseline_must_be_said() {
        let expected = Options {
            baseline: "02bc92b".to_owned(),
            workload: words("steps3 --seconds 20 --rounds 1 --in-flight 2000"),
            pairs: 7,
            at_least: None,
            json: false,
        };
        assert_eq!(parsed("--baseline 02bc92b"), Ok(expected));
        assert!(parsed("").unwrap_err().contains("--baseline"));
    }

    #[test]
    fn both_spellings_of_a_value_are_understood() {
        let line = "shop --baseline=main --pairs 9 --seconds=5 --at-least 0.95 --json";
        let expected = Options {
            baseline: "main".to_owned(),
            workload: words("shop --seconds 5 --rounds 1"),
            pairs: 9,
            at_least: Some(0.95),
            json: true,
        };
        assert_eq!(parsed(line), Ok(expected));
    }

    #[test]
    fn what_a_person_chose_for_the_workload_replaces_the_default() {
        let options = parsed("--baseline x -- --in-flight 64,512 --rounds=3").unwrap();
        let expected = "steps3 --seconds 20 --in-flight 64,512 --rounds=3";
        assert_eq!(options.workload, words(expected));
    }

    #[test]
    fn a_workload_without_rounds_gets_a_length_only_when_asked() {
        assert_eq!(parsed("away --baseline x").unwrap().workload, ["away"]);
        let options = parsed("idle --seconds 9 --baseline x").unwrap();
        assert_eq!(options.workload, words("idle --seconds 9"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--baseline", "--baseline wants a value"),
            ("--baseline x --pairs 0", "not 0"),
            ("--baseline x --seconds soon", "soon"),
            ("--baseline x --at-least much", "much"),
            ("--baseline x --at-least NaN", "NaN"),
            ("--baseline x --quiet", "--quiet"),
            ("--baseline x peers", "peers"),
            ("--baseline x shop steps3", "steps3"),
        ] {
            let problem = parsed(line).unwrap_err();
            assert!(problem.contains(named), "{line}: {problem}");
        }
    }
}
