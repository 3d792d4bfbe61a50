//! A participant that keeps its inbox in memory and has one defect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::barrier::{Answer, Ask, Decision, Row, decide};
use sagas::wire::{CommandMessage, Fault, ReplyMessage, topics};
use sagas::{Direction, Outcome};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::broker::Record;
use crate::servers::Servers;

pub(super) const PARTICIPANT: &str = "sloppy";
pub(super) const SCENARIO: &str = r#"{
    "forward": { "command": "hold", "payload": { "id": "{uuid}" } },
    "compensation": { "command": "release", "payload": { "id": "{uuid}" } },
    "refused": { "payload": { "id": "{uuid}", "refuse": true } }
}"#;

const PARTITIONS: i32 = 2;
/// What comes within this time of each other is one batch.
const TOGETHER: Duration = Duration::from_millis(5);
/// The same where the defect is in batches: none may come apart on a busy machine.
const SURELY_TOGETHER: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    None,
    /// `succeeded`, whatever comes.
    IgnoresTheBarrier,
    ForgetsWhatIsDone,
    ForgetsWhatIsUndone,
    ForgetsRefusals,
    /// The row is found by the command's id, not by saga and step.
    KnowsCommandsOnly,
    /// The very message that was answered is not answered again.
    SilentOnRepeats,
    /// What is a month old has expired, but was done all the same.
    ExpiresAfterTheEffect,
    /// One refusal, and the whole batch is `failed`.
    FailsTogether,
    FencesWithoutARow,
    /// A refusal holds for every later generation.
    NeverCorrects,
    StopsAtNonsense,
    /// A record without `data` is no command.
    WantsData,
    /// A record with `data: null` is no command.
    RefusesNull,
    RejectsWhatItDoesNotKnow,
    RepliesAnywhere,
    /// The orchestrator cannot tell which generation took effect.
    HidesTheGeneration,
    /// It answers from the row, and takes effect again all the same.
    RunsAgainUnseen,
    /// It answers from a row that no standby has.
    AnswersUnconfirmed,
}

const FIRST: &str = "forward and compensation";
const DUPLICATE: &str = "duplicate forward";
const UNDONE_TWICE: &str = "duplicate compensation";
const UNDONE_FIRST: &str = "compensation first";
const LATE: &str = "late forward";
const AT_ONCE: &str = "concurrent forward and compensation";
const REDELIVERED: &str = "redelivery, as after a crash between commit and reply";
const A_MONTH: &str = "redelivery after a month";
const NEIGHBOUR: &str = "batch with one bad neighbour";
const FENCE: &str = "fence before the forward command";
const REFUSED: &str = "refused forward";
const EDITED: &str = "edit after a refusal";
const PAYLOADS: &str = "payload null, or in base64";
const STRANGE: &str = "records that nobody can handle";

/// Which cases find out which defect, all of them.
pub(super) const FOUND_BY: &[(Defect, &[&str])] = &[
    (Defect::None, &[]),
    (
        Defect::IgnoresTheBarrier,
        &[
            DUPLICATE,
            UNDONE_TWICE,
            UNDONE_FIRST,
            LATE,
            AT_ONCE,
            A_MONTH,
            NEIGHBOUR,
            FENCE,
            REFUSED,
            EDITED,
            PAYLOADS,
            STRANGE,
        ],
    ),
    (
        Defect::ForgetsWhatIsDone,
        &[DUPLICATE, REDELIVERED, A_MONTH, NEIGHBOUR, FENCE, EDITED],
    ),
    (
        Defect::ForgetsWhatIsUndone,
        &[UNDONE_TWICE, UNDONE_FIRST, LATE, AT_ONCE, FENCE, REFUSED],
    ),
    (Defect::ForgetsRefusals, &[NEIGHBOUR, REFUSED]),
    (
        Defect::KnowsCommandsOnly,
        &[
            DUPLICATE,
            UNDONE_TWICE,
            UNDONE_FIRST,
            LATE,
            AT_ONCE,
            A_MONTH,
            FENCE,
            REFUSED,
            EDITED,
        ],
    ),
    (Defect::SilentOnRepeats, &[REDELIVERED]),
    (Defect::ExpiresAfterTheEffect, &[A_MONTH]),
    (Defect::FailsTogether, &[NEIGHBOUR]),
    (Defect::FencesWithoutARow, &[FENCE]),
    (Defect::NeverCorrects, &[EDITED]),
    (Defect::StopsAtNonsense, &[STRANGE]),
    (Defect::WantsData, &[FENCE, PAYLOADS, STRANGE]),
    (Defect::RefusesNull, &[PAYLOADS]),
    (Defect::RejectsWhatItDoesNotKnow, &[STRANGE]),
    (Defect::RepliesAnywhere, &[FIRST]),
    (Defect::HidesTheGeneration, &[FIRST]),
];

/// Which cases find what no answer tells of, if the effects are weighed.
pub(super) const FOUND_BY_EFFECTS: &[&str] = &[DUPLICATE, REDELIVERED, A_MONTH, NEIGHBOUR, EDITED];

/// Which case finds what only a failover would show, if the standby can be sent away.
pub(super) const FOUND_WITHOUT_STANDBY: &[&str] = &["stored answer while the standby is away"];

/// While this file is beside that of the effects, the standby is away.
pub(super) const AWAY: &str = "away";

/// The participant; it ends with this.
pub(super) struct Sloppy {
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sloppy {
    /// `effects`: where it writes how many effects stand.
    pub(super) async fn start(servers: &Servers, defect: Defect, effects: PathBuf) -> Self {
        let topic = topics::commands(servers.prefix(), PARTICIPANT);
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", servers.brokers());
        client
            .set("group.id", "nobody")
            .set("fetch.queue.backoff.ms", "5");
        let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
        let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        let created = admin.create_topics(&[new], &AdminOptions::new()).await;
        created.unwrap().remove(0).unwrap();
        let commands: BaseConsumer = client.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topic, partition, Offset::Beginning)
                .unwrap();
        }
        commands.assign(&list).unwrap();
        let mut work = Work {
            defect,
            commands,
            replies: client.set("linger.ms", "0").create().unwrap(),
            rows: BTreeMap::new(),
            answered: BTreeSet::new(),
            runs: 0,
            standing: 0,
            effects,
        };
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopping);
        let work = move || while !stop.load(Ordering::Relaxed) && work.go_on() {};
        Self {
            is_stopping,
            thread: Some(std::thread::spawn(work)),
        }
    }
}

impl Drop for Sloppy {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

struct Work {
    defect: Defect,
    commands: BaseConsumer,
    replies: BaseProducer,
    rows: BTreeMap<Uuid, Row>,
    answered: BTreeSet<(Uuid, u32)>,
    /// How often a handler has run; it is in the replies, so that a second run shows.
    runs: u32,
    standing: i64,
    effects: PathBuf,
}

impl Work {
    /// Answers one batch. `false`: no more.
    fn go_on(&mut self) -> bool {
        let mut batch = Vec::new();
        let together = match self.defect {
            Defect::FailsTogether => SURELY_TOGETHER,
            _ => TOGETHER,
        };
        // An error is news of a connection, which comes back by itself.
        while let Some(polled) = self.commands.poll(together) {
            batch.extend(polled.ok().map(|message| Record::from(&message)));
        }
        let mut answers = Vec::new();
        for record in &batch {
            // Its values stay unread: some payloads have numbers that no type here holds.
            let data = || {
                let value = record.value.as_deref().unwrap_or_default();
                let read = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(value);
                let data = read.ok()?.remove("data")?;
                Some(data.get().to_owned())
            };
            match CommandMessage::parse(record.key.as_deref(), record.value.as_deref()) {
                Ok(_) if self.defect == Defect::WantsData && data().is_none() => {}
                Ok(_)
                    if self.defect == Defect::RefusesNull && data().as_deref() == Some("null") => {}
                Ok(command) => {
                    let answer = self.answer(&command);
                    answers.extend(answer.map(|answer| (command, answer)));
                }
                Err(_) if self.defect == Defect::StopsAtNonsense => return false,
                Err(_) => {}
            }
        }
        let is_refused = |(_, answer): &(_, Answer)| answer.outcome == Outcome::Rejected;
        if self.defect == Defect::FailsTogether
            && answers.iter().any(is_refused)
            && answers.len() > 1
        {
            for (command, answer) in &mut answers {
                self.rows.remove(&command.saga.0);
                *answer = failed("batch");
            }
        }
        // Before the answers, and not while somebody who has them reads it.
        if !answers.is_empty() {
            std::fs::write(&self.effects, self.standing.to_string()).unwrap();
        }
        self.commit();
        for (command, answer) in answers {
            self.reply(&command, answer);
        }
        self.replies.poll(Duration::ZERO);
        true
    }

    /// Returns once the standby has everything.
    fn commit(&self) {
        let away = self.effects.with_file_name(AWAY);
        while away.exists() && self.defect != Defect::AnswersUnconfirmed {
            std::thread::sleep(TOGETHER);
        }
    }

    fn answer(&mut self, command: &CommandMessage<'_>) -> Option<Answer> {
        let (ask, generation) = (command.ask(), command.generation);
        if !self.answered.insert((command.id.0, command.attempt))
            && self.defect == Defect::SilentOnRepeats
        {
            return None;
        }
        let key = match self.defect {
            Defect::KnowsCommandsOnly => command.id.0,
            _ => command.saga.0,
        };
        let row = self.rows.get(&key);
        if let Some(answer) = self.careless(command, row) {
            return Some(answer);
        }
        let asked = match (self.defect, row) {
            (Defect::NeverCorrects, Some(Row::Refused { .. })) => 1,
            _ => generation,
        };
        let (row, answer) = match decide(row, ask, asked, false) {
            Decision::Answer(answer) => {
                let is_repeat = ask == Ask::Forward && answer.outcome == Outcome::Succeeded;
                self.standing += i64::from(is_repeat && self.defect == Defect::RunsAgainUnseen);
                return Some(answer);
            }
            Decision::Write(row, answer) => (row, answer),
            Decision::RunForward | Decision::RunCompensation => {
                let row = row.cloned();
                match self.run(command) {
                    Ok(reply) => match row.filter(|_| ask == Ask::Compensate) {
                        Some(row) => row.compensated(generation, reply),
                        None => Row::done(generation, reply),
                    },
                    Err(fault) if fault.code == "unknown-command" => {
                        return Some(self.unknown(&fault, generation));
                    }
                    Err(fault) => Row::refused(generation, fault.to_json()),
                }
            }
        };
        let is_forgotten = matches!(
            (&row, self.defect),
            (Row::Done { .. }, Defect::ForgetsWhatIsDone)
                | (Row::Undone { .. }, Defect::ForgetsWhatIsUndone)
                | (Row::Refused { .. }, Defect::ForgetsRefusals)
        );
        if is_forgotten {
            self.rows.remove(&key);
        } else {
            self.rows.insert(key, row);
        }
        Some(answer)
    }

    /// The answer of a defect that does not ask the barrier.
    fn careless(&self, command: &CommandMessage<'_>, row: Option<&Row>) -> Option<Answer> {
        let is_old = command.time.since(command.started_at) > Duration::from_secs(86_400);
        let is_fence = command.direction == Direction::Fence;
        match self.defect {
            Defect::IgnoresTheBarrier => Some(done("null".to_owned(), command.generation)),
            Defect::ExpiresAfterTheEffect if is_old && row.is_some() => {
                Some(Answer::bare(Outcome::Expired))
            }
            Defect::FencesWithoutARow if is_fence && row.is_none() => {
                Some(Answer::bare(Outcome::Fenced))
            }
            _ => None,
        }
    }

    fn run(&mut self, command: &CommandMessage<'_>) -> Result<String, Fault> {
        self.runs += 1;
        if !["hold", "release"].contains(&command.command.as_ref()) {
            return Err(Fault::new("unknown-command", command.command.as_ref()));
        }
        let payload: serde_json::Value = serde_json::from_slice(&command.payload)
            .map_err(|error| Fault::new("unreadable-payload", error.to_string()))?;
        if payload["refuse"] == true {
            return Err(Fault::new(
                "no",
                format!("as you wish, by run {}", self.runs),
            ));
        }
        self.standing += match command.direction {
            Direction::Compensate => -1,
            Direction::Forward | Direction::Fence => 1,
        };
        Ok(format!("{{\"run\":{}}}", self.runs))
    }

    fn unknown(&self, fault: &Fault, generation: u32) -> Answer {
        match self.defect {
            Defect::RejectsWhatItDoesNotKnow => Row::refused(generation, fault.to_json()).1,
            _ => Answer::failed(fault.to_json()),
        }
    }

    fn reply(&self, command: &CommandMessage<'_>, mut answer: Answer) {
        if self.defect == Defect::HidesTheGeneration {
            answer.effective = None;
        }
        let reply = ReplyMessage::to(command, answer, command.time);
        let partition = match self.defect {
            Defect::RepliesAnywhere => 0,
            _ => command.reply_to.partition,
        };
        let (key, value) = (reply.key(), reply.value());
        let record = BaseRecord::to(&command.reply_to.topic);
        let record = record.partition(partition).key(&key).payload(&value);
        let sent = self.replies.send(record);
        sent.map_err(|(error, _)| error).unwrap();
    }
}

fn done(payload: String, generation: u32) -> Answer {
    Row::done(generation, payload).1
}

fn failed(code: &'static str) -> Answer {
    Answer::failed(Fault::new(code, "it did not work").to_json())
}
