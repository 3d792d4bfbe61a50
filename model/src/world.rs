//! A configuration as stateright sees it: initial states, actions, what each action leads to.
//!
//! While stateright visits the states, the world notes the moves between them for the search for rest.

use std::collections::HashSet;
use std::sync::Mutex;

use sagas::machine::{Event, Order, Row, Saga};
use sagas::testkit::Intent;
use sagas::{Definition, Json, OrderId, SagaId, Status};
use stateright::{Model, Property};
use uuid::Uuid;

use crate::action::{self, Action, Door, Due, Handler};
use crate::binary::Binary;
use crate::configuration::Configuration;
use crate::door;
use crate::identity::looks;
use crate::participants::{self, Effect};
use crate::rest::{Graph, digest};
use crate::rule::{self, Rule};
use crate::sabotage::Sabotage;
use crate::shape::{self, Condition, Recipe};
use crate::state::{Mail, NOW, State};

/// One configuration, and what is known of its graph.
pub(crate) struct World {
    pub(crate) configuration: Configuration,
    pub(crate) definition: Definition,
    /// Binaries that must leave its saga alone.
    pub(crate) others: Vec<Binary>,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) graph: Mutex<Graph>,
    /// Digests of states that cannot come to rest, where that is known already.
    pub(crate) doomed: HashSet<u64>,
}

impl World {
    pub(crate) fn new(configuration: Configuration, sabotage: Option<Sabotage>) -> Self {
        let Configuration {
            shape,
            max_attempts,
            has_deadline,
            ..
        } = configuration;
        let recipe = Recipe {
            shape,
            version: 1,
            max_attempts,
            has_deadline,
        };
        Self {
            configuration,
            definition: shape::build(recipe),
            others: Binary::others(recipe),
            sabotage,
            graph: Mutex::default(),
            doomed: HashSet::new(),
        }
    }

    fn start(&self, input: bool) -> Option<State> {
        let id = SagaId(Uuid::from_u128(7));
        let input = Json::of(&input).expect("a bool is JSON");
        let saga = Saga::new(&self.definition, id, input, NOW);
        let state = State::new(saga, &self.configuration);
        door::pass(self, &state, &Event::Start, None, Door::Open)
    }

    fn act(&self, state: &State, action: &Action) -> Option<State> {
        match action {
            Action::Deliver(mail, handler) => self.deliver(state, *mail, *handler),
            Action::Answer(answered, door) => {
                let reply = Event::Reply(answered.reply());
                door::pass(self, state, &reply, None, *door)
            }
            Action::Wake(due, door) => {
                let published = *due != Due::Unconfirmed;
                let wake = Event::Wake { published };
                door::pass(self, state, &wake, Some(*due), *door)
            }
            Action::Order(intent, door) => self.order(state, *intent, *door),
            Action::Crash => Some(self.crash(state)),
            Action::Lose => {
                let mut after = state.clone();
                after.left.losses -= 1;
                after.commands.clear();
                after.replies.clear();
                Some(after)
            }
            Action::Purge(step) => {
                let mut after = state.clone();
                after.left.purges -= 1;
                after.participants.purge(*step, self.sabotage);
                Some(after)
            }
            Action::Copy => {
                let mut after = state.clone();
                after.left.copies -= 1;
                after.copy = Some(state.saga.clone().into());
                Some(after)
            }
        }
    }

    fn deliver(&self, state: &State, mail: Mail, handler: Handler) -> Option<State> {
        let mut after = state.clone();
        let (answer, effect) = after.participants.deliver(mail, handler, self.sabotage);
        match effect {
            Effect::Nothing => {}
            Effect::Did => {
                let holds = rule::has_its_needs(&self.definition, state, mail.step);
                after.require(holds, Rule::NeedsComeFirst);
            }
            Effect::Undid => {
                let holds = rule::is_unused(&self.definition, state, mail.step);
                after.require(holds, Rule::NothingUsedIsUndone);
            }
        }
        if self.definition.steps()[mail.step].kind.is_awaited() {
            let attempt = state.commands.get(&mail).copied().unwrap_or(1);
            let payload = participants::payload(&answer);
            after
                .replies
                .insert(mail.answered(attempt, answer.outcome, payload));
        }
        after.canonize(&self.definition, &self.configuration);
        let changed = after.participants != state.participants || after.replies != state.replies;
        (changed || after.broken.is_some()).then_some(after)
    }

    fn order(&self, state: &State, intent: Intent, door: Door) -> Option<State> {
        let kind = intent.order_kind(
            shape::name,
            |_| Json::parse(shape::EDITED.to_owned()).expect("it is JSON"),
            |_| Json::parse("1".to_owned()).ok(),
        );
        let order = Order {
            id: OrderId(Uuid::from_u128(state.left.orders.into())),
            actor: String::new(),
            reason: String::new(),
            kind,
        };
        let mut after = door::pass(self, state, &Event::Order(order), None, door)?;
        after.left.orders -= 1;
        Some(after)
    }

    /// Everything that the process knew is gone.
    fn crash(&self, state: &State) -> State {
        let mut after = state.clone();
        after.left.crashes -= 1;
        after.copy = None;
        let row = Row {
            id: state.saga.id,
            started_at: state.saga.started_at,
            revision: state.saga.revision,
            wake_at: state.saga.wake_at,
            moving: state.saga.moving.clone(),
        };
        let entries = state.history.entries();
        match Saga::restore(&self.definition, row, &entries) {
            Ok(restored) => {
                after.require(restored == state.saga, Rule::ComesBackTheSame);
                after.saga = restored;
            }
            Err(_) => after.require(false, Rule::ComesBackTheSame),
        }
        after.canonize(&self.definition, &self.configuration);
        after
    }

    /// What was taken out of the world would change nothing.
    ///
    /// # Panics
    ///
    /// When it would: then the search leaves out what can happen.
    fn the_dead_stay_dead(&self, state: &State) {
        for answered in &state.buried {
            let reply = Event::Reply(answered.reply());
            let verdict = sagas::transition(&self.definition, &state.saga, reply, NOW);
            assert!(verdict.is_err(), "{answered:?} is not dead: {state}");
        }
    }

    fn note(&self, from: Option<&State>, to: &State, is_fair: bool) {
        let to_rest = action::is_at_rest(to);
        let mut graph = self.graph.lock().expect("nobody panics while noting");
        if cfg!(debug_assertions) {
            graph.looks.insert(looks(to));
        }
        let to = graph.meet(digest(to), to_rest);
        if let (Some(from), true) = (from, is_fair) {
            let from = graph.meet(digest(from), action::is_at_rest(from));
            graph.connect(from, to);
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let is_conditional = |step: &shape::StepShape| step.condition == Condition::When;
        let inputs: &[bool] = if self.configuration.shape.iter().any(is_conditional) {
            &[true, false]
        } else {
            &[true]
        };
        let states: Vec<State> = inputs
            .iter()
            .filter_map(|input| self.start(*input))
            .collect();
        for state in &states {
            self.note(None, state, false);
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        action::possible(self, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let after = self.act(state, &action)?;
        if cfg!(debug_assertions) {
            self.the_dead_stay_dead(&after);
        }
        self.note(Some(state), &after, action.is_fair(state));
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($rule:ident)+) => {
                vec![$(Property::always(Rule::$rule.in_words(), |world: &Self, state: &State| {
                    Rule::$rule.holds(&world.definition, state)
                })),+]
            };
        }
        let mut properties = always![
            EndsTruly AtMostOnce UnknownIsNotFailed PivotIsSettled NeedsComeFirst
            NothingUsedIsUndone KnowsWhatItSays IsWoken ComesBackTheSame CountsOnce TrustsNoCopy
            LeavesItToItsBinary KeepsItsBytes
        ];
        let rule = Rule::ComesToRest.in_words();
        properties.push(Property::always(rule, |world: &Self, state| {
            world.doomed.is_empty() || !world.doomed.contains(&digest(state))
        }));
        properties.push(Property::sometimes(COMPLETES, |_, state: &State| {
            state.saga.status() == Status::Completed
        }));
        properties.push(Property::sometimes(COMPENSATES, |_, state: &State| {
            state.saga.status() == Status::Compensated
        }));
        properties
    }
}

/// A search that never sees a saga complete shows nothing.
pub(crate) const COMPLETES: &str = "a saga completes";
/// The same, for a saga that turns back.
pub(crate) const COMPENSATES: &str = "a saga is compensated";
