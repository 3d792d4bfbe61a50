//! What one commit brings for each topic.

use sagas::machine::Send;
use sagas::{SagaId, Timestamp};

use super::gates::{Gate, Gates, Publication};
use super::messages::{OutgoingCommand, Output};
use crate::batch::{OutboxId, Outgoing};

/// Commands and events of one topic.
#[derive(Debug, Default)]
struct Parcel {
    commands: Vec<OutgoingCommand>,
    events: Vec<Outgoing>,
    sagas: Vec<SagaId>,
    bytes: usize,
}

/// Parcels, by gate.
#[derive(Debug)]
pub(super) struct Parcels(Vec<Parcel>);

impl Parcels {
    pub(super) fn new(gates: usize) -> Self {
        Self((0..gates).map(|_| Parcel::default()).collect())
    }

    /// What a saga's transitions send and announce.
    pub(super) fn add(
        &mut self,
        saga: SagaId,
        commands: Vec<OutgoingCommand>,
        events: Vec<Outgoing>,
        gates: &Gates,
    ) {
        for command in commands {
            let Send { step, payload, .. } = &command.send;
            let participant = command.definition.steps()[*step].participant;
            let parcel = &mut self.0[gates.of(participant).place()];
            parcel.bytes += payload.text().len();
            if parcel.sagas.last() != Some(&saga) {
                parcel.sagas.push(saga);
            }
            parcel.commands.push(command);
        }
        for event in events {
            let gate = match &event {
                Outgoing::Event(_) => gates.events(),
                Outgoing::Notice(notice) => gates.of(&notice.participant),
            };
            let parcel = &mut self.0[gate.place()];
            parcel.bytes += event.payload().text().len();
            parcel.events.push(event);
        }
    }

    pub(super) fn drop_events(&mut self) {
        self.0.iter_mut().for_each(|parcel| parcel.events.clear());
    }

    /// Hands over what the gates let through. The events that they do not stay in the outbox row; a command
    /// is here only if its gate was open when it was decided on, and its saga counts it as sent.
    pub(super) fn hand_over(
        self,
        gates: &mut Gates,
        outbox: Option<OutboxId>,
        now: Timestamp,
        outputs: &mut Vec<Output>,
    ) {
        let mut is_kept = false;
        for (place, parcel) in self.0.into_iter().enumerate() {
            let gate = Gate::at(place);
            let Parcel {
                commands,
                mut events,
                sagas,
                bytes,
            } = parcel;
            if !events.is_empty() && !gates.lets_through(gate) {
                events.clear();
                is_kept = true;
            }
            if commands.is_empty() && events.is_empty() {
                continue;
            }
            let outbox = outbox.filter(|_| !events.is_empty());
            let publication = Publication {
                sagas,
                outbox,
                bytes,
            };
            outputs.push(Output::Publish {
                publication: gates.begin(gate, publication, now),
                commands,
                events,
            });
        }
        if let Some(row) = outbox.filter(|_| is_kept) {
            gates.keep(row);
        }
    }
}
