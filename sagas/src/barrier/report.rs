//! Report of the barrier's cases, tried on a participant: verdicts, for people and for programs.
//!
//! Invariant: a case that was not tried names the reason, and one that failed has the exchange that
//! led to it.
//!
//! Not here: the cases. They are in two kits, one for a service's own tests (`sagas_participant::testkit`),
//! the other for a running participant in any language (`saga conformance`).

use std::fmt;

use serde_json::{Value, json};

/// Verdicts of all cases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report that is not read finds nothing"]
pub struct Report {
    /// Name of the participant.
    pub participant: String,
    /// One per case, in the order in which they were tried.
    pub cases: Vec<CaseReport>,
}

/// Verdict of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Name of the case: `late forward`.
    pub name: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a case holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Answers and effects are as they have to be.
    Passed,
    /// The case was not tried.
    Skipped {
        /// The reason: a sample that is missing, or a first case that failed.
        why: &'static str,
    },
    /// An answer or an effect is wrong.
    Failed {
        /// Commands and answers up to the failure, in order.
        exchange: Vec<String>,
        /// The answer or effect that was expected last.
        expected: String,
        /// The answer or effect that came instead.
        came: String,
    },
}

impl Report {
    /// Names of the cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &'static str> {
        let failed = |case: &&CaseReport| matches!(case.verdict, Verdict::Failed { .. });
        self.cases.iter().filter(failed).map(|case| case.name)
    }

    /// The report as JSON, for programs.
    ///
    /// ```text
    /// {"participant":"till","failed":1,"cases":[
    ///   {"name":"late forward","verdict":"ok"},
    ///   {"name":"refused forward","verdict":"skipped","why":"…"},
    ///   {"name":"fenced","verdict":"failed","exchange":["…"],"expected":"…","came":"…"}]}
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let cases: Vec<_> = self.cases.iter().map(CaseReport::to_json).collect();
        let failed = self.failed().count();
        json!({ "participant": self.participant, "failed": failed, "cases": cases })
    }

    /// Ends the test unless every case that could be tried holds.
    ///
    /// # Panics
    ///
    /// With the whole report, when a case failed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failed().next().is_none(), "{self}");
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
        let (failed, all) = (self.failed().count(), self.cases.len());
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
        assert_eq!(report.failed().collect::<Vec<_>>(), ["three"]);
    }
}
