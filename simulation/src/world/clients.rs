//! Clients: they submit, under a key or without one, ask again when they do not know, cancel
//! sometimes, and note what they were told.
//!
//! Invariant: a client with a key asks until it is told an answer that ends the matter; one without a
//! key asks once, because it could not tell its own saga from a second one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::engine::lane::{Answer, Input};
use orchestrator::engine::{ANSWER_WITHIN, Submission, route};
use sagas::machine::{Order, OrderKind};
use sagas::{Definition, Json, OrderId, SagaId};
use uuid::Uuid;

use super::replicas::Stage;
use super::{Happening, Life, World};
use crate::commands::Task;
use crate::faults::Fault;
use crate::journal::{Accepted, Ordered, Submitted};
use crate::layout::Scene;
use crate::rng::Rng;

/// All clients and their requests.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Vec<Client>,
    requests: BTreeMap<u64, Request>,
    last_request: u64,
    /// Errands that are not done.
    pub(crate) open: usize,
}

#[derive(Debug)]
struct Client {
    id: SagaId,
    key: Option<String>,
    definition: Arc<Definition>,
    input: Json,
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Its saga.
    Submit,
    /// Its saga, a second time.
    SubmitAgain,
    /// Something else under the same key.
    SubmitOther,
    /// An end to its saga.
    Cancel(OrderId),
}

#[derive(Debug)]
struct Request {
    client: usize,
    errand: Errand,
    submission: Option<usize>,
    life: Life,
}

impl Clients {
    pub(crate) fn random(count: usize, scene: &Scene, rng: &mut Rng) -> Self {
        let definitions: Vec<&Arc<Definition>> = scene.registry.iter().collect();
        let clients = (0..count).map(|number| {
            let key = rng
                .chance(800)
                .then(|| format!("key-{number}-{}", rng.any()));
            let number = u32::try_from(number).unwrap_or(0);
            let submission = Submission {
                definition: Arc::clone(rng.pick(&definitions)),
                input: Json::of(&Task { number }).unwrap_or_else(|_| Json::null()),
                key,
            };
            // Without a key, production takes the time into the id; here the seed fixes it.
            let random = SagaId(rng.uuid());
            let id = if submission.key.is_some() {
                submission.id()
            } else {
                random
            };
            let Submission {
                definition,
                input,
                key,
            } = submission;
            Client {
                id,
                key,
                definition,
                input,
            }
        });
        Self {
            clients: clients.collect(),
            requests: BTreeMap::new(),
            last_request: 0,
            open: 0,
        }
    }

    /// The sagas' numbers, for people.
    pub(crate) fn numbers(&self) -> BTreeMap<SagaId, usize> {
        let clients = self.clients.iter().enumerate();
        clients
            .map(|(number, client)| (client.id, number))
            .collect()
    }
}

impl World {
    pub(crate) fn clients_begin(&mut self) {
        for client in 0..self.clients.clients.len() {
            let begin = self.rng.millis(0, 9_000);
            self.plan_errand(begin, client, Errand::Submit);
            let has_key = self.clients.clients[client].key.is_some();
            if has_key && self.rng.chance(200) {
                let wait = begin + self.rng.millis(0, 3_000);
                self.plan_errand(wait, client, Errand::SubmitAgain);
            }
            if has_key && self.strikes(Fault::KeyReused, 100) {
                let wait = self.rng.millis(0, 12_000);
                self.plan_errand(wait, client, Errand::SubmitOther);
            }
            if self.strikes(Fault::ClientCancelled, 250) {
                let order = OrderId(self.rng.uuid());
                // Most sagas are done within some fifty milliseconds.
                let latest = self.rng.pick(&[60, 60, 3_000]);
                let wait = begin + self.rng.millis(0, latest);
                self.plan_errand(wait, client, Errand::Cancel(order));
                if self.rng.chance(200) {
                    let order = OrderId(self.rng.uuid());
                    self.plan_errand(wait, client, Errand::Cancel(order));
                }
            }
        }
    }

    fn plan_errand(&mut self, wait: Duration, client: usize, errand: Errand) {
        self.clients.open += 1;
        self.agenda.after(wait, Happening::Client(client, errand));
    }

    pub(crate) fn client_acts(&mut self, number: usize, errand: Errand) {
        let replica = self.rng.index(self.replicas.len());
        let client = &self.clients.clients[number];
        let (id, lane) = (client.id, route::lane_of(client.id, self.layout.lanes));
        let is_up = self.replicas[replica].stage == Stage::Up;
        if !is_up || !self.has_room(replica, lane) {
            return self.act_later(number, errand);
        }
        let submission = match errand {
            Errand::Submit | Errand::SubmitAgain => Some(client.submission(false)),
            Errand::SubmitOther => Some(client.submission(true)),
            Errand::Cancel(_) => None,
        };
        let noted = submission
            .as_ref()
            .map(|submission| self.note_submission(id, submission));
        self.clients.last_request += 1;
        let request = self.clients.last_request;
        let life = self.life(replica);
        let ticket = self.replicas[replica].lanes[lane].ticket(request);
        let input = match (submission, errand) {
            (Some(submission), _) => Input::Submit {
                ticket,
                id,
                submission,
            },
            (None, Errand::Cancel(order)) => {
                self.journal.cancelled.insert(id);
                let order = cancel(order);
                Input::Order {
                    ticket,
                    saga: id,
                    order,
                }
            }
            (None, _) => return,
        };
        self.say(Some(id), || {
            format!("its client asks replica {replica}: {errand:?}")
        });
        let (client, submission) = (number, noted);
        let open = Request {
            client,
            errand,
            submission,
            life,
        };
        self.clients.requests.insert(request, open);
        self.give(life, lane, input);
        let is_impatient = self.strikes(Fault::ClientImpatient, 50);
        let wait = if is_impatient {
            self.rng.millis(1, 100)
        } else {
            ANSWER_WITHIN
        };
        self.agenda.after(wait, Happening::GiveUp(request));
    }

    fn act_later(&mut self, client: usize, errand: Errand) {
        let wait = self.rng.millis(20, 1_000);
        self.agenda.after(wait, Happening::Client(client, errand));
    }

    fn note_submission(&mut self, id: SagaId, submission: &Submission) -> usize {
        self.journal.submissions.push(Submitted {
            id,
            key: submission.key.clone(),
            definition: submission.definition.name().to_owned(),
            input: submission.input.clone(),
        });
        self.journal.submissions.len() - 1
    }

    /// The client waits no longer: it does not know what became of its request.
    pub(crate) fn give_up(&mut self, request: u64) {
        if let Some(request) = self.clients.requests.remove(&request) {
            self.again_or_not(&request);
        }
    }

    fn again_or_not(&mut self, request: &Request) {
        let has_key = self.clients.clients[request.client].key.is_some();
        if has_key || matches!(request.errand, Errand::Cancel(_)) {
            self.act_later(request.client, request.errand);
        } else {
            self.clients.open -= 1;
        }
    }

    /// A process is gone: whoever waits for it notices.
    pub(crate) fn connections_break(&mut self, life: Life) {
        let requests = self.clients.requests.iter();
        let broken: Vec<u64> = requests
            .filter(|(_, request)| request.life == life)
            .map(|(number, _)| *number)
            .collect();
        for request in broken {
            let wait = self.rng.millis(1, 500);
            self.agenda.after(wait, Happening::GiveUp(request));
        }
    }

    /// An answer reaches its client, if it still waits.
    pub(crate) fn told(&mut self, request: u64, answer: &Answer) {
        let Some(request) = self.clients.requests.remove(&request) else {
            return;
        };
        let saga = self.clients.clients[request.client].id;
        self.say(Some(saga), || format!("its client is told {answer:?}"));
        match (answer, request.submission) {
            (Answer::Accepted { id, is_new }, Some(submission)) => {
                let is_mixed =
                    self.sabotage == Some(crate::sabotage::Sabotage::ShellMixesAnswersUp);
                let id = if is_mixed {
                    self.clients.clients[0].id
                } else {
                    *id
                };
                let is_stored = self.store.status(id).is_some();
                let is_new = *is_new;
                self.journal.accepted.push(Accepted {
                    submission,
                    id,
                    is_new,
                    is_stored,
                });
            }
            (Answer::KeyUsedOtherwise { .. }, Some(submission)) => {
                self.journal.conflicts.push(submission);
            }
            (Answer::Ordered { order, result }, _) => {
                let (order, result) = (*order, *result);
                self.journal.ordered.push(Ordered {
                    saga,
                    order,
                    result,
                });
            }
            (Answer::NotFound, None) if !self.faults.are_over() => {
                return self.act_later(request.client, request.errand);
            }
            (Answer::NotFound | Answer::OrderRefused(_), _) => {}
            _ => return self.again_or_not(&request),
        }
        self.clients.open -= 1;
    }
}

impl Client {
    fn submission(&self, is_other: bool) -> Submission {
        let other = Task { number: u32::MAX };
        let input = if is_other {
            Json::of(&other).unwrap_or_else(|_| Json::null())
        } else {
            self.input.clone()
        };
        Submission {
            definition: Arc::clone(&self.definition),
            input,
            key: self.key.clone(),
        }
    }
}

fn cancel(id: OrderId) -> Order {
    Order {
        id,
        actor: "operator".to_owned(),
        reason: format!("order {}", Uuid::as_u128(&id.0) % 1000),
        kind: OrderKind::Cancel,
    }
}
