//! Scripts: what happens to one saga, as text, against what comes of it, as text.
//!
//! ```text
//! start                               the saga is accepted, at 0 s
//! until <step>                        start, and success of all else until <step> is in flight
//! <step> <outcome> [code or JSON]     a reply to the command in flight
//! <step>/<direction>#<attempt>@<generation> <outcome> …      a reply to another one
//! wake +10s [unpublished] [closed]    ten seconds later, something may be due; `closed`: while no topic
//!                                     takes anything
//! cancel|pause|resume [number]        an operator's order with that id; 1 without a number
//! retry [step], skip <step> [JSON], resolve <step>, edit <step> <JSON>      further orders, each with
//!                                     an id of its own
//! +10s                                ten seconds pass
//! close <participant>, open           its topic takes nothing; every topic takes everything
//! reopen <step>                       its topic takes everything, but took nothing when the command was sent
//! ```
//! Outcomes are the words of the wire; `ok` is short for `succeeded`. Every transition of every
//! script is also checked against the [`crate::invariants`].

use std::time::Duration;

use sagas::machine::{
    Blocked, Entry, Event, Order, OrderKind, Progress, Refusal, Reply, Saga, Send, Transition,
    transition_withholding,
};
use sagas::{Definition, Direction, Fault, Json, OrderId, Outcome, SagaId, Timestamp};
use uuid::Uuid;

use crate::invariants;

/// Runs `script` on a new saga of `definition` and compares what comes of it with `expected`.
#[track_caller]
pub(crate) fn check(definition: &Definition, script: &str, expected: &str) {
    check_input(definition, r#"{"order":7}"#, script, expected);
}

/// The same with an input of one's own.
#[track_caller]
pub(crate) fn check_input(definition: &Definition, input: &str, script: &str, expected: &str) {
    let mut stage = Stage::new(definition, input);
    let actual = stage.play(script);
    let lines = |text: &str| -> Vec<String> {
        let lines = text.trim().lines().map(|line| line.trim().to_owned());
        lines.collect()
    };
    assert!(
        lines(&actual) == lines(expected),
        "the script goes another way; it gives now:\n{actual}<<end"
    );
}

/// One saga, its history and the time.
#[derive(Clone)]
pub(crate) struct Stage<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) saga: Saga,
    pub(crate) history: Vec<Entry>,
    pub(crate) sends: Vec<Send>,
    pub(crate) now: Timestamp,
    /// Participants whose topics take nothing.
    closed: Vec<&'a str>,
    /// Steps whose topics took nothing when their commands were sent, until the next event.
    excused: Vec<usize>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(definition: &'a Definition, input: &str) -> Self {
        let id = SagaId(Uuid::from_u128(7));
        let input = Json::parse(input.to_owned()).expect("the input is JSON");
        let now = Timestamp::default();
        Self {
            definition,
            saga: Saga::new(definition, id, input, now),
            history: Vec::new(),
            sends: Vec::new(),
            now,
            closed: Vec::new(),
            excused: Vec::new(),
        }
    }

    /// Plays every statement; one line each, then where the saga stands.
    pub(crate) fn play(&mut self, script: &str) -> String {
        let mut lines = String::new();
        for statement in script.split([';', '\n']) {
            let statement = statement.trim();
            if !statement.is_empty() {
                let outcome = self.act(statement);
                lines.push_str(&format!("{statement} => {outcome}\n"));
            }
        }
        lines + &self.summary()
    }

    /// Does what one statement says, and says what comes of it.
    pub(crate) fn act(&mut self, statement: &str) -> String {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let event = match words.as_slice() {
            ["start"] => Event::Start,
            ["wake", rest @ ..] => {
                let later = rest.iter().find_map(|word| word.strip_prefix('+'));
                self.pass(later.unwrap_or("0s"));
                if rest.contains(&"closed") {
                    let steps = self.definition.steps().iter();
                    self.closed = steps.map(|step| step.participant).collect();
                }
                Event::Wake {
                    published: !rest.contains(&"unpublished"),
                }
            }
            ["cancel", rest @ ..] => Event::Order(order(rest.first().unwrap_or(&"1"))),
            ["pause", rest @ ..] => self.order(OrderKind::Pause, rest.first()),
            ["resume", rest @ ..] => self.order(OrderKind::Resume, rest.first()),
            ["retry", rest @ ..] => {
                let step = rest.first().map(|step| (*step).to_owned());
                self.order(OrderKind::RetryNow { step }, None)
            }
            ["skip", step, rest @ ..] => {
                let reply = (!rest.is_empty()).then(|| json(&rest.join(" ")));
                let step = (*step).to_owned();
                self.order(OrderKind::Skip { step, reply }, None)
            }
            ["resolve", step] => {
                let step = (*step).to_owned();
                self.order(OrderKind::Resolve { step }, None)
            }
            ["edit", step, rest @ ..] => {
                let (step, payload) = ((*step).to_owned(), json(&rest.join(" ")));
                self.order(OrderKind::Edit { step, payload }, None)
            }
            ["close", name] => {
                let mut steps = self.definition.steps().iter();
                let step = steps.find(|step| step.participant == *name);
                let step = step.expect("the participant is one of the definition's");
                self.closed.push(step.participant);
                return "its topic takes nothing".to_owned();
            }
            ["open"] => {
                self.closed.clear();
                return "every topic takes everything".to_owned();
            }
            ["reopen", step] => {
                self.closed.clear();
                self.excused.extend(self.definition.position(step));
                return "its topic takes everything again".to_owned();
            }
            ["until", step] => return self.go_on_until(step),
            [later] if later.starts_with('+') => {
                self.pass(&later[1..]);
                return "later".to_owned();
            }
            [target, outcome, rest @ ..] => Event::Reply(self.reply(target, outcome, rest)),
            _ => panic!("no such statement: {statement:?}"),
        };
        let outcome = self.apply(event);
        if words.contains(&"closed") {
            self.closed.clear();
        }
        self.excused.clear();
        outcome.unwrap_or_else(|refusal| describe_refusal(&refusal))
    }

    /// An order; without a number, its id is new.
    fn order(&self, kind: OrderKind, number: Option<&&str>) -> Event {
        let number = number.map_or_else(
            || (1000 + self.history.len()).to_string(),
            |number| (*number).to_owned(),
        );
        let order = order(&number);
        Event::Order(Order { kind, ..order })
    }

    fn go_on_until(&mut self, name: &str) -> String {
        let target = self
            .definition
            .position(name)
            .expect("the step is in the definition");
        let mut line = self.apply(Event::Start).expect("a new saga starts");
        while self.saga.moving.steps[target] == Progress::Idle {
            let mut steps = self.saga.moving.steps.iter();
            let ready = steps.position(|step| matches!(step, Progress::Forward(_)));
            let ready = ready.expect("something is in flight until the last step is done");
            let reply = self.reply(&self.definition.steps()[ready].name, "ok", &[]);
            line = self
                .apply(Event::Reply(reply))
                .expect("success of what is in flight counts");
        }
        line
    }

    /// Applies one event as an engine does: the state and the history move together.
    pub(crate) fn apply(&mut self, event: Event) -> Result<String, Refusal> {
        let (definition, now) = (self.definition, self.now);
        let blocked = Blocked {
            participants: &self.closed,
            steps: &self.excused,
        };
        let decided = transition_withholding(definition, &self.saga, event, now, blocked);
        if let Err(Refusal::NothingDue { wake_at }) = decided {
            self.saga.wake_at = wake_at;
        }
        let transition = decided?;
        self.history.push(transition.entry.clone());
        let checked = invariants::check(self.definition, &self.saga, &transition, &self.history);
        assert_eq!(checked, Ok(()), "after {} entries", self.history.len());
        let line = self.describe(&transition);
        self.saga = transition.next;
        self.sends = transition.sends;
        Ok(line)
    }

    fn pass(&mut self, text: &str) {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
        let number: u64 = number.parse().expect("a number before the unit");
        let wait = match unit {
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => panic!("a wait ends in s or ms: {text:?}"),
        };
        self.now = self.now + wait;
    }

    fn reply(&self, target: &str, outcome: &str, rest: &[&str]) -> Reply {
        let (target, generation) = numbered(target, '@');
        let (target, attempt) = numbered(target, '#');
        let (name, direction) = match target.split_once('/') {
            Some((name, word)) => (name, Direction::from_word(word)),
            None => (target, None),
        };
        let step = self.definition.position(name);
        let progress = step.map(|step| &self.saga.moving.steps[step]);
        let in_flight = progress.and_then(Progress::flight);
        let outcome = match outcome {
            "ok" => Outcome::Succeeded,
            word => Outcome::from_word(word).expect("an outcome is a word of the wire"),
        };
        Reply {
            step: name.to_owned(),
            direction: direction
                .or_else(|| progress.and_then(Progress::direction))
                .unwrap_or(Direction::Forward),
            generation: generation
                .or_else(|| in_flight.map(|flight| flight.generation))
                .unwrap_or(1),
            attempt: attempt
                .or_else(|| in_flight.map(|flight| flight.attempt))
                .unwrap_or(1),
            outcome,
            payload: payload(outcome, step.unwrap_or(0), rest),
        }
    }

    fn describe(&self, transition: &Transition) -> String {
        let Transition { next, entry, .. } = transition;
        let send = |send: &Send| {
            let name = &self.definition.steps()[send.step].name;
            let generation = match send.generation {
                1 => String::new(),
                generation => format!("@{generation}"),
            };
            format!("{name} {}#{}{generation}", send.direction, send.attempt)
        };
        let mut sends: Vec<String> = transition.sends.iter().map(send).collect();
        let notices = transition.notices.iter();
        sends.extend(notices.map(|notice| format!("{} as notice", send(notice))));
        sends.extend(entry.skipped.iter().map(|step| format!("{step} skipped")));
        sends.extend(entry.late.then(|| "recorded as late".to_owned()));
        let sends = if sends.is_empty() {
            "nothing".to_owned()
        } else {
            sends.join(", ")
        };
        let announced = transition
            .announcement
            .map(|announced| format!(", announces {}", announced.as_str()));
        let wake = next.wake_at.map(|at| format!(", wake {}", seconds(at)));
        let exhausted = next.exhausted().map(|(step, flight)| {
            let since = flight.exhausted_since.map(seconds).unwrap_or_default();
            let name = &self.definition.steps()[step].name;
            format!(", {name} needs attention since {since}")
        });
        let withheld = (!entry.withheld.is_empty())
            .then(|| format!(", {} withheld", entry.withheld.join(" and ")));
        let overdue = next.moving.overdue_since;
        let overdue = overdue.map(|since| format!(", overdue since {}", seconds(since)));
        let paused = next.moving.paused.as_ref().map(|_| ", paused".to_owned());
        let more = [announced, wake, exhausted, withheld, overdue, paused]
            .into_iter()
            .flatten();
        format!("{sends} | {}{}", next.status(), more.collect::<String>())
    }

    fn summary(&self) -> String {
        let saga = &self.saga;
        let steps = saga.moving.steps.iter().zip(self.definition.steps());
        let steps: Vec<_> = steps
            .map(|(progress, step)| format!("{} {}", step.name, progress.as_str()))
            .collect();
        let mut text = format!("steps: {}\n", steps.join(", "));
        if let Some(reason) = &saga.moving.reason {
            let Fault { code, message } = reason.fault();
            let step = reason.step().unwrap_or("an operator or the clock");
            text.push_str(&format!("reason: {step}: {code}: {message}\n"));
        }
        for (progress, step) in saga.moving.steps.iter().zip(self.definition.steps()) {
            if let Progress::Parked(trouble) = progress {
                text.push_str(&format!("waits for a person: {}: {trouble}\n", step.name));
            }
        }
        if let Some(output) = &saga.output {
            text.push_str(&format!("output: {}\n", output.text()));
        }
        text
    }
}

pub(crate) fn describe_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NothingDue { wake_at: Some(at) } => {
            format!("refused: {refusal} before {}", seconds(*at))
        }
        Refusal::OrderAppliedBefore(result) => format!("refused: {refusal}: {result:?}"),
        Refusal::OtherDefinition { .. }
        | Refusal::NotStarted
        | Refusal::AlreadyStarted
        | Refusal::Ended(_)
        | Refusal::RevisionsUsedUp
        | Refusal::UnknownStep(_)
        | Refusal::NothingInFlight { .. }
        | Refusal::OutOfPlace { .. }
        | Refusal::NothingDue { wake_at: None }
        | Refusal::PayloadUnfit { .. }
        | Refusal::OrderIdUsedOtherwise { .. }
        | Refusal::OrderMakesNoSense(_) => format!("refused: {refusal}"),
    }
}

pub(crate) fn order(number: &str) -> Order {
    let number = number.parse().expect("an order has a number");
    Order {
        id: OrderId(Uuid::from_u128(number)),
        actor: "operator".to_owned(),
        reason: "the customer asked".to_owned(),
        kind: OrderKind::Cancel,
    }
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).expect("the script has JSON here")
}

fn numbered(target: &str, mark: char) -> (&str, Option<u32>) {
    match target.split_once(mark) {
        Some((rest, number)) => (rest, Some(number.parse().expect("a number after the mark"))),
        None => (target, None),
    }
}

/// The JSON that the script gives, a fault with the code that it gives, or a receipt.
fn payload(outcome: Outcome, step: usize, rest: &[&str]) -> Json {
    let text = match (rest.first(), outcome) {
        (Some(json), _) if json.starts_with(['{', '"', '[']) || *json == "null" => rest.join(" "),
        (Some(code), _) => format!(r#"{{"code":"{code}","message":"says the participant"}}"#),
        (None, Outcome::Succeeded) => format!(r#"{{"number":{}}}"#, step + 1),
        (None, Outcome::Rejected | Outcome::Failed) => {
            r#"{"code":"some-code","message":"says the participant"}"#.to_owned()
        }
        (None, Outcome::AlreadyCompensated | Outcome::Fenced | Outcome::Expired) => {
            "null".to_owned()
        }
    };
    Json::parse(text).expect("a payload is JSON")
}

fn seconds(at: Timestamp) -> String {
    let millis = at.since(Timestamp::default()).as_millis();
    match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        rest => format!("{}.{rest:03}s", millis / 1000),
    }
}
