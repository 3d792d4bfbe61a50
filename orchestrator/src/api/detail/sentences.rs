//! History, told in sentences.

use sagas::machine::{Entry, EntryKind, OrderKind, Sent, Status};
use sagas::{Direction, Fault, Json, Outcome};

/// What happened in this transition; `before` is the one before it.
pub(super) fn tell(entry: &Entry, before: Option<&Entry>) -> String {
    let mut text = match entry.event {
        EntryKind::Started => "The saga was accepted.".to_owned(),
        EntryKind::Reply => reply(entry),
        EntryKind::Wake if releases(entry, before) => "The topic takes records again.".to_owned(),
        EntryKind::Wake => "Time was up.".to_owned(),
        EntryKind::Order => order(entry),
    };
    if entry.late {
        text.push_str(" It came too late to move anything.");
    }
    if !entry.skipped.is_empty() {
        let names: Vec<_> = entry.skipped.iter().map(String::as_str).collect();
        text.push_str(&format!(
            " Skipped {}: the condition does not hold.",
            list(&names)
        ));
    }
    let all: Vec<&Sent> = gone_out(entry).collect();
    for clause in sent(&all, releases(entry, before))
        .into_iter()
        .chain(withheld(entry, before))
    {
        text.push(' ');
        text.push_str(&clause);
    }
    let was = before.map(|before| before.status);
    if was.is_some_and(|was| was != entry.status) || is_stuck_at_start(entry, before) {
        text.push(' ');
        text.push_str(change(entry.status));
    }
    if let Some(trouble) = &entry.trouble {
        text.push_str(&format!(" But {trouble}."));
    }
    text
}

/// The commands that were sent in it, and not withheld.
pub(super) fn gone_out(entry: &Entry) -> impl Iterator<Item = &Sent> {
    let sent = entry.sent.iter();
    sent.filter(|sent| !entry.withheld.contains(&sent.step))
}

fn is_stuck_at_start(entry: &Entry, before: Option<&Entry>) -> bool {
    before.is_none() && entry.status == Status::Stuck
}

fn reply(entry: &Entry) -> String {
    let step = entry.step.as_deref().unwrap_or("a step");
    let attempt = entry.attempt.unwrap_or(1);
    let what = match entry.direction {
        Some(Direction::Compensate) => format!("The compensation of {step}"),
        Some(Direction::Fence) => format!("The question about {step}"),
        Some(Direction::Forward) | None => step.to_owned(),
    };
    match (entry.direction, entry.outcome) {
        (Some(Direction::Fence), Some(Outcome::Fenced)) => {
            format!("{step} has not taken effect, and never will.")
        }
        (Some(Direction::Fence), Some(Outcome::Succeeded)) => {
            format!("{step} had taken effect.")
        }
        (_, Some(Outcome::Succeeded)) => format!("{what} succeeded."),
        (_, Some(Outcome::Rejected)) => {
            format!("{what} was rejected{}.", said(entry.payload.as_ref()))
        }
        (_, Some(Outcome::Failed)) => {
            format!(
                "{what} failed on attempt {attempt}{}.",
                said(entry.payload.as_ref())
            )
        }
        (_, Some(Outcome::AlreadyCompensated)) => format!("{what}: it was compensated before."),
        (_, Some(Outcome::Fenced)) => format!("{what}: it can never take effect any more."),
        (_, Some(Outcome::Expired)) => {
            format!("{what}: the participant no longer knows whether it took effect.")
        }
        (_, None) => format!("{what} was answered."),
    }
}

/// `: code: message`, or nothing when the payload is not a fault.
fn said(payload: Option<&Json>) -> String {
    let fault = payload.and_then(|text| text.read::<Fault>().ok());
    match fault {
        Some(Fault { code, message }) if message.is_empty() => format!(": {code}"),
        Some(Fault { code, message }) => format!(": {code}: {message}"),
        None => String::new(),
    }
}

fn order(entry: &Entry) -> String {
    let Some(order) = &entry.order else {
        return "An order was given.".to_owned();
    };
    let what = match &order.kind {
        OrderKind::Cancel => "cancel".to_owned(),
        OrderKind::Pause => "pause".to_owned(),
        OrderKind::Resume => "resume".to_owned(),
        OrderKind::RetryNow { step: None } => "try again now".to_owned(),
        OrderKind::RetryNow { step: Some(step) } => format!("try {step} again now"),
        OrderKind::Edit { step, .. } => format!("send {step} with another payload"),
        OrderKind::Skip { step, .. } => format!("skip {step}, as done by hand"),
        OrderKind::Resolve { step } => format!("resolve {step}, as compensated by hand"),
    };
    format!("{} ordered to {what}: {}.", order.actor, order.reason)
}

/// Whether something goes out that its topic did not take before.
fn releases(entry: &Entry, before: Option<&Entry>) -> bool {
    let was = |sent: &Sent| before.is_some_and(|before| before.withheld.contains(&sent.step));
    gone_out(entry).any(was) || !entry.excused.is_empty()
}

/// What is withheld, and was not before.
fn withheld(entry: &Entry, before: Option<&Entry>) -> Option<String> {
    let was = |step: &&String| before.is_some_and(|before| before.withheld.contains(*step));
    let names = entry.withheld.iter().filter(|step| !was(step));
    let names: Vec<&str> = names.map(String::as_str).collect();
    let topics = match names.len() {
        0 => return None,
        1 => "waits for its topic, which takes",
        _ => "wait for their topics, which take",
    };
    Some(format!("{} {topics} nothing.", list(&names)))
}

/// `is_release`: some of it may go out for the first time.
fn sent(all: &[&Sent], is_release: bool) -> Vec<String> {
    let is_new = |sent: &&Sent| sent.payload.is_some();
    let all = all.iter().copied();
    let of = |direction: Direction| all.clone().filter(move |sent| sent.direction == direction);
    let names = |sent: Vec<&Sent>| {
        let names: Vec<_> = sent.iter().map(|sent| sent.step.as_str()).collect();
        (!names.is_empty()).then(|| list(&names))
    };
    let mut clauses = Vec::new();
    if let Some(names) = names(of(Direction::Forward).filter(is_new).collect()) {
        clauses.push(format!("Sent {names}."));
    }
    if let Some(names) = names(of(Direction::Compensate).filter(is_new).collect()) {
        clauses.push(format!("Sent the compensation of {names}."));
    }
    if let Some(names) = names(of(Direction::Fence).collect()) {
        clauses.push(format!(
            "Asked the participant of {names} to make it final."
        ));
    }
    let again = all.clone().filter(|sent| !is_new(sent));
    for sent in again.filter(|sent| sent.direction != Direction::Fence) {
        let what = match sent.direction {
            Direction::Compensate => "the compensation of ",
            Direction::Forward | Direction::Fence => "",
        };
        let (step, attempt) = (&sent.step, sent.attempt);
        let again = if is_release { "" } else { " again" };
        clauses.push(format!("Sent {what}{step}{again}, attempt {attempt}."));
    }
    clauses
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn change(status: Status) -> &'static str {
    match status {
        Status::Running => "The saga goes on.",
        Status::Compensating => "The saga turns back.",
        Status::Completed => "The saga is completed.",
        Status::Compensated => "The saga is compensated.",
        Status::Stuck => "A person must decide.",
    }
}
