//! What came of the cases: for each, that it holds, why it was not tried, or where it broke.

use std::fmt;

/// What came of all cases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report that nobody looks at finds nothing"]
pub struct Report {
    /// The service.
    pub participant: &'static str,
    /// One per case, in the order in which they were run.
    pub cases: Vec<CaseReport>,
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// What the case is called: `late forward`.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Answers and effects are as they have to be.
    Passed,
    /// The samples do not allow it.
    Skipped {
        /// What is missing.
        why: &'static str,
    },
    /// An answer or an effect is wrong.
    Failed {
        /// What was sent and what came, in order.
        exchange: Vec<String>,
        /// What was expected at last.
        expected: String,
        /// What came instead.
        came: String,
    },
}

impl Report {
    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &'static str> {
        let failed = |case: &&CaseReport| matches!(case.verdict, Verdict::Failed { .. });
        self.cases.iter().filter(failed).map(|case| case.name)
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the barrier's cases for {}:", self.participant)?;
        for case in &self.cases {
            let name = case.name;
            match &case.verdict {
                Verdict::Passed => write!(f, "\n  ok       {name}")?,
                Verdict::Skipped { why } => write!(f, "\n  skipped  {name} ({why})")?,
                Verdict::Failed {
                    exchange,
                    expected,
                    came,
                } => {
                    write!(f, "\n  FAILED   {name}")?;
                    for line in exchange {
                        write!(f, "\n             {line}")?;
                    }
                    write!(f, "\n           expected: {expected}")?;
                    write!(f, "\n           came:     {came}")?;
                }
            }
        }
        Ok(())
    }
}
