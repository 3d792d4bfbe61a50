//! The same random batches for the double and for Postgres: whatever one says, the other says, too.

use std::sync::Arc;
use std::time::Duration;

use sagas::machine::{Event, Reply};
use sagas::{Definition, Direction, Json, Outcome, Saga, SagaId, Timestamp};
use sagas_core::batch::{Batch, Committed, Postponement, Slots};
use simulation::rng::Rng;

use crate::database::{Database, Real, SHARDS, Simulated};
use crate::sample::{self, id};

/// Long ago for both databases, so that every wake is due at once.
const NOON: Timestamp = Timestamp::from_micros(1_600_000_000_000_000);
const SAGAS: u128 = 8;

#[test]
fn double_and_postgres_agree_on_random_batches() {
    let mut seen = Seen::default();
    for seed in 1..=4 {
        println!("seed {seed}");
        compare(seed, &mut seen);
    }
    let Seen { won, lost, refused } = seen;
    assert!(won > 100 && lost > 20 && refused > 2, "{seen:?}");
}

/// What came of updates and batches; a case that never comes is not compared.
#[derive(Debug, Default)]
struct Seen {
    won: usize,
    lost: usize,
    refused: usize,
}

impl Seen {
    fn add<E>(&mut self, result: &Result<Committed, E>) {
        match result {
            Ok(committed) => {
                let won = committed.updates.iter().filter(|has_won| **has_won).count();
                self.won += won;
                self.lost += committed.updates.len() - won;
            }
            Err(_) => self.refused += 1,
        }
    }
}

fn compare(seed: u64, seen: &mut Seen) {
    let (mut double, mut real) = (Simulated::new(), Real::new());
    let mut rng = Rng::new(seed);
    let definition = sample::definition();
    let ids: Vec<SagaId> = (1..=SAGAS).map(id).collect();
    let all: Vec<u16> = (0..SHARDS).collect();
    let mut known: Vec<Saga> = Vec::new();
    for round in 0..80 {
        let now = NOON + Duration::from_secs(round * 7);
        let batch = random(&mut rng, &definition, &known, now);
        let (one, two) = (double.commit(&batch), real.commit(&batch));
        assert_eq!(told(&one), told(&two), "seed {seed}, round {round}");
        seen.add(&one);
        let (one, two) = (double.load(&ids), real.load(&ids));
        assert_eq!(one, two, "seed {seed}, round {round}");
        assert_eq!(
            double.due(&all, 5),
            real.due(&all, 5),
            "seed {seed}, round {round}"
        );
        assert_eq!(
            double.ended(&ids),
            real.ended(&ids),
            "seed {seed}, round {round}"
        );
        // States of earlier rounds stay known: writes from them must lose.
        known.extend(
            one.iter()
                .map(|loaded| sample::restore(&definition, loaded)),
        );
    }
    let events = |db: &mut dyn Database| {
        let rows = db.outbox(&Slots::of(&[0]), Duration::ZERO);
        rows.into_iter()
            .map(|(_, events)| events)
            .collect::<Vec<_>>()
    };
    assert_eq!(events(&mut double), events(&mut real), "seed {seed}");
}

/// What a batch came to, without what differs by nature: time and random ids.
fn told<E>(result: &Result<Committed, E>) -> Option<(String, bool)> {
    let committed = result.as_ref().ok()?;
    let winners = format!("{:?} {:?}", committed.starts, committed.updates);
    Some((winners, committed.outbox.is_some()))
}

fn random(rng: &mut Rng, definition: &Arc<Definition>, known: &[Saga], now: Timestamp) -> Batch {
    let mut batch = Batch::default();
    for number in 1..=SAGAS {
        if rng.chance(150) {
            let key = rng.pick(&[None, Some(1), Some(2)]);
            batch
                .starts
                .push(sample::start(definition, id(number), key, now));
        }
        let states = known.iter().filter(|saga| saga.id == id(number));
        let states: Vec<&Saga> = states.collect();
        if states.is_empty() {
            continue;
        }
        // The newest state mostly, an old one sometimes.
        let newest = states[states.len() - 1];
        let state = if rng.chance(300) {
            rng.pick(&states)
        } else {
            newest
        };
        if rng.chance(500) {
            let events = (0..rng.between(1, 3)).map(|_| event(rng)).collect();
            batch
                .updates
                .extend(sample::update(definition, state, events, now));
        } else if rng.chance(400) {
            batch.postponements.push(Postponement {
                id: state.id,
                expected: state.revision,
                wake_at: Some(now + rng.millis(0, 9_000)),
            });
        }
    }
    if rng.chance(50)
        && let Some(start) = batch.starts.first_mut()
    {
        start.definition = "a\0b".to_owned();
    }
    batch
}

fn event(rng: &mut Rng) -> Event {
    if rng.chance(200) {
        return Event::Wake { published: false };
    }
    let step = rng.below(4);
    let outcome = rng.pick(&[
        Outcome::Succeeded,
        Outcome::Succeeded,
        Outcome::Rejected,
        Outcome::Failed,
    ]);
    let payload = match outcome {
        Outcome::Succeeded => format!(r#"{{"step":{step}}}"#),
        _ => r#"{"code":"no","message":""}"#.to_owned(),
    };
    Event::Reply(Reply {
        step: format!("step-{step}"),
        direction: rng.pick(&[
            Direction::Forward,
            Direction::Forward,
            Direction::Compensate,
        ]),
        generation: 1,
        attempt: 1,
        outcome,
        payload: Json::parse(payload).unwrap(),
    })
}
