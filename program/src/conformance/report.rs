//! What came of the cases, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(super) participant: String,
    /// In the order in which they were tried.
    pub(super) cases: Vec<CaseReport>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CaseReport {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Skipped {
        why: &'static str,
    },
    Failed {
        /// What was sent and what came, in order.
        exchange: Vec<String>,
        expected: String,
        came: String,
    },
}

impl Report {
    /// How many cases failed.
    pub(crate) fn failed(&self) -> usize {
        let failed = |case: &&CaseReport| matches!(case.verdict, Verdict::Failed { .. });
        self.cases.iter().filter(failed).count()
    }

    /// How many cases there are.
    pub(crate) fn len(&self) -> usize {
        self.cases.len()
    }

    pub(crate) fn to_json(&self) -> Value {
        let cases: Vec<_> = self.cases.iter().map(CaseReport::to_json).collect();
        let failed = self.failed();
        json!({ "participant": self.participant, "failed": failed, "cases": cases })
    }
}

impl CaseReport {
    fn to_json(&self) -> Value {
        let name = self.name;
        match &self.verdict {
            Verdict::Passed => json!({ "name": name, "verdict": "ok" }),
            Verdict::Skipped { why } => json!({ "name": name, "verdict": "skipped", "why": why }),
            Verdict::Failed {
                exchange,
                expected,
                came,
            } => json!({
                "name": name, "verdict": "failed",
                "exchange": exchange, "expected": expected, "came": came,
            }),
        }
    }
}

/// One line per case; under a case that failed, what led to it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            let name = case.name;
            match &case.verdict {
                Verdict::Passed => writeln!(f, "ok       {name}")?,
                Verdict::Skipped { why } => writeln!(f, "skipped  {name} ({why})")?,
                Verdict::Failed {
                    exchange,
                    expected,
                    came,
                } => {
                    writeln!(f, "FAILED   {name}")?;
                    for line in exchange {
                        writeln!(f, "           {line}")?;
                    }
                    writeln!(f, "         expected: {expected}")?;
                    writeln!(f, "         came:     {came}")?;
                }
            }
        }
        let (failed, all) = (self.failed(), self.len());
        match failed {
            0 => write!(f, "{} keeps the barrier.", self.participant),
            _ => write!(f, "{}: {failed} of {all} cases failed.", self.participant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_line_and_a_failure_has_its_exchange() {
        let case = |name, verdict| CaseReport { name, verdict };
        let report = Report {
            participant: "till".to_owned(),
            cases: vec![
                case("one", Verdict::Passed),
                case("two", Verdict::Skipped { why: "no reason" }),
                case(
                    "three",
                    Verdict::Failed {
                        exchange: vec!["sent it".to_owned()],
                        expected: "this".to_owned(),
                        came: "that".to_owned(),
                    },
                ),
            ],
        };
        let lines = [
            "ok       one",
            "skipped  two (no reason)",
            "FAILED   three",
            "           sent it",
            "         expected: this",
            "         came:     that",
            "till: 1 of 3 cases failed.",
        ];
        assert_eq!(report.to_string(), lines.join("\n"));
        let json = report.to_json();
        assert_eq!(
            (&json["failed"], &json["cases"][2]["came"]),
            (&json!(1), &json!("that"))
        );
    }
}
