//! The workloads: each a command of its own, each with the same report.
//!
//! Each checks at its end that every saga has ended as it had to, and fails otherwise.

mod admission;
mod aging;
mod away;
mod idle;
mod latency;
mod recovery;
mod replicas;
mod shop;
mod three_steps;

use clap::Subcommand;

use crate::ground::Ground;
use crate::report::Report;

/// Which workload, and how.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Name {
    /// Three steps at participants that do nothing, at several numbers in flight
    Steps3(three_steps::Steps3),
    /// The last of three steps is refused, so that two are compensated; beside the same completing
    Refused(three_steps::One),
    /// Three steps, of which 3 in 100 sagas are refused and 1 meets a silent participant
    Mixed(three_steps::One),
    /// Three steps with payloads of several sizes
    Payloads(three_steps::Payloads),
    /// Open loop: three steps at participants with databases, at several rates
    Latency(latency::Arguments),
    /// SIGKILL for one of three replicas under load, with thousands of sagas in its hands
    Recovery(recovery::Arguments),
    /// Three steps, and the list of sagas, beside millions of sagas that have ended
    Aging(aging::Arguments),
    /// A million open sagas that wait: memory, processor time, and how late they wake
    Idle(idle::Arguments),
    /// Three steps with one, two and three replicas on this machine
    Replicas(replicas::Arguments),
    /// Twice as many sagas offered as can be carried
    Admission(admission::Arguments),
    /// Participants that are away for an hour under load: memory, and when all have ended
    Away(away::Arguments),
    /// The shop: six steps at four services with databases
    Shop(shop::Arguments),
}

impl Name {
    /// Runs it, and checks what it left behind.
    pub(crate) async fn run(&self, ground: &mut Ground) -> anyhow::Result<Report> {
        match self {
            Self::Steps3(arguments) => Box::pin(three_steps::steps3(arguments, ground)).await,
            Self::Refused(arguments) => Box::pin(three_steps::refused(arguments, ground)).await,
            Self::Mixed(arguments) => Box::pin(three_steps::mixed(arguments, ground)).await,
            Self::Payloads(arguments) => Box::pin(three_steps::payloads(arguments, ground)).await,
            Self::Latency(arguments) => Box::pin(latency::run(arguments, ground)).await,
            Self::Recovery(arguments) => Box::pin(recovery::run(arguments, ground)).await,
            Self::Aging(arguments) => Box::pin(aging::run(arguments, ground)).await,
            Self::Idle(arguments) => Box::pin(idle::run(arguments, ground)).await,
            Self::Replicas(arguments) => Box::pin(replicas::run(arguments, ground)).await,
            Self::Admission(arguments) => Box::pin(admission::run(arguments, ground)).await,
            Self::Away(arguments) => Box::pin(away::run(arguments, ground)).await,
            Self::Shop(arguments) => Box::pin(shop::run(arguments, ground)).await,
        }
    }
}
