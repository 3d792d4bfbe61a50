//! Clients: they submit, under a key or without one, ask again when they do not know, carry the
//! orders of operators, and note what they were told.
//!
//! Invariant: a client with a key asks until it is told an answer that ends the matter; one without a
//! key asks once, because it could not tell its own saga from a second one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sagas::machine::{Event, Order, OrderResult, Refusal, transition};
use sagas::testkit::Intent;
use sagas::{Definition, Json, OrderId, SagaId};
use sagas_core::lane::{Input, OrderAnswer, StartAnswer};
use sagas_core::schedule::ANSWER_WITHIN;
use sagas_core::submission::Key;
use sagas_core::waiters::Place;
use sagas_core::{Submission, route};

use super::orders::Wanted;
use super::replicas::Stage;
use super::{Happening, Life, World};
use crate::commands::Task;
use crate::faults::Fault;
use crate::journal::{Accepted, OrderRefused, Ordered, Submitted};
use crate::layout::Scene;
use crate::rng::Rng;

/// All clients and their requests.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Vec<Client>,
    requests: BTreeMap<u64, Request>,
    last_request: u64,
    /// Requests whose clients wait for the end of their saga, with the process that is to tell them.
    pub(crate) waiting: BTreeMap<u64, Life>,
    /// Errands that are not done.
    pub(crate) open: usize,
    /// Orders, by number.
    pub(crate) orders: Vec<Wanted>,
    /// Clients for whose saga a person has given an order that is not answered.
    pub(crate) attended: BTreeSet<usize>,
}

impl Clients {
    /// The saga of a client.
    pub(crate) fn saga(&self, client: usize) -> SagaId {
        self.clients[client].id
    }

    /// How many of these requests are to start a saga of the same definition as the client's.
    pub(crate) fn starts_like(&self, client: usize, requests: impl Iterator<Item = u64>) -> usize {
        let name = |client: usize| self.clients[client].definition.name();
        let open = requests.filter_map(|request| self.requests.get(&request));
        let starts = open.filter(|request| request.submission.is_some());
        starts
            .filter(|request| name(request.client) == name(client))
            .count()
    }

    /// The saga that an open request is about.
    pub(crate) fn saga_of(&self, request: u64) -> Option<SagaId> {
        let request = self.requests.get(&request)?;
        Some(self.clients[request.client].id)
    }
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
    /// That an order is carried out.
    Order(usize),
}

#[derive(Debug)]
struct Request {
    client: usize,
    errand: Errand,
    submission: Option<usize>,
    order: Option<Given>,
    life: Life,
}

/// An order that was given, and how the saga stood in the database then.
#[derive(Debug)]
struct Given {
    order: Order,
    server: u32,
    revision: u64,
    result_before: Option<OrderResult>,
}

impl Clients {
    pub(crate) fn random(count: usize, scene: &Scene, rng: &mut Rng) -> Self {
        let registry = &scene.registry;
        let definitions = registry.names().filter_map(|name| registry.newest(name));
        let definitions: Vec<&Arc<Definition>> = definitions.collect();
        let clients = (0..count).map(|number| {
            let key = rng
                .chance(800)
                .then(|| format!("key-{number}-{}", rng.any()));
            let number = u32::try_from(number).unwrap_or(0);
            let definition = Arc::clone(rng.pick(&definitions));
            // Without a key, production takes the time into the id; here the seed fixes it.
            let random = SagaId(rng.uuid());
            let mut client = Client {
                id: random,
                key,
                definition,
                input: Json::of(&Task { number }).unwrap_or_else(|_| Json::null()),
            };
            client.id = client.submission(false).key.map_or(random, |key| key.id);
            client
        });
        Self {
            clients: clients.collect(),
            requests: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_request: 0,
            open: 0,
            orders: Vec::new(),
            attended: BTreeSet::new(),
        }
    }

    /// The name of a client's definition.
    pub(crate) fn definition(&self, client: usize) -> &str {
        self.clients[client].definition.name()
    }

    /// The sagas' numbers, for people.
    pub(crate) fn numbers(&self) -> BTreeMap<SagaId, usize> {
        let clients = self.clients.iter().enumerate();
        clients
            .map(|(number, client)| (client.id, number))
            .collect()
    }
}

/// What a lane answers.
#[derive(Debug)]
pub(crate) enum Told {
    /// To a submission.
    Started(StartAnswer),
    /// To an order.
    Ordered(OrderAnswer),
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
            if self.strikes(Fault::OperatorMeddled, 350) {
                self.plan_orders(client, begin);
            }
        }
    }

    /// Some orders for one saga, the same one more than once among them.
    fn plan_orders(&mut self, client: usize, begin: Duration) {
        // Most sagas are done within some fifty milliseconds.
        let latest = self.rng.pick(&[60, 60, 60, 3_000, 9_000]);
        for _ in 0..self.rng.between(1, 4) {
            let intent = self.any_intent();
            let number = self.clients.orders.len();
            let id = OrderId(self.rng.uuid());
            self.clients.orders.push(Wanted::new(id, intent, None));
            let wait = begin + self.rng.millis(0, latest);
            self.plan_errand(wait, client, Errand::Order(number));
            if intent == Intent::Pause {
                let id = OrderId(self.rng.uuid());
                let resume = Wanted::new(id, Intent::Resume, None);
                self.clients.orders.push(resume);
                let wait = wait + self.rng.millis(0, 3_000);
                self.plan_errand(wait, client, Errand::Order(number + 1));
            }
            if self.rng.chance(300) {
                let wait = wait + self.rng.millis(0, 4_000);
                self.plan_errand(wait, client, Errand::Order(number));
            }
        }
    }

    pub(crate) fn plan_errand(&mut self, wait: Duration, client: usize, errand: Errand) {
        self.clients.open += 1;
        self.agenda.after(wait, Happening::Client(client, errand));
    }

    pub(crate) fn client_acts(&mut self, number: usize, errand: Errand) {
        let replica = self.rng.index(self.replicas.len());
        let client = &self.clients.clients[number];
        let (id, lane) = (client.id, route::lane_of(client.id, self.layout.lanes));
        let (name, fingerprint) = (client.definition.name(), client.definition.fingerprint());
        let newest = self.registry_of(replica).newest(name);
        let is_known = newest.is_some_and(|known| known.fingerprint() == fingerprint);
        // REST refuses a definition that its binary does not have; an order it takes.
        let is_served = is_known || matches!(errand, Errand::Order(_));
        let is_up = self.replicas[replica].stage == Stage::Up;
        if !is_up || !is_served || !self.has_room(replica, lane) {
            return self.act_later(number, errand);
        }
        if !matches!(errand, Errand::Order(_)) && !self.admits_start(replica, lane, number) {
            self.faults.count(Fault::StartRefused);
            return self.act_later(number, errand);
        }
        let client = &self.clients.clients[number];
        let submission = match errand {
            Errand::Submit | Errand::SubmitAgain => Some(client.submission(false)),
            Errand::SubmitOther => Some(client.submission(true)),
            Errand::Order(_) => None,
        };
        let noted = submission
            .as_ref()
            .map(|submission| self.note_submission(number, id, submission));
        self.clients.last_request += 1;
        let request = self.clients.last_request;
        let life = self.life(replica);
        let now = self.now();
        let ticket = self.replicas[replica].lanes[lane].ticket(request, now);
        let order = match errand {
            Errand::Order(number) => Some(self.given(number, id)),
            Errand::Submit | Errand::SubmitAgain | Errand::SubmitOther => None,
        };
        let input = match (submission, &order) {
            (Some(submission), _) => {
                // From now on: it may have ended before its client hears that it was accepted.
                self.begin_wait(life, id, request, Place::Here);
                Input::start(id, ticket, submission)
            }
            (None, Some(Given { order, .. })) => Input::order(id, ticket, order.clone()),
            (None, None) => return,
        };
        self.say(Some(id), || {
            format!("its client asks replica {replica}: {errand:?}")
        });
        let (client, submission) = (number, noted);
        let open = Request {
            client,
            errand,
            submission,
            order,
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

    /// The order as it is given now.
    fn given(&mut self, number: usize, saga: SagaId) -> Given {
        let order = self.order(number, saga);
        let stored = self.durable().load(&[saga]).pop();
        let revision = self.store.revision(saga);
        let entries = stored.into_iter().flat_map(|stored| stored.history);
        let mut entries = entries.filter(|entry| {
            let known = entry.order.as_ref();
            known.is_some_and(|known| known.id == order.id)
        });
        let result_before = entries.next().and_then(|entry| entry.result);
        Given {
            order,
            server: self.server,
            revision,
            result_before,
        }
    }

    fn note_refusal(&mut self, saga: SagaId, given: &Given, refusal: &Refusal) {
        self.faults.count(if matches!(refusal, Refusal::Ended(_)) {
            Fault::OrderAfterEnd
        } else {
            Fault::OrderRefused
        });
        let is_unmoved = self.server == given.server && self.store.revision(saga) == given.revision;
        let stored = self.store.load(&[saga]).pop().filter(|_| is_unmoved);
        let would_be = stored.and_then(|stored| {
            let saga = self.restore(stored)?;
            let definition = self.scene.registry.newest(&saga.definition)?;
            let event = Event::Order(given.order.clone());
            let made = transition(definition, &saga, event, self.now());
            (made.as_ref().err() != Some(refusal)).then(|| match made {
                Ok(made) => format!("{:?}", made.entry.result),
                Err(other) => other.to_string(),
            })
        });
        self.journal.refused.push(OrderRefused {
            saga,
            order: given.order.id,
            result_before: given.result_before,
            would_be,
        });
    }

    fn act_later(&mut self, client: usize, errand: Errand) {
        let wait = self.rng.millis(20, 1_000);
        self.agenda.after(wait, Happening::Client(client, errand));
    }

    fn note_submission(&mut self, client: usize, id: SagaId, submission: &Submission) -> usize {
        self.journal.submissions.push(Submitted {
            id,
            key: self.clients.clients[client].key.clone(),
            definition: submission.definition.name().to_owned(),
            input: submission.input.clone(),
        });
        self.journal.submissions.len() - 1
    }

    /// The client waits no longer: it does not know what became of its request.
    pub(crate) fn give_up(&mut self, request: u64) {
        if let Some(open) = self.clients.requests.remove(&request) {
            self.clients.waiting.remove(&request);
            self.again_or_not(&open);
        }
    }

    fn again_or_not(&mut self, request: &Request) {
        let has_key = self.clients.clients[request.client].key.is_some();
        if has_key || request.order.is_some() {
            self.act_later(request.client, request.errand);
        } else {
            self.clients.open -= 1;
        }
    }

    /// A process is gone: whoever waits for it notices.
    pub(crate) fn connections_break(&mut self, life: Life) {
        self.clients.waiting.retain(|_, teller| *teller != life);
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
    pub(crate) fn told(&mut self, request: u64, answer: &Told) {
        let number = request;
        let Some(request) = self.clients.requests.remove(&number) else {
            return;
        };
        match answer {
            Told::Started(StartAnswer::Accepted { id, is_new: false }) => {
                self.begin_wait(request.life, *id, number, Place::Anywhere);
            }
            Told::Started(StartAnswer::Accepted { .. }) => {}
            _ => drop(self.clients.waiting.remove(&number)),
        }
        let saga = self.clients.clients[request.client].id;
        self.say(Some(saga), || format!("its client is told {answer:?}"));
        // Whoever is told something looks at the saga: `GET /v1/sagas/{id}` reads the database.
        self.read(&[saga]);
        match (answer, request.submission) {
            (Told::Started(StartAnswer::Accepted { id, is_new }), Some(submission)) => {
                let (id, is_new) = (*id, *is_new);
                let is_stored = self.durable().status(id).is_some();
                self.journal.accepted.push(Accepted {
                    submission,
                    id,
                    is_new,
                    is_stored,
                });
            }
            (Told::Started(StartAnswer::KeyUsedOtherwise { .. }), Some(submission)) => {
                self.journal.conflicts.push(submission);
            }
            (Told::Ordered(OrderAnswer::Applied { order, result }), _) => {
                let (order, result) = (*order, *result);
                self.journal.ordered.push(Ordered {
                    saga,
                    order,
                    result,
                });
            }
            (Told::Ordered(OrderAnswer::Refused(refusal)), _) => {
                if let Some(given) = &request.order {
                    self.note_refusal(saga, given, refusal);
                }
            }
            (Told::Ordered(OrderAnswer::NotFound), _) if !self.faults.are_over() => {
                return self.act_later(request.client, request.errand);
            }
            (Told::Ordered(OrderAnswer::NotFound), _) => {}
            _ => return self.again_or_not(&request),
        }
        self.clients.open -= 1;
        if request.order.is_some() {
            self.clients.attended.remove(&request.client);
        }
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
        let key = self.key.as_deref();
        Submission {
            key: key.map(|key| Key::new(key, self.definition.name(), &input.canonical())),
            definition: Arc::clone(&self.definition),
            input,
        }
    }
}
