//! `GET /problems/<slug>`: what a problem's `type` leads to, for people: what happened, and what to do.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{Kind, Problem};

pub(in super::super) async fn page(Path(slug): Path<String>) -> Result<Response, Problem> {
    let mut told = TOLD.iter().filter(|(kind, _)| kind.parts().1 == slug);
    let Some((kind, text)) = told.next() else {
        let all: Vec<_> = TOLD.iter().map(|(kind, _)| kind.parts().1).collect();
        let detail = format!("no problem {slug:?}; there is: {}", all.join(", "));
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let (status, slug, title) = kind.parts();
    let page = format!("{title} ({slug}, {status})\n\n{text}\n");
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((plain, page).into_response())
}

/// One paragraph for each kind. The problem's own `detail` has the particulars.
const TOLD: [(Kind, &str); Kind::COUNT] = [
    (
        Kind::Malformed,
        "The body is no JSON, or not the JSON that this address takes. `detail` says what is wrong with it, \
         and `errors` where, if the body could be read so far. Nothing was done; mend the body.",
    ),
    (
        Kind::BadParameter,
        "A parameter after the question mark, or the id in the path, does not fit: unknown, empty, given \
         twice, or not of the kind that it must be. `detail` names it. Mend the address.",
    ),
    (
        Kind::BadPath,
        "The path, read with its percent signs, is no UTF-8, so it names nothing. Mend the address.",
    ),
    (
        Kind::BadIdempotencyKey,
        "The Idempotency-Key cannot be one. A key is 1 to 255 visible ASCII characters, bare or as a quoted \
         string. Nothing was accepted; mend the key.",
    ),
    (
        Kind::TooDeep,
        "Arrays and objects of the body are nested deeper than the service reads (--json-depth-max). \
         Nothing was accepted; send a flatter body, or ask whoever runs the service to allow more.",
    ),
    (
        Kind::NotFound,
        "The address leads to nothing: no such path, saga, definition or order. `detail` says what was \
         looked for, and often what there is.",
    ),
    (
        Kind::UnknownSaga,
        "The submission names a definition that this service does not have. Nothing was accepted. `detail` \
         lists those that it has; correct the name, or deploy a service with the definition.",
    ),
    (
        Kind::NoSuchMethod,
        "The path exists and does not take this method. The header Allow lists those that it takes.",
    ),
    (
        Kind::RequestTooSlow,
        "The body did not come within the time for one request (--request-limit). Nothing was accepted; \
         send it again on a new connection.",
    ),
    (
        Kind::KeyUsedOtherwise,
        "The Idempotency-Key belongs to a saga with another definition or input; `detail` names it. Nothing \
         was accepted. A new submission needs a new key; a repetition must be what it was the first time.",
    ),
    (
        Kind::OrderRefused,
        "The order makes no sense in the state of the saga now; `detail` has the reason. Nothing changed. Look \
         at the saga before another order.",
    ),
    (
        Kind::OrderUsedOtherwise,
        "The order_id belongs to another order for this saga. Nothing changed. A new order needs a new id.",
    ),
    (
        Kind::Dropped,
        "The saga ended and was kept for its time (--retention-finished); now it is gone. Its Idempotency-Key \
         stays refused, so that a late repetition does not run it twice. A new submission needs a new key.",
    ),
    (
        Kind::TooLarge,
        "The body has more bytes than the service takes (--body-bytes-max). Nothing was accepted, and the \
         connection ends. Send less, such as a reference to large content.",
    ),
    (
        Kind::NotJson,
        "The Content-Type is missing, is no JSON type, or names another charset than UTF-8. Nothing was \
         accepted; send JSON in UTF-8 with the Content-Type application/json.",
    ),
    (
        Kind::Encoded,
        "The body has a Content-Encoding, and the service takes none. Nothing was accepted; send the body \
         as it is.",
    ),
    (
        Kind::InvalidInput,
        "The body is JSON, and its values do not fit the definition or the order. `errors` lists each fault \
         with a JSON Pointer into the body. Nothing was accepted; mend the values.",
    ),
    (
        Kind::CommandTooLarge,
        "A command that the saga would send is larger than the topics take. Nothing was accepted; make the \
         input or the payload smaller.",
    ),
    (
        Kind::Overloaded,
        "This replica has as much work as it takes on. Nothing was accepted. Send it again after \
         Retry-After, with the same Idempotency-Key.",
    ),
    (
        Kind::Internal,
        "The service failed; that is a defect, or damage in its database. Its log has the cause under this \
         problem's `instance`. Send it again with the same Idempotency-Key, and tell whoever runs the service.",
    ),
    (
        Kind::Unavailable,
        "Postgres, Kafka or the replica itself cannot be used now; `detail` and GET /readyz name the part. \
         Accepted sagas are kept. Send it again after Retry-After, with the same Idempotency-Key.",
    ),
    (
        Kind::Stopping,
        "This replica is stopping and took nothing. Send it again at once; another replica answers.",
    ),
    (
        Kind::AnswerTooSlow,
        "There was no answer within the time for one request (--request-limit). A submission may or may not \
         be accepted. Send it again with the same Idempotency-Key: it runs once.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_once() {
        for kind in Kind::ALL {
            let told = TOLD.iter().filter(|(told, _)| *told == kind);
            assert_eq!(told.count(), 1, "{kind:?}");
        }
    }
}
