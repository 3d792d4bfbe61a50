//! The events of a run as text, one a line; shared between the runs that branch off from it.

use std::fmt::Write;
use std::rc::Rc;

use crate::definition::Definition;
use crate::machine::{Event, Refusal, Send, Transition};
use crate::time::Timestamp;

/// What happened so far, newest line first.
#[derive(Debug, Clone, Default)]
pub(super) struct Script(Option<Rc<Line>>);

#[derive(Debug)]
struct Line {
    text: String,
    before: Script,
}

impl Script {
    pub(super) fn push(&mut self, after_start: Timestamp, what: &str, outcome: &str) {
        let before = Self(self.0.take());
        let text = format!("{:>9}  {what:<42} {outcome}", clock(after_start));
        self.0 = Some(Rc::new(Line { text, before }));
    }

    /// All lines, oldest first.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut at = self;
        while let Self(Some(line)) = at {
            lines.push(line.text.trim_end());
            at = &line.before;
        }
        lines.reverse();
        lines.join("\n")
    }
}

/// Unlinks the lines one by one: nested drops of a long script would use up the stack.
impl Drop for Script {
    fn drop(&mut self) {
        let mut at = self.0.take();
        while let Some(line) = at {
            at = Rc::into_inner(line).and_then(|mut line| line.before.0.take());
        }
    }
}

/// The event in words.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Start => "start".to_owned(),
        Event::Reply(reply) => {
            let (step, direction, outcome) = (&reply.step, reply.direction, reply.outcome);
            let attempt = attempt(reply.generation, reply.attempt);
            format!("reply: {step}/{direction}{attempt} {outcome}")
        }
        Event::Wake { published: true } => "wake".to_owned(),
        Event::Wake { published: false } => "wake after a restart".to_owned(),
        Event::Order(order) => format!("an operator orders: {}", order.kind),
    }
}

/// A command in words.
pub(super) fn command(definition: &Definition, send: &Send) -> String {
    let step = &definition.steps()[send.step];
    let (name, direction, attempt) = (
        &step.name,
        send.direction,
        attempt(send.generation, send.attempt),
    );
    format!("{name}/{direction}{attempt}")
}

/// What came of an event; a wake that finds nothing to do is not worth a line.
pub(super) fn outcome(
    definition: &Definition,
    decided: &Result<Transition, Refusal>,
) -> Option<String> {
    let transition = match decided {
        Ok(transition) => transition,
        Err(Refusal::NothingDue { .. }) => return None,
        Err(refusal) => return Some(format!("changes nothing: {refusal}")),
    };
    let mut text = transition.next.status().to_string();
    let sends = transition.sends.iter().chain(&transition.notices);
    for (index, send) in sends.enumerate() {
        let mark = if index == 0 { "; sends" } else { "," };
        let _ = write!(text, "{mark} {}", command(definition, send));
    }
    for step in &transition.entry.skipped {
        let _ = write!(text, "; skips {step}");
    }
    if transition.entry.late {
        text.push_str("; recorded as late");
    }
    Some(text)
}

/// `@2` for the second generation, `#3` for its third attempt.
fn attempt(generation: u32, attempt: u32) -> String {
    let mut text = String::new();
    if generation > 1 {
        let _ = write!(text, "@{generation}");
    }
    if attempt > 1 {
        let _ = write!(text, "#{attempt}");
    }
    text
}

/// Time since the start: `12.5s`, from a day on `3d 12.5s`.
fn clock(after_start: Timestamp) -> String {
    const DAY: u128 = 86_400_000;
    let millis = after_start.since(Timestamp::default()).as_millis();
    let (days, rest) = (millis / DAY, millis % DAY);
    let seconds = match rest % 1000 {
        0 => format!("{}s", rest / 1000),
        part => format!("{}.{part:03}s", rest / 1000),
    };
    if days == 0 {
        seconds
    } else {
        format!("{days}d {seconds}")
    }
}
