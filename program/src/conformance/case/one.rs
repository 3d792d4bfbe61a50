//! Cases of one saga: its commands one after the other. What has to come is the model's affair, what
//! has to stand the scale's.

use sagas::barrier::Ask::{Compensate, FenceForward, Forward};

use crate::conformance::channel::PayloadForm;
use crate::conformance::model::Handler;
use crate::conformance::talk::{Stop, Talk, partition};

pub(super) fn forward(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.ask(&mut saga, Forward, 1)?;
    talk.undo(&mut saga)
}

/// Twice the same, and an edit that comes too late: it is told which generation took effect.
pub(super) fn duplicate_forward(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.script(&mut saga, &[(Forward, 1), (Forward, 1), (Forward, 2)])?;
    talk.undo(&mut saga)
}

pub(super) fn duplicate_compensation(talk: &mut Talk) -> Result<(), Stop> {
    let script = [
        (Forward, 1),
        (Compensate, 1),
        (Compensate, 1),
        (Compensate, 2),
    ];
    talk.script(&mut talk.saga(), &script)
}

pub(super) fn compensation_first(talk: &mut Talk) -> Result<(), Stop> {
    let script = [(Compensate, 1), (Compensate, 1), (Forward, 1)];
    talk.script(&mut talk.saga(), &script)
}

pub(super) fn late_forward(talk: &mut Talk) -> Result<(), Stop> {
    let script = [(Forward, 1), (Compensate, 1), (Forward, 1), (Forward, 2)];
    talk.script(&mut talk.saga(), &script)
}

/// The very same record again, at once and later, as if its offset had not been committed.
pub(super) fn redelivery(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    let message = talk.message(&mut saga, Forward, 1);
    let record = (&message, partition(&saga));
    talk.send(&[record, record])?;
    talk.hear_from(&mut saga, &message)?;
    talk.hear_from(&mut saga, &message)?;
    talk.send(&[record])?;
    talk.hear_from(&mut saga, &message)?;
    talk.weigh()?;
    talk.undo(&mut saga)
}

/// From the row, or, where the participant keeps rows for less than that, `expired` for good.
pub(super) fn after_a_month(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.old_saga();
    talk.script(&mut saga, &[(Forward, 1), (Forward, 1), (Forward, 2)])?;
    talk.undo(&mut saga)
}

pub(super) fn fence_first(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.script(
        &mut saga,
        &[(FenceForward, 1), (Forward, 1), (FenceForward, 1)],
    )?;
    let mut saga = talk.saga();
    talk.script(&mut saga, &[(Forward, 1), (FenceForward, 1)])?;
    talk.undo(&mut saga)
}

/// A payload that is `null` says as much as one that is left out, and one in base64 is what it holds.
pub(super) fn payloads(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.ask_with(&mut saga, FenceForward, PayloadForm::Null)?;
    let mut saga = talk.saga();
    talk.ask_with(&mut saga, FenceForward, PayloadForm::InBase64)?;
    let mut saga = talk.saga();
    talk.ask_with(&mut saga, Forward, PayloadForm::InBase64)?;
    talk.undo(&mut saga)
}

/// A refusal is final, and there is nothing to undo.
pub(super) fn refused(talk: &mut Talk) -> Result<(), Stop> {
    let Some(mut saga) = talk.refused_saga() else {
        return Ok(());
    };
    talk.script(&mut saga, &[(Forward, 1), (Forward, 1)])?;
    talk.undo(&mut saga)?;
    if talk.scenario.compensation.is_some() {
        talk.ask(&mut saga, Forward, 1)?;
    }
    Ok(())
}

/// A person corrects a refused command; its first version, late, does not run.
pub(super) fn edited(talk: &mut Talk) -> Result<(), Stop> {
    let Some(mut saga) = talk.refused_saga() else {
        return Ok(());
    };
    talk.ask(&mut saga, Forward, 1)?;
    let corrected = talk.scenario.forward.payload.fill(saga.id.0);
    saga.forward = (corrected, Handler::Succeeds);
    talk.script(&mut saga, &[(Forward, 2), (Forward, 1)])?;
    talk.undo(&mut saga)
}

/// What is visible and on no standby may be lost at a failover: nobody is told of it.
pub(super) fn unconfirmed(talk: &mut Talk) -> Result<(), Stop> {
    let mut saga = talk.saga();
    talk.ask(&mut saga, Forward, 1)?;
    let message = talk.message(&mut saga, Forward, 1);
    talk.silent_without_standby(&message, partition(&saga))?;
    talk.hear_from(&mut saga, &message)?;
    talk.weigh()?;
    talk.undo(&mut saga)
}
