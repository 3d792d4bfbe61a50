//! What is submitted, and how each saga must end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bench::steps3;
use hyper::body::Bytes;
use shop::workload::{Fate, Workload as Orders};

/// Submissions without end. The same workload gives the same ones, in whatever order they are taken.
pub(crate) struct Workload(Box<dyn Fn() -> Submission + Send + Sync>);

/// One saga to be.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// The body of the request, JSON.
    pub(crate) body: Bytes,
    /// Where the saga must end; another end makes the run a failed one.
    pub(crate) end: End,
}

/// How a saga ended, or must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Compensated,
}

/// Of a hundred mixed sagas, so many are refused at their last step.
const REFUSED_IN_100: u64 = 3;

/// And so many meet a participant that is silent at first.
const LATE_IN_100: u64 = 1;

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Workload").finish_non_exhaustive()
    }
}

impl Workload {
    /// The next submission.
    pub(crate) fn next(&self) -> Submission {
        (self.0)()
    }

    /// Three steps that succeed, with so many bytes in each command.
    pub(crate) fn completed(ballast: usize) -> Self {
        Self::always(three_steps(steps3::NAME, false, ballast))
    }

    /// Three steps, the last one refused: the other two are compensated.
    pub(crate) fn refused(ballast: usize) -> Self {
        Self::always(three_steps(steps3::NAME, true, ballast))
    }

    /// Three steps at a participant that is silent at first.
    pub(crate) fn late(ballast: usize) -> Self {
        Self::always(three_steps(steps3::LATE, false, ballast))
    }

    /// Mostly completed, now and then refused or late.
    pub(crate) fn mixed(ballast: usize) -> Self {
        let completed = three_steps(steps3::NAME, false, ballast);
        let refused = three_steps(steps3::NAME, true, ballast);
        let late = three_steps(steps3::LATE, false, ballast);
        let count = AtomicU64::new(0);
        // 37 has no divisor in common with 100: neighbours differ, and each of a hundred comes once.
        Self(Box::new(move || {
            match count.fetch_add(37, Ordering::Relaxed) % 100 {
                place if place < REFUSED_IN_100 => refused.clone(),
                place if place < REFUSED_IN_100 + LATE_IN_100 => late.clone(),
                _ => completed.clone(),
            }
        }))
    }

    /// Orders of the shop.
    pub(crate) fn shop(seed: u64, refused_percent: u32) -> Self {
        let orders = Mutex::new(Orders::new(seed, refused_percent));
        Self(Box::new(move || {
            let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
            let planned = orders.next().expect("a workload has no end");
            let body = serde_json::json!({ "saga": "place-order", "input": planned.order });
            Submission {
                body: body.to_string().into(),
                end: match planned.fate {
                    Fate::Confirmed => End::Completed,
                    _ => End::Compensated,
                },
            }
        }))
    }

    fn always(submission: Submission) -> Self {
        Self(Box::new(move || submission.clone()))
    }
}

fn three_steps(saga: &str, is_refused: bool, ballast: usize) -> Submission {
    let input = steps3::Input {
        is_refused,
        ballast: "x".repeat(ballast),
    };
    let body = serde_json::json!({ "saga": saga, "input": input });
    Submission {
        body: body.to_string().into(),
        end: if is_refused {
            End::Compensated
        } else {
            End::Completed
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_mixed_sagas_three_are_refused_and_one_is_late() {
        let workload = Workload::mixed(1);
        let submissions: Vec<_> = (0..200).map(|_| workload.next()).collect();
        let refused = submissions.iter().filter(|s| s.end == End::Compensated);
        assert_eq!(refused.count(), 6);
        let is_late = |s: &&Submission| String::from_utf8_lossy(&s.body).contains(steps3::LATE);
        assert_eq!(submissions.iter().filter(is_late).count(), 2);
    }
}
