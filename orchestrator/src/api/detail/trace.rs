//! What the history says about one step.

use sagas::machine::{Entry, Sent};
use sagas::{Direction, Json, Outcome, Timestamp};

/// The traces that one step left; everything is absent where it did not happen.
#[derive(Debug, Default)]
pub(super) struct Trace<'a> {
    /// When its command first went out.
    pub(super) sent_at: Option<Timestamp>,
    /// When its last final reply was taken.
    pub(super) answered_at: Option<Timestamp>,
    /// The last command that went out, of any direction.
    pub(super) last: Option<&'a Sent>,
    pub(super) payload: Option<&'a Json>,
    pub(super) reply: Option<&'a Json>,
    pub(super) compensation_payload: Option<&'a Json>,
    pub(super) compensation_reply: Option<&'a Json>,
}

impl<'a> Trace<'a> {
    pub(super) fn of(step: &str, history: &'a [Entry]) -> Self {
        let mut trace = Self::default();
        for entry in history {
            // A reply comes before what was sent because of it.
            if entry.step.as_deref() == Some(step) {
                trace.take_reply(entry);
            }
            for sent in entry.sent.iter().filter(|sent| sent.step == step) {
                let goes_out = !entry.withheld.iter().any(|withheld| withheld == step);
                trace.take_sent(goes_out.then_some(entry.at), sent);
            }
        }
        trace
    }

    /// `at`: when it went out; `None` where it was withheld.
    fn take_sent(&mut self, at: Option<Timestamp>, sent: &'a Sent) {
        self.last = Some(sent);
        let payload = match sent.direction {
            Direction::Forward => {
                self.sent_at = self.sent_at.or(at);
                &mut self.payload
            }
            Direction::Compensate => &mut self.compensation_payload,
            Direction::Fence => return,
        };
        if sent.payload.is_some() {
            *payload = sent.payload.as_ref();
        }
    }

    fn take_reply(&mut self, entry: &'a Entry) {
        if let Some(substitute) = &entry.substitute {
            self.reply = Some(substitute);
            self.answered_at = Some(entry.at);
            return;
        }
        let (Some(direction), Some(outcome)) = (entry.direction, entry.outcome) else {
            return;
        };
        if entry.late {
            return;
        }
        if outcome != Outcome::Failed {
            self.answered_at = Some(entry.at);
        }
        match (direction, outcome) {
            (Direction::Forward | Direction::Fence, Outcome::Succeeded) => {
                self.reply = entry.payload.as_ref();
            }
            (Direction::Compensate, Outcome::Succeeded | Outcome::AlreadyCompensated) => {
                self.compensation_reply = entry.payload.as_ref();
            }
            _ => {}
        }
    }
}
