//! What was tried. A figure of zero is worth a look: the sample may keep a case from being tried.

use std::fmt;

use super::subject::Subject;
use crate::definition::StepKind;

/// The figures of one run of the kit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The definition's name.
    pub definition: String,
    /// Runs in which a step was refused.
    pub refusals: usize,
    /// Runs in which everything was delivered twice.
    pub repeats: usize,
    /// Runs in which a participant stayed silent, or failed, at a step.
    pub silences: usize,
    /// Runs in which the process died after an event.
    pub crashes: usize,
    /// Runs in which an operator cancelled after an event.
    pub cancels: usize,
    /// Runs in which the saga's deadline passed after an event.
    pub deadlines: usize,
    /// Runs in which a step was refused that may not be.
    pub broken_promises: usize,
    /// Runs in which a compensation was refused.
    pub refused_compensations: usize,
    /// Runs in which a participant had dropped its rows.
    pub expiries: usize,
    /// Runs in which an operator gave another order than a cancel.
    pub orders: usize,
    /// How many of those there are: where they are too many, they are spread evenly.
    pub all_orders: usize,
    /// States of the search for interleavings.
    pub states: usize,
    /// Whether these are all states that there are.
    pub all_states: bool,
    /// Transitions in total.
    pub events: u64,
    /// Steps that were never sent: another sample input or reply would run them.
    pub never_sent: Vec<String>,
    /// Compensations that were never built after the step's own reply came.
    pub never_undone_with_reply: Vec<String>,
    /// Compensations that were never built without it.
    pub never_undone_without_reply: Vec<String>,
}

impl Report {
    pub(super) fn new(definition: &str) -> Self {
        Self {
            definition: definition.to_owned(),
            ..Self::default()
        }
    }

    /// Reads off the subject what was never reached.
    pub(super) fn conclude(&mut self, subject: &Subject<'_>) {
        let (sent, undone) = (subject.sent.get(), subject.undone.borrow());
        let names = |is_missing: &dyn Fn(usize) -> bool| -> Vec<String> {
            let steps = subject.steps().filter(|step| is_missing(*step));
            steps.map(|step| subject.name(step).to_owned()).collect()
        };
        let is_missing = |step: usize, with_reply: bool| {
            subject.definition.steps()[step].kind == StepKind::Compensatable
                && sent.contains(step)
                && !undone.contains(&(step, with_reply))
        };
        self.events = subject.events.get();
        self.never_sent = names(&|step| !sent.contains(step));
        self.never_undone_with_reply = names(&|step| is_missing(step, true));
        self.never_undone_without_reply = names(&|step| is_missing(step, false));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            definition,
            refusals,
            repeats,
            silences,
            crashes,
            cancels,
            deadlines,
            broken_promises,
            refused_compensations,
            expiries,
            orders,
            states,
            events,
            ..
        } = self;
        let of = match self.all_orders {
            all if all == *orders => String::new(),
            all => format!(" of {all}"),
        };
        let all = if self.all_states { "all" } else { "the first" };
        write!(
            f,
            "{definition}: {refusals} refusals, {repeats} repeats, {silences} silences, \
             {crashes} crashes, {cancels} cancels, {deadlines} deadlines, \
             {broken_promises} broken promises, {refused_compensations} refused compensations, {expiries} expiries, {orders}{of} orders, \
             {all} {states} states of all interleavings; {events} transitions"
        )?;
        let missed = [
            ("never sent", &self.never_sent),
            (
                "never undone with their own reply",
                &self.never_undone_with_reply,
            ),
            ("never undone without it", &self.never_undone_without_reply),
        ];
        for (what, steps) in missed.into_iter().filter(|(_, steps)| !steps.is_empty()) {
            write!(f, "; {what}: {}", steps.join(", "))?;
        }
        Ok(())
    }
}
