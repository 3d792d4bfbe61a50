//! `POST /v1/sagas/{id}/<order>`: what an operator may do to one saga.
//!
//! Each order is an event like any other: the engine commits it, and repeated under its id it is
//! answered like the first time. Here only its form is checked; whether it makes sense is for the
//! state machine to say.

use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Uri};
use sagas::machine::{Order, OrderKind, OrderName, OrderResult, Refusal};
use sagas::wire::size::COMMAND_BYTES_MAX;
use sagas::{Json, OrderId, SagaId};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::applied;
use super::backend::Backend;
use super::body;
use super::problem::{self, Kind, PathError, Problem};
use super::read::{absent, saga_id};
use crate::engine;

/// Bytes of an actor's name and of a reason: history is kept for long.
const TEXT_MAX: usize = 1_000;

/// The order that the last part of the path names.
fn named(word: &str) -> Result<OrderName, Problem> {
    OrderName::parse(word).ok_or_else(|| {
        let all: Vec<_> = OrderName::ALL.iter().map(|name| name.as_str()).collect();
        let all = all.join(", ");
        let detail = format!("there is no order {word:?}; orders are {all}");
        Problem::new(Kind::NotFound, detail)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Chosen by the client, so that a repeated order is applied once.
    order_id: Option<Uuid>,
    actor: String,
    reason: String,
    /// The step that retry, edit, skip and resolve are about.
    step: Option<String>,
    /// What edit sends instead.
    #[serde(default, deserialize_with = "present")]
    payload: Option<Json>,
    /// What the participant would have replied to the step that is skipped.
    #[serde(default, deserialize_with = "present")]
    reply: Option<Json>,
}

/// `null` is a value here: the payload or reply of a type that has nothing to say.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// What came of the order.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    order_id: OrderId,
    saga: SagaId,
    result: OrderResult,
    /// What happens next, for people.
    text: &'static str,
}

pub(super) async fn give(
    State(backend): State<Backend>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Answer<Done>, Problem> {
    let name = named(&name)?;
    let saga = saga_id(&id)?;
    let body: Body = body::read(&headers, &bytes, backend.limits().json_depth_max)?;
    let order_id = OrderId(body.order_id.unwrap_or_else(Uuid::now_v7));
    let (actor, reason) = (body.actor.clone(), body.reason.clone());
    let order = Order {
        id: order_id,
        kind: kind(name, body)?,
        actor,
        reason,
    };
    let mut answer = backend.engine()?.order(saga, order.clone()).await;
    if let Err(engine::Error::Unavailable { .. }) = answer
        && let Some(refusal) = applied::before(&backend, saga, &order).await
    {
        answer = Err(engine::Error::Refused(refusal));
    }
    let result = match answer {
        Ok(result) => result,
        // A repeated order is answered like the first time.
        Err(engine::Error::Refused(Refusal::OrderAppliedBefore(result))) => result,
        Err(engine::Error::Refused(refusal)) => return Err(refused(name, &refusal)),
        Err(engine::Error::NotFound) => return Err(absent(&backend, saga).await),
        Err(error) => return Err(error.into()),
    };
    tracing::info!(%saga, order = %order_id, ?name, ?result, "an operator gave an order");
    Ok(Answer(Done {
        order_id,
        saga,
        result,
        text: text(name, result),
    }))
}

/// Any other method: a word that is no order is not there, whatever the method.
pub(super) async fn not_taken(
    Path((_, name)): Path<(String, String)>,
    method: Method,
    uri: Uri,
) -> Problem {
    match named(&name) {
        Ok(_) => problem::no_such_method(method, uri).await,
        Err(unknown) => unknown,
    }
}

/// Fields that an order takes beside actor and reason.
fn takes(name: OrderName) -> &'static [&'static str] {
    match name {
        OrderName::Cancel | OrderName::Pause | OrderName::Resume => &[],
        OrderName::Retry | OrderName::Resolve => &["/step"],
        OrderName::Edit => &["/step", "/payload"],
        OrderName::Skip => &["/step", "/reply"],
    }
}

/// The order, if its fields are those that it takes.
fn kind(name: OrderName, body: Body) -> Result<OrderKind, Problem> {
    let mut errors = Vec::new();
    text_fault("/actor", &body.actor, &mut errors);
    text_fault("/reason", &body.reason, &mut errors);
    let takes = takes(name);
    let given = [
        ("/step", body.step.is_some()),
        ("/payload", body.payload.is_some()),
        ("/reply", body.reply.is_some()),
    ];
    for (path, is_given) in given {
        let is_taken = takes.contains(&path);
        let is_needed = is_taken && path != "/reply" && name != OrderName::Retry;
        let message = match (is_given, is_taken) {
            (true, false) => "this order does not take it",
            (false, _) if is_needed => "is missing",
            _ => continue,
        };
        errors.push(fault(path, message));
    }
    let payload = body.payload.as_ref().map_or(0, |json| json.text().len());
    if payload > COMMAND_BYTES_MAX {
        let detail =
            format!("the payload has {payload} bytes, at most {COMMAND_BYTES_MAX} are sent");
        return Err(Problem::new(Kind::CommandTooLarge, detail));
    }
    for (name, value) in [("the payload", &body.payload), ("the reply", &body.reply)] {
        if let Some(value) = value {
            body::check_keys(name, &value.canonical())?;
        }
    }
    let incomplete = |errors| Problem::invalid("the order is incomplete".to_owned(), errors);
    if !errors.is_empty() {
        return Err(incomplete(errors));
    }
    Ok(match (name, body.step, body.payload) {
        (OrderName::Cancel, ..) => OrderKind::Cancel,
        (OrderName::Pause, ..) => OrderKind::Pause,
        (OrderName::Resume, ..) => OrderKind::Resume,
        (OrderName::Retry, step, _) => OrderKind::RetryNow { step },
        (OrderName::Edit, Some(step), Some(payload)) => OrderKind::Edit { step, payload },
        (OrderName::Skip, Some(step), _) => {
            let reply = body.reply;
            OrderKind::Skip { step, reply }
        }
        (OrderName::Resolve, Some(step), _) => OrderKind::Resolve { step },
        (OrderName::Edit | OrderName::Skip | OrderName::Resolve, ..) => {
            return Err(incomplete(errors));
        }
    })
}

fn refused(name: OrderName, refusal: &Refusal) -> Problem {
    let path = match (refusal, name) {
        (Refusal::UnknownStep(_), _) => "/step",
        (Refusal::PayloadUnfit { .. }, OrderName::Skip) => "/reply",
        (Refusal::PayloadUnfit { .. }, _) => "/payload",
        (Refusal::OrderIdUsedOtherwise { .. }, _) => {
            return Problem::new(Kind::OrderUsedOtherwise, refusal.to_string());
        }
        _ => return Problem::new(Kind::OrderRefused, refusal.to_string()),
    };
    let errors = vec![fault(path, &refusal.to_string())];
    Problem::invalid("the order does not fit the saga".to_owned(), errors)
}

fn text(name: OrderName, result: OrderResult) -> &'static str {
    match (result, name) {
        (OrderResult::Cancelling, _) => "the saga turns back; what took effect is compensated",
        (OrderResult::Fencing, OrderName::Cancel) => {
            "the pivot is in flight: its participant decides whether it took effect; if not, the \
             saga turns back"
        }
        (OrderResult::Fencing, _) => {
            "the participant is asked to make the step final; its answer decides whether the \
             order applies"
        }
        (OrderResult::Paused, _) => "nothing new is sent until the saga is resumed",
        (OrderResult::Resumed, _) => "the saga goes on; what was in flight is sent once more",
        (OrderResult::TurnedBack, _) => {
            "the saga's deadline passed while it was paused: it turns back, nothing is sent forward, \
             and what took effect is compensated"
        }
        (OrderResult::Retrying, _) => {
            "the command is sent again, as soon as the saga is not paused"
        }
        (OrderResult::Skipped, _) => "the step counts as done by hand",
        (OrderResult::Resolved, _) => "the step counts as compensated by hand",
    }
}

fn text_fault(path: &str, text: &str, errors: &mut Vec<PathError>) {
    let message = if text.trim().is_empty() {
        "is empty; history names who gave an order, and why".to_owned()
    } else if text.len() > TEXT_MAX {
        format!("has more than {TEXT_MAX} bytes")
    } else {
        return;
    };
    errors.push(fault(path, &message));
}

fn fault(path: &str, message: &str) -> PathError {
    PathError {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(name: OrderName, body: &str) -> Vec<String> {
        let body: Body = serde_json::from_str(body).unwrap();
        let Err(problem) = kind(name, body) else {
            return Vec::new();
        };
        assert_eq!(problem.kind(), Kind::InvalidInput);
        let errors = problem.errors().iter();
        errors.map(|error| error.path.clone()).collect()
    }

    #[test]
    fn actor_and_reason_are_needed_and_bounded() {
        let check = |text: &str| {
            let mut errors = Vec::new();
            text_fault("/reason", text, &mut errors);
            errors.len()
        };
        assert_eq!(check("operator"), 0);
        assert_eq!(check("a\0b"), 0);
        for text in ["", " \t", &"x".repeat(TEXT_MAX + 1)] {
            assert_eq!(check(text), 1, "{text:?}");
        }
    }

    #[test]
    fn a_value_that_repeats_a_key_is_malformed() {
        for (name, field) in [(OrderName::Edit, "payload"), (OrderName::Skip, "reply")] {
            let text = r#""actor":"a","reason":"b","step":"s""#;
            let text = format!(r#"{{{text},"{field}":{{"a":[{{"b":1,"b":1}}]}}}}"#);
            let problem = kind(name, serde_json::from_str(&text).unwrap()).unwrap_err();
            assert_eq!(problem.kind(), Kind::Malformed);
            let detail = format!("in the {field}, the object at /a/0 repeats the key \"b\"");
            assert_eq!(problem.detail(), detail);
        }
    }

    #[test]
    fn every_order_takes_its_own_fields_and_no_others() {
        let who = r#""actor":"a","reason":"b""#;
        let with = |more: &str| format!("{{{who}{more}}}");
        let (step, payload, reply) = (r#","step":"s""#, r#","payload":null"#, r#","reply":null"#);
        for name in [OrderName::Cancel, OrderName::Pause, OrderName::Resume] {
            assert!(paths(name, &with("")).is_empty());
            let all = with(&format!("{step}{payload}{reply}"));
            assert_eq!(paths(name, &all), ["/step", "/payload", "/reply"]);
        }
        assert!(paths(OrderName::Retry, &with("")).is_empty());
        assert!(paths(OrderName::Retry, &with(step)).is_empty());
        assert_eq!(paths(OrderName::Edit, &with("")), ["/step", "/payload"]);
        assert!(paths(OrderName::Edit, &with(&format!("{step}{payload}"))).is_empty());
        assert_eq!(
            paths(OrderName::Skip, &with(payload)),
            ["/step", "/payload"]
        );
        assert!(paths(OrderName::Skip, &with(&format!("{step}{reply}"))).is_empty());
        assert_eq!(paths(OrderName::Resolve, &with(reply)), ["/step", "/reply"]);
        let nul = r#","step":"s","payload":{"a":["\u0000"]}"#;
        assert!(paths(OrderName::Edit, &with(nul)).is_empty());
    }

    #[test]
    fn every_name_is_a_route_to_the_order_of_that_name() {
        for &name in OrderName::ALL {
            assert_eq!(named(name.as_str()).unwrap(), name);
            let fields = takes(name).iter().map(|path| {
                let field = path.trim_start_matches('/');
                format!(r#","{field}":"s""#)
            });
            let body = format!(
                r#"{{"actor":"a","reason":"b"{}}}"#,
                fields.collect::<String>()
            );
            let order = kind(name, serde_json::from_str(&body).unwrap()).unwrap();
            assert_eq!(order.name(), name);
            let others = named("wipe").unwrap_err();
            assert!(others.detail().contains(name.as_str()), "{name:?}");
        }
    }

    #[test]
    fn a_payload_that_no_topic_takes_is_refused_before_it_is_stored() {
        let give = |bytes: usize| {
            let payload = "x".repeat(bytes - 2);
            let body = format!(r#"{{"actor":"a","reason":"b","step":"s","payload":"{payload}"}}"#);
            kind(OrderName::Edit, serde_json::from_str(&body).unwrap())
        };
        assert!(give(COMMAND_BYTES_MAX).is_ok());
        let problem = give(COMMAND_BYTES_MAX + 1).unwrap_err();
        assert_eq!(problem.kind(), Kind::CommandTooLarge);
        let said = "the payload has 8372225 bytes, at most 8372224 are sent";
        assert_eq!(problem.detail(), said);
    }
}
