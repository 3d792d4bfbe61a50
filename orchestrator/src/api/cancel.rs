//! `POST /v1/sagas/{id}/cancel`: the operator's order to turn a saga back.

use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use sagas::machine::{Order, OrderKind, OrderResult, Refusal};
use sagas::{OrderId, SagaId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backend::Backend;
use super::body;
use super::problem::{PathError, Problem};
use super::read::saga_id;
use crate::engine;

/// Bytes of an actor's name and of a reason: history is kept for long.
const TEXT_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Chosen by the client, so that a repeated order is applied once.
    order_id: Option<Uuid>,
    actor: String,
    reason: String,
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

pub(super) async fn cancel(
    State(backend): State<Backend>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Answer<Done>, Problem> {
    let saga = saga_id(&id)?;
    let body: Body = body::read(&headers, &bytes, backend.limits().json_depth_max)?;
    check("/actor", &body.actor)?;
    check("/reason", &body.reason)?;
    let order_id = OrderId(body.order_id.unwrap_or_else(Uuid::now_v7));
    let order = Order {
        id: order_id,
        actor: body.actor,
        reason: body.reason,
        kind: OrderKind::Cancel,
    };
    let result = match backend.engine()?.order(saga, order).await {
        Ok(result) => result,
        // A repeated order is answered like the first time.
        Err(engine::Error::Refused(Refusal::OrderAppliedBefore(result))) => result,
        Err(engine::Error::NotFound) => return Err(Problem::no_saga(&saga)),
        Err(error) => return Err(error.into()),
    };
    tracing::info!(%saga, order = %order_id, ?result, "cancelled by an operator");
    let text = match result {
        OrderResult::Cancelling => "the saga turns back; what took effect is compensated",
        OrderResult::Fencing => {
            "the pivot is in flight: its participant decides whether it took effect; if not, the \
             saga turns back"
        }
    };
    Ok(Answer(Done {
        order_id,
        saga,
        result,
        text,
    }))
}

fn check(path: &str, text: &str) -> Result<(), Problem> {
    let message = if text.trim().is_empty() {
        "is empty; history names who gave an order, and why".to_owned()
    } else if text.len() > TEXT_MAX {
        format!("has more than {TEXT_MAX} bytes")
    } else if text.contains('\0') {
        "contains \\u0000, which cannot be stored".to_owned()
    } else {
        return Ok(());
    };
    let path = path.to_owned();
    let detail = "the order is incomplete".to_owned();
    let errors = vec![PathError { path, message }];
    Err(Problem::invalid(detail, errors))
}

#[cfg(test)]
mod tests {
    use super::super::problem::Kind;
    use super::*;

    #[test]
    fn actor_and_reason_are_needed_and_bounded() {
        assert!(check("/actor", "operator").is_ok());
        for text in ["", " \t", "a\0b", &"x".repeat(TEXT_MAX + 1)] {
            let problem = check("/reason", text).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidInput);
            assert_eq!(problem.errors()[0].path, "/reason");
        }
    }
}
