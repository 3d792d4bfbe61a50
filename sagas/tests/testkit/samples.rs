//! Sample replies: made from the schema where that decodes, else asked for.

use std::collections::BTreeMap;

use sagas::testkit::Kit;
use sagas::{Command, Definition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Most of what a reply may be made of.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Everything {
    id: Uuid,
    text: String,
    #[schemars(range(min = 10, max = 20))]
    number: u8,
    signed: i64,
    share: f64,
    yes: bool,
    maybe: Option<Box<Self>>,
    #[schemars(length(min = 2))]
    list: Vec<Kind>,
    pair: (u32, String),
    map: BTreeMap<String, u32>,
    kind: Kind,
    choice: Choice,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Large,
    Small,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is")]
enum Choice {
    This { number: u32 },
    That { text: String },
}

/// A reply whose schema promises more than its type takes.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Code(String);

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_code = text.len() == 4;
        is_code
            .then_some(Self(text))
            .ok_or_else(|| "a code has four letters".to_owned())
    }
}

macro_rules! commands {
    ($($name:ident => $command:literal $reply:ty)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name(u32);

        impl Command for $name {
            const PARTICIPANT: &'static str = "hotel";
            const NAME: &'static str = $command;
            const REJECTABLE: bool = true;
            type Reply = $reply;
        }
    )+};
}
commands! {
    Ask => "ask" Everything
    Decode => "decode" Code
    Finish => "finish" ()
}

fn definition() -> Definition {
    let mut saga = Definition::of::<u32>("sample");
    let asked = saga.step("ask").send(|n, ()| Ask(*n)).query();
    let decoded = saga.step("decode").send(|n, ()| Decode(*n)).query();
    saga.step("finish")
        .after((asked, decoded))
        .send(|n, _| Finish(*n))
        .pivot();
    saga.build().expect("the definition is legal")
}

fn problem(kit: &Kit<'_>) -> String {
    kit.run().expect_err("the sample does not fit").to_string()
}

#[test]
fn a_reply_is_made_from_its_schema_and_only_the_others_are_asked_for() {
    let text = problem(&Kit::new(&definition(), 1));
    assert!(text.contains(r#".reply("decode", …)"#), "{text}");
    assert!(text.contains("a code has four letters"), "{text}");
    assert!(!text.contains(r#".reply("ask""#), "{text}");
}

#[test]
fn a_given_reply_takes_the_place_of_a_made_one() {
    let report = Kit::new(&definition(), 1).reply("decode", "ab12").run();
    assert!(report.is_ok(), "{report:?}");
}

#[test]
fn a_given_reply_that_does_not_decode_is_named() {
    let definition = definition();
    let kit = Kit::new(&definition, 1)
        .reply("decode", "ab12")
        .reply("ask", json!({ "id": 1 }));
    let text = problem(&kit);
    assert!(
        text.contains(r#".reply("ask", …): the given reply"#),
        "{text}"
    );
}

#[test]
fn a_reply_for_a_step_that_is_not_there_is_named() {
    let text = problem(&Kit::new(&definition(), 1).reply("decod", "ab12"));
    assert!(text.contains(r#""decod", which is no step"#), "{text}");
}

#[test]
fn an_input_that_does_not_decode_is_named() {
    let text = problem(&Kit::new(&definition(), "one"));
    assert!(text.contains("the sample input does not decode"), "{text}");
}

#[test]
fn the_search_for_interleavings_stops_at_its_bound_or_sees_all_states() {
    let definition = definition();
    let kit = || Kit::new(&definition, 1).reply("decode", "ab12");
    let bounded = kit().states_max(10).run().expect("nothing is broken");
    assert_eq!((bounded.states, bounded.all_states), (10, false));
    let whole = kit().run().expect("nothing is broken");
    assert!(whole.all_states, "{whole}");
    assert!(whole.states > 50, "{whole}");
}
