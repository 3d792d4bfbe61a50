//! Records that the broker refuses for what they are.

use sagas::wire::size::COMMAND_BYTES_MAX;

use super::*;
use crate::outgoing::Topics;
use crate::record::{OutgoingRecord, Refusal, Refused};
use crate::unsent;

fn refused(record: OutgoingRecord) -> Refused {
    let limit = Some(100);
    let why = Refusal::TooLarge { limit };
    Refused { record, why }
}

impl Bench {
    /// The broker has all that was published, but for these records.
    fn refuse(&mut self, is_refused: impl Fn(&OutgoingRecord) -> bool) {
        let topics = Topics::new("saga", &["oracle"]);
        let published = std::mem::take(&mut self.outputs);
        for output in &published {
            let Output::Publish {
                publication,
                commands,
                events,
            } = output
            else {
                continue;
            };
            let commands = commands.iter().map(|command| topics.command(command));
            let records = events.iter().map(|event| topics.outgoing(event));
            let records = commands.chain(records).filter(&is_refused);
            let unsent: Vec<_> = records
                .map(|record| unsent::read(refused(record), events))
                .collect();
            if !unsent.is_empty() {
                self.take(Input::Unsent(unsent));
            }
            self.take(Input::Published {
                publication: *publication,
                is_acknowledged: true,
            });
        }
    }
}

fn is_command(record: &OutgoingRecord) -> bool {
    *record.topic == *"saga.oracle.commands"
}

#[test]
fn a_command_that_is_refused_has_failed_and_is_tried_again() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.commit();
    bench.refuse(is_command);
    let batch = bench.commit();
    let [update] = &batch.updates[..] else {
        panic!("no saga moves: {batch:?}");
    };
    let entry = &update.state.entries[0];
    assert_eq!(entry.outcome, Some(Outcome::Failed));
    let fault: sagas::Fault = entry.payload.as_ref().unwrap().read().unwrap();
    assert_eq!(fault.code, "command-too-large");
    let (start, end) = (
        "the record has ",
        " bytes, the topic saga.oracle.commands takes 100 (MessageSizeTooLarge)",
    );
    assert!(fault.message.starts_with(start), "{}", fault.message);
    assert!(fault.message.ends_with(end), "{}", fault.message);

    bench.outputs.clear();
    bench.now = bench.now + Duration::from_secs(1);
    bench.take(Input::wake(id));
    bench.commit();
    assert_eq!(bench.published(), ["first"]);
}

#[test]
fn who_was_never_asked_is_not_called_silent() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.commit();
    let reason = loop {
        bench.refuse(is_command);
        let state = bench.commit().updates.remove(0).state;
        if let Some(reason) = state.moving.reason {
            break reason;
        }
        bench.outputs.clear();
        bench.now = bench.now + Duration::from_secs(60);
        bench.take(Input::wake(id));
        bench.commit();
    };
    let said = &reason.fault().message;
    let start = "no success in 10 attempts; the last failure was command-too-large: the record";
    assert!(said.starts_with(start), "{said}");
}

#[test]
fn a_lifecycle_event_that_is_refused_is_kept_as_a_dead_letter() {
    let mut bench = Bench::new();
    bench.submit("a");
    let batch = bench.batch();
    let row = OutboxId {
        slot: 2,
        id: Uuid::from_u128(1),
    };
    bench.answer(Ok(Committed {
        outbox: Some(row),
        ..bench.won(&batch)
    }));
    bench.refuse(|record| !is_command(record));
    let batch = bench.commit();
    let [letter] = &batch.dead_letters[..] else {
        panic!("no dead letter: {batch:?}");
    };
    assert_eq!((&*letter.topic, letter.offset), ("saga.events", -1));
    let said = &letter.reason;
    assert!(
        said.starts_with("it was not published: the record has"),
        "{said}"
    );
    assert!(batch.updates.is_empty(), "the command arrived");
    bench.lane.flush_deliveries();
    let outputs = bench.lane.turn(bench.now);
    bench.outputs.extend(outputs);
    assert_eq!(bench.batch().delivered, [row]);
}

#[test]
fn a_submission_whose_first_command_is_too_large_is_told_so_and_not_stored() {
    let mut saga = Definition::of::<String>("long-question");
    let said = saga.step("ask").send(|text, ()| Say { text: text.clone() });
    said.pivot();
    let mut bench = Bench::of(saga.build().unwrap());
    let mut submit = |bytes: usize| {
        let input = format!("{:?}", "x".repeat(bytes - r#"{"text":""}"#.len()));
        let submission = Submission {
            definition: bench.definition.clone(),
            input: Json::parse(input).unwrap(),
            key: None,
        };
        bench.outputs.clear();
        bench.take(Input::start(
            SagaId(Uuid::from_u128(7)),
            Ticket(1),
            submission,
        ));
        std::mem::take(&mut bench.outputs)
    };
    let outputs = submit(COMMAND_BYTES_MAX + 1);
    let [Output::Started(Ticket(1), StartAnswer::CommandTooLarge(too_large))] = &outputs[..] else {
        panic!("{} outputs", outputs.len());
    };
    let expected = "the command of step ask has 8372225 bytes, at most 8372224 are sent";
    assert_eq!(too_large.to_string(), expected);
    let outputs = submit(COMMAND_BYTES_MAX);
    assert!(matches!(outputs[..], [Output::Commit { .. }]));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Say {
    text: String,
}

impl Command for Say {
    const PARTICIPANT: &'static str = "oracle";
    const NAME: &'static str = "say";
    const REJECTABLE: bool = true;
    type Reply = u32;
}
