//! `GET /v1/sagas`: sagas, newest first, a page at a time.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answer};
use sagas::SagaId;
use sagas::id::TENANT_DEFAULT;
use sagas::machine::Status;
use sagas_core::Registry;
use sagas_core::loaded::{SagaRow, Unreadable};
use serde::Serialize;

use super::backend::Backend;
use super::cursor;
use super::key;
use super::problem::{Kind, Problem};
use super::query::Parameters;
use super::read::{absent, missing};
use super::summary::Summary;
use crate::store::definition::Missing;
use crate::store::list::ListFilter;

/// The parameters of a list.
pub(super) const KNOWN: [&str; 6] = ["state", "definition", "attention", "key", "limit", "cursor"];

#[derive(Serialize)]
struct Page<'a> {
    sagas: Vec<Summary<'a>>,
    /// Where the next page starts; `null` on the last one.
    next: Option<String>,
}

pub(super) async fn list(
    State(backend): State<Backend>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response, Problem> {
    let limit = parameters.limit()?;
    let rows = match parameters.get("key") {
        Some(key) => named_by(&backend, saga_of(&parameters, key)?).await?,
        None => backend.store().list(&filter(&parameters, limit)?).await?,
    };
    let readable = rows.iter().filter_map(|row| row.as_ref().ok());
    let missing = missing(&backend, readable).await?;
    Ok(Answer(page(&rows, limit, backend.registry(), &missing)).into_response())
}

/// The id of the saga that the key names. It stands alone: there is nothing left to filter.
fn saga_of(parameters: &Parameters, key: &str) -> Result<SagaId, Problem> {
    let mut others = KNOWN.into_iter().filter(|name| *name != "key");
    let given = others.find(|name| parameters.get(name).is_some());
    if let Some(other) = given {
        let detail =
            format!("a key names one saga, so the parameter {other:?} does not go with it");
        return Err(Problem::parameter(detail));
    }
    let key = key::parse(key.as_bytes()).map_err(Problem::parameter)?;
    Ok(SagaId::from_key(TENANT_DEFAULT, &key))
}

/// The saga with this id, if there is one. A saga that was dropped is no empty list: its key is taken.
async fn named_by(backend: &Backend, id: SagaId) -> Result<Vec<Row>, Problem> {
    if let Some(loaded) = backend.store().show(id).await? {
        return Ok(vec![Ok(loaded.row)]);
    }
    match absent(backend, id).await {
        problem if problem.kind() == Kind::NotFound => Ok(Vec::new()),
        problem => Err(problem),
    }
}

/// One row more than the page tells whether there is a next one.
fn filter(parameters: &Parameters, limit: u32) -> Result<ListFilter, Problem> {
    let states = parameters.get("state").into_iter();
    let states = states.flat_map(|states| states.split(','));
    Ok(ListFilter {
        states: states.map(state).collect::<Result<_, _>>()?,
        definition: parameters.get("definition").map(str::to_owned),
        attention: attention(parameters.get("attention"))?,
        before: parameters.get("cursor").map(cursor::read).transpose()?,
        limit: limit + 1,
    })
}

/// There is no list of the sagas that need none.
fn attention(word: Option<&str>) -> Result<bool, Problem> {
    match word {
        None => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Problem::parameter(format!(
            "attention is \"true\" or absent, not {other:?}"
        ))),
    }
}

fn state(word: &str) -> Result<Status, Problem> {
    let found = Status::ALL
        .into_iter()
        .find(|status| status.as_str() == word);
    found.ok_or_else(|| {
        let known = Status::ALL.map(Status::as_str).join(", ");
        Problem::parameter(format!("no state {word:?}; there is: {known}"))
    })
}

/// A row of the list: the saga, or what is known of one that this binary cannot read.
type Row = Result<SagaRow, Unreadable>;

fn page<'a>(rows: &'a [Row], limit: u32, registry: &Registry, missing: &[Missing]) -> Page<'a> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = &rows[..rows.len().min(limit)];
    let last = shown.last().filter(|_| rows.len() > limit);
    let place = |row: &Row| match row {
        Ok(row) => cursor::write(row.started_at, row.id),
        Err(row) => cursor::write(row.started_at, row.id),
    };
    Page {
        sagas: shown
            .iter()
            .map(|row| match row {
                Ok(row) => {
                    let definition = registry.pinned(&row.definition, row.version, row.fingerprint);
                    Summary::of(row, definition.map(AsRef::as_ref))
                        .with_definition_missing(row, missing)
                }
                Err(row) => Summary::of_unreadable(row),
            })
            .collect(),
        next: last.map(place),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn filter_of(pairs: &[(&str, &str)]) -> Result<ListFilter, Problem> {
        let pairs = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let parameters = Parameters::check(pairs.collect(), &KNOWN)?;
        filter(&parameters, parameters.limit()?)
    }

    #[test]
    fn states_are_read_and_unknown_ones_answered_with_those_that_exist() {
        let filter = filter_of(&[("state", "running,stuck"), ("definition", "book-trip")]).unwrap();
        assert_eq!(filter.states, [Status::Running, Status::Stuck]);
        assert_eq!(filter.definition.as_deref(), Some("book-trip"));
        assert_eq!(filter.limit, 51);
        let refused = filter_of(&[("state", "running,done")]).unwrap_err();
        assert!(
            refused
                .detail()
                .contains("no state \"done\"; there is: running")
        );
        assert!(filter_of(&[("state", "running,")]).is_err());
        assert!(filter_of(&[("cursor", "x")]).is_err());
        assert!(!filter.attention);
        assert!(filter_of(&[("attention", "true")]).unwrap().attention);
        assert!(filter_of(&[("attention", "false")]).is_err());
    }

    #[test]
    fn a_key_names_the_saga_that_a_submission_under_it_makes_and_goes_with_no_filter() {
        let saga = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            let parameters = Parameters::check(pairs.collect(), &KNOWN).unwrap();
            saga_of(&parameters, parameters.get("key").unwrap())
        };
        let expected = "f44ab201-874a-5174-a879-4f71cf226ead";
        for key in ["order-7", "\"order-7\""] {
            assert_eq!(saga(&[("key", key)]).unwrap().to_string(), expected);
        }
        for pairs in [&[("key", "a b")][..], &[("key", "a"), ("state", "stuck")]] {
            assert_eq!(saga(pairs).unwrap_err().kind(), Kind::BadParameter);
        }
    }

    #[test]
    fn a_full_page_names_the_next_and_the_last_page_does_not() {
        let registry = sample::registry();
        let row = sample::played("start").row;
        let last = (row.started_at, row.id);
        let rows = vec![Ok(row); 3];
        let first = page(&rows, 2, &registry, &[]);
        assert_eq!(first.sagas.len(), 2);
        let next = cursor::read(&first.next.unwrap()).unwrap();
        assert_eq!(next, last);
        assert_eq!(page(&rows, 3, &registry, &[]).next, None);
        assert_eq!(page(&[], 3, &registry, &[]).next, None);
    }
}
