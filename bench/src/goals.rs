//! What the service is meant to reach, and whether it did.

use serde::Serialize;

use crate::peers::Peer;
use crate::report::Report;

/// One thing to reach.
struct Goal {
    what: &'static str,
    source: Source,
    must: Bound,
    aim: Bound,
    unit: &'static str,
}

/// Where the figure is.
enum Source {
    /// A workload's figure of this name.
    Figure(&'static str, &'static str),
    /// A figure of `steps3`, divided by Restate's rate at so many in flight, or at its best.
    OfRestate(&'static str, Option<usize>),
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Least(f64),
    Most(f64),
}

/// A goal, and what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) what: &'static str,
    /// `None` where it was not measured.
    pub(crate) measured: Option<f64>,
    pub(crate) unit: &'static str,
    /// `at least 6000`.
    pub(crate) must: String,
    pub(crate) aim: String,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Aim,
    Must,
    Missed,
    NotMeasured,
}

const RESTATE: &str = "restate";

macro_rules! goal {
    ($what:literal, $source:expr, $bound:ident $must:literal, $aim:literal, $unit:literal) => {
        Goal {
            what: $what,
            source: $source,
            must: Bound::$bound($must),
            aim: Bound::$bound($aim),
            unit: $unit,
        }
    };
}

/// In the order of the table.
#[rustfmt::skip]
const GOALS: [Goal; 16] = {
    use Source::{Figure, OfRestate};
    [
        goal!("`steps3`, REST to terminal, best in flight", Figure("steps3", "best"), Least 6_000.0, 12_000.0, "sagas/s"),
        goal!("the same, of Restate in the same run", OfRestate("best", None), Least 2.5, 5.0, "times"),
        goal!("`steps3` at 64 in flight, of Restate in the same run", OfRestate("at 64 in flight", Some(64)), Least 1.2, 3.0, "times"),
        goal!("`shop`: six steps, four databases", Figure("shop", "orders"), Least 1_200.0, 2_500.0, "orders/s"),
        goal!("p50 at 100/s, three steps with databases", Figure("latency", "p50 at 100/s"), Most 20.0, 15.0, "ms"),
        goal!("p99 at 100/s, three steps with databases", Figure("latency", "p99 at 100/s"), Most 60.0, 40.0, "ms"),
        goal!("`refused`, of the same saga completing", Figure("refused", "of the rate completing"), Least 50.0, 60.0, "%"),
        goal!("`recovery` after SIGKILL: all move after", Figure("recovery", "all move after"), Most 5.0, 3.0, "s"),
        goal!("`recovery` after SIGKILL: resumed", Figure("recovery", "resumed"), Least 10_000.0, 20_000.0, "sagas/s"),
        goal!("`replicas`: longest saga while one joins and leaves", Figure("replicas", "longest saga while one joins and leaves"), Most 3.0, 3.0, "s"),
        goal!("`aging`: rate beside finished sagas, of the empty rate", Figure("aging", "of the empty rate"), Least 90.0, 100.0, "%"),
        goal!("`aging`: p99 of the list of sagas", Figure("aging", "list p99"), Most 50.0, 50.0, "ms"),
        goal!("`idle`: RSS with open sagas that wait", Figure("idle", "rss"), Most 300.0, 200.0, "MB"),
        goal!("`idle`: processor time with them", Figure("idle", "processor"), Most 3.0, 1.0, "%"),
        goal!("Postgres per finished saga, without payloads", Figure("payloads", "stored without payloads"), Most 2_000.0, 1_200.0, "bytes"),
        goal!("orchestrator RSS under full load", Figure("steps3", "orchestrator rss"), Most 150.0, 80.0, "MB"),
    ]
};

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Least(bound) => value >= bound,
            Self::Most(bound) => value <= bound,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Least(bound) => write!(f, "at least {bound}"),
            Self::Most(bound) => write!(f, "at most {bound}"),
        }
    }
}

impl Verdict {
    /// As the table says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Aim => "aim reached",
            Self::Must => "must reached",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

/// Compares what was measured with every goal.
pub(crate) fn outcomes(reports: &[Report], peers: &[Peer]) -> Vec<Outcome> {
    let outcome = |goal: &Goal| {
        let measured = find(&goal.source, reports, peers);
        Outcome {
            what: goal.what,
            measured,
            unit: goal.unit,
            must: goal.must.to_string(),
            aim: goal.aim.to_string(),
            verdict: verdict(goal, measured),
        }
    };
    GOALS.iter().map(outcome).collect()
}

fn verdict(goal: &Goal, measured: Option<f64>) -> Verdict {
    match measured {
        None => Verdict::NotMeasured,
        Some(value) if goal.aim.holds(value) => Verdict::Aim,
        Some(value) if goal.must.holds(value) => Verdict::Must,
        Some(_) => Verdict::Missed,
    }
}

fn find(source: &Source, reports: &[Report], peers: &[Peer]) -> Option<f64> {
    let figure = |workload: &str, name: &str| {
        let report = reports.iter().find(|report| report.workload == workload)?;
        Some(report.find(name)?.value)
    };
    match source {
        Source::Figure(workload, name) => figure(workload, name),
        Source::OfRestate(name, in_flight) => {
            let figures = peers
                .iter()
                .filter(|peer| peer.name.to_lowercase().contains(RESTATE))
                .filter_map(|peer| peer.figure.as_ref())
                .filter(|figure| in_flight.is_none_or(|wanted| figure.in_flight == wanted));
            let theirs = figures
                .map(|figure| figure.sagas_per_second)
                .reduce(f64::max)?;
            Some(figure("steps3", name)? / theirs.max(f64::EPSILON))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(what: &str, reports: &[Report], peers: &[Peer]) -> (Option<f64>, Verdict) {
        let outcomes = outcomes(reports, peers);
        let found = outcomes.iter().find(|outcome| outcome.what.contains(what));
        let found = found.unwrap();
        (found.measured, found.verdict)
    }

    #[test]
    fn a_figure_is_compared_with_must_and_aim() {
        #[track_caller]
        fn check(
            workload: &'static str,
            name: &'static str,
            value: f64,
            what: &str,
            expected: Verdict,
        ) {
            let mut report = Report::new(workload);
            report.figure(name, value, "");
            assert_eq!(outcome(what, &[report], &[]), (Some(value), expected));
        }
        let steps3 = "REST to terminal";
        check("steps3", "best", 5_999.0, steps3, Verdict::Missed);
        check("steps3", "best", 6_000.0, steps3, Verdict::Must);
        check("steps3", "best", 12_000.0, steps3, Verdict::Aim);
        check(
            "latency",
            "p99 at 100/s",
            61.0,
            "p99 at 100/s",
            Verdict::Missed,
        );
        check(
            "latency",
            "p99 at 100/s",
            40.0,
            "p99 at 100/s",
            Verdict::Aim,
        );
        assert_eq!(outcome(steps3, &[], &[]), (None, Verdict::NotMeasured));
    }

    #[test]
    fn ratios_are_of_the_same_number_in_flight_or_of_the_best() {
        let json = r#"[{"name": "Restate", "version": "1", "in_flight": 64, "sagas_per_second": 1000.0,
                "p50_ms": 1.0, "p99_ms": 2.0},
            {"name": "Restate", "version": "1", "in_flight": 512, "sagas_per_second": 2000.0,
                "p50_ms": 1.0, "p99_ms": 2.0},
            {"name": "other", "version": "1", "in_flight": 64, "sagas_per_second": 9000.0,
                "p50_ms": 1.0, "p99_ms": 2.0}]"#;
        let peers: Vec<Peer> = serde_json::from_str(json).unwrap();
        let mut report = Report::new("steps3");
        report.figure("best", 6_000.0, "");
        report.figure("at 64 in flight", 1_100.0, "");
        let reports = [report];
        let best = outcome("the same, of Restate", &reports, &peers);
        assert_eq!(best, (Some(3.0), Verdict::Must));
        let few = outcome("at 64 in flight, of Restate", &reports, &peers);
        assert_eq!(few, (Some(1.1), Verdict::Missed));
    }

    #[test]
    fn every_goal_has_a_must_that_its_aim_includes() {
        for goal in &GOALS {
            let (Bound::Least(aim) | Bound::Most(aim)) = goal.aim;
            assert!(goal.must.holds(aim), "{}", goal.what);
        }
    }
}
