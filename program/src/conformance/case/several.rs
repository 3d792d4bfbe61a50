//! Cases of several sagas at once, and of records that are nobody's.

use sagas::barrier::Answer;
use sagas::barrier::Ask::{Compensate, FenceForward, Forward};
use sagas::wire::CommandMessage;
use sagas::{Fault, Outcome};

use crate::conformance::model::{Handler, shown};
use crate::conformance::talk::{Saga, Stop, Talk, partition};

/// So many sagas are raced: few enough for a test, enough for both orders to win.
const RACES: usize = 16;
/// JSON of no type: a number, which no command is, and beyond those that `serde_json` gives anybody.
const UNREADABLE: &[u8] = b"1e999";

/// A step's two commands on two partitions, so that two instances may hold them at the same moment.
pub(super) fn concurrent(talk: &mut Talk) -> Result<(), Stop> {
    let mut races = Vec::with_capacity(RACES);
    for _ in 0..RACES {
        let mut saga = talk.saga();
        let forward = talk.message(&mut saga, Forward, 1);
        let undo = talk.message(&mut saga, Compensate, 1);
        races.push((saga, forward, undo));
    }
    let mut sent = Vec::with_capacity(2 * RACES);
    for (race, (saga, forward, undo)) in races.iter().enumerate() {
        let both = [(forward, partition(saga)), (undo, partition(saga) + 1)];
        sent.extend(both);
        let last = sent.len() - 1;
        if race % 2 == 1 {
            sent.swap(last - 1, last);
        }
    }
    talk.send(&sent)?;
    for (saga, forward, undo) in &mut races {
        let (done, undone) = (talk.hear(forward)?, talk.hear(undo)?);
        in_some_order(talk, saga, (forward, &done), (undo, &undone))?;
    }
    talk.weigh()?;
    for (mut saga, ..) in races {
        talk.script(&mut saga, &[(Forward, 1), (Compensate, 1)])?;
    }
    Ok(())
}

/// One of the two orders explains both answers.
fn in_some_order(
    talk: &mut Talk,
    saga: &mut Saga,
    forward: (&CommandMessage<'_>, &Answer),
    undo: (&CommandMessage<'_>, &Answer),
) -> Result<(), Stop> {
    let order = match forward.1.outcome {
        Outcome::AlreadyCompensated => [undo, forward],
        _ => [forward, undo],
    };
    order
        .into_iter()
        .try_for_each(|(message, answer)| talk.judge(saga, message, answer))
}

/// The middle one of three comes to nothing, the others take effect.
pub(super) fn bad_neighbour(talk: &mut Talk) -> Result<(), Stop> {
    let mut unreadable = talk.saga();
    unreadable.forward = (UNREADABLE.to_vec(), Handler::Refuses);
    beside(talk, unreadable)?;
    match talk.refused_saga() {
        Some(refused) => beside(talk, refused),
        None => Ok(()),
    }
}

fn beside(talk: &mut Talk, bad: Saga) -> Result<(), Stop> {
    let mut sagas = [talk.saga(), bad, talk.saga()];
    // One partition: they are read together.
    let together = partition(&sagas[1]);
    let messages = sagas.each_mut().map(|saga| talk.message(saga, Forward, 1));
    let batch: Vec<_> = messages.iter().map(|message| (message, together)).collect();
    talk.send(&batch)?;
    for (saga, message) in sagas.iter_mut().zip(&messages) {
        talk.hear_from(saga, message)?;
    }
    talk.weigh()?;
    for saga in &mut sagas {
        talk.ask(saga, Forward, 1)?;
        talk.undo(saga)?;
    }
    Ok(())
}

/// What is no command is passed over; what nobody handles yet is `failed`, and can be fenced.
pub(super) fn strange(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.note("sent a record that is no message".to_owned());
    talk.channel.send_unreadable(partition(&saga))?;
    talk.ask(&mut saga, Forward, 1)?;
    talk.undo(&mut saga)?;

    let mut saga = talk.saga();
    let mut message = talk.message(&mut saga, Forward, 1);
    message.command = "conformance-no-such-command".into();
    talk.send(&[(&message, partition(&saga))])?;
    let answer = talk.hear(&message)?;
    let fault = serde_json::from_str::<Fault>(&answer.payload);
    let is_unknown = fault.is_ok_and(|fault| fault.code == "unknown-command");
    if answer.outcome != Outcome::Failed || !is_unknown {
        let expected = "failed {\"code\":\"unknown-command\",…}: a newer instance may know it";
        return Err(Stop::wrong(expected, shown(&answer)));
    }
    talk.ask(&mut saga, FenceForward, 1)
}
