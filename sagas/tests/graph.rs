//! The pictures of a definition, as text.

use sagas::definition::{Description, GraphFormat};
use sagas::{Command, Definition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! commands {
    ($($name:ident => $participant:literal $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name;

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = ();
        }
    )+};
}
commands! {
    Reserve => "inventory" "reserve-stock" true
    Release => "inventory" "release-stock" false
    Capture => "payments" "capture-payment" true
    Confirm => "orders" "confirm-order" false
}

fn order() -> Definition {
    let mut saga = Definition::of::<()>("order");
    let stock = saga
        .step("reserve")
        .send(|(), ()| Reserve)
        .compensate(|(), (), _| Release);
    let paid = saga.step("pay").after(stock).send(|(), ()| Capture).pivot();
    let confirm = saga.step("confirm").after((stock, paid));
    confirm.send(|(), _| Confirm).retriable();
    saga.build().expect("it has a legal end from every point")
}

#[track_caller]
fn check(saga: &Description<'_>, format: GraphFormat, expected: &str) {
    let graph = saga.graph(format);
    assert_eq!(graph, expected, "it is now:\n{graph}");
}

#[test]
fn mermaid_shows_kinds_needs_compensations_and_the_point_of_no_return() {
    let expected = r#"---
title: "order, version 1"
---
flowchart LR
    s0["reserve<br/>inventory.reserve-stock<br/>compensatable<br/>may be rejected"]
    s1{{"pay<br/>payments.capture-payment<br/>pivot: the point of no return<br/>may be rejected"}}:::pivot
    s2(["confirm<br/>orders.confirm-order<br/>retriable"])
    u0["inventory.release-stock"]:::compensation
    s0 --> s1
    s0 --> s2
    s1 --> s2
    s0 -. compensated by .-> u0
    classDef pivot stroke-width:4px
    classDef compensation stroke-dasharray:4
"#;
    check(&order().describe(), GraphFormat::Mermaid, expected);
}

#[test]
fn dot_shows_the_same() {
    let expected = r#"digraph "order" {
    label="order, version 1";
    rankdir=LR;
    node [shape=box];
    s0 [label="reserve\ninventory.reserve-stock\ncompensatable\nmay be rejected"];
    s1 [label="pay\npayments.capture-payment\npivot: the point of no return\nmay be rejected", shape=hexagon, penwidth=4];
    s2 [label="confirm\norders.confirm-order\nretriable", style=rounded];
    u0 [label="inventory.release-stock", style=dashed];
    s0 -> s1;
    s0 -> s2;
    s1 -> s2;
    s0 -> u0 [label="compensated by", style=dashed];
}
"#;
    check(&order().describe(), GraphFormat::Dot, expected);
}

#[test]
fn json_has_steps_and_edges_by_name() {
    let graph = order().describe().graph(GraphFormat::Json);
    let graph: serde_json::Value = serde_json::from_str(&graph).unwrap();
    let expected = serde_json::json!({
        "name": "order",
        "version": 1,
        "point_of_no_return": "pay",
        "steps": [
            {"name": "reserve", "kind": "compensatable", "participant": "inventory",
             "command": "reserve-stock", "refusable": true, "has_condition": false, "compensation": "release-stock"},
            {"name": "pay", "kind": "pivot", "participant": "payments",
             "command": "capture-payment", "refusable": true, "has_condition": false, "compensation": null},
            {"name": "confirm", "kind": "retriable", "participant": "orders",
             "command": "confirm-order", "refusable": false, "has_condition": false, "compensation": null},
        ],
        "edges": [
            {"from": "reserve", "to": "pay", "given": false},
            {"from": "reserve", "to": "confirm", "given": false},
            {"from": "pay", "to": "confirm", "given": false},
        ],
    });
    assert_eq!(graph, expected);
}

/// `build` refuses such names; a picture does not rely on it.
const HOSTILE: &str = "a\"]; end\n<b>#quot;\\N`";

#[test]
fn a_name_is_text_in_mermaid_and_never_syntax() {
    let order = order();
    let mut saga = order.describe();
    (saga.name, saga.steps[0].name) = (HOSTILE, HOSTILE);
    let graph = saga.graph(GraphFormat::Mermaid);
    let title = r##"title: "a\"]; end\n<b>#quot;\\N`, version 1""##;
    assert_eq!(graph.lines().nth(1), Some(title));
    let step = r#"    s0["a#34;]; end #60;b#62;#35;quot;#92;N#96;<br/>inventory.reserve-stock<br/>compensatable<br/>may be rejected"]"#;
    assert_eq!(graph.lines().nth(4), Some(step));
}

#[test]
fn a_name_is_text_in_dot_and_never_syntax() {
    let order = order();
    let mut saga = order.describe();
    (saga.name, saga.steps[0].name) = (HOSTILE, HOSTILE);
    let graph = saga.graph(GraphFormat::Dot);
    let first = r#"digraph "a\"]; end <b>#quot;\\N`" {"#;
    assert_eq!(graph.lines().next(), Some(first));
    let label = r#"    s0 [label="a\"]; end <b>#quot;\\N`\ninventory"#;
    assert!(graph.lines().nth(4).unwrap().starts_with(label), "{graph}");
}

#[test]
fn a_definition_without_a_pivot_has_no_step_marked_as_one() {
    let mut saga = Definition::of::<()>("notify");
    saga.step("confirm").send(|(), ()| Confirm).retriable();
    let saga = saga.build().unwrap();
    let graph = saga.describe().graph(GraphFormat::Mermaid);
    assert!(
        !graph.contains("no return") && !graph.contains(":::"),
        "{graph}"
    );
    let graph = saga.describe().graph(GraphFormat::Json);
    assert!(graph.contains("\"point_of_no_return\": null"), "{graph}");
}

#[test]
fn conditions_queries_and_notifications_are_seen() {
    let mut saga = Definition::of::<()>("gift");
    let price = saga.step("price").send(|(), ()| Capture).query();
    let wrapped = saga.step("wrap").after(price).when(|(), ()| true);
    let wrapped = wrapped
        .send(|(), ()| Reserve)
        .compensate(|(), (), _| Release);
    let told = saga.step("tell").given(wrapped).send(|(), ()| Confirm);
    told.notify();
    let expected = r#"---
title: "gift, version 1"
---
flowchart LR
    s0[/"price<br/>payments.capture-payment<br/>query<br/>may be rejected"/]
    s1["wrap<br/>inventory.reserve-stock<br/>compensatable<br/>under a condition<br/>may be rejected"]
    s2>"tell<br/>orders.confirm-order<br/>notification"]
    u1["inventory.release-stock"]:::compensation
    s0 --> s1
    s1 -->|given| s2
    s1 -. compensated by .-> u1
    classDef pivot stroke-width:4px
    classDef compensation stroke-dasharray:4
"#;
    let saga = saga.build().unwrap();
    check(&saga.describe(), GraphFormat::Mermaid, expected);
}
