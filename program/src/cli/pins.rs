//! What open sagas pin, compared with the definitions of this binary, before it serves.
//!
//! The rule, and why:
//! * **Changed in place**: this binary has the name and version with another graph. That is refused
//!   while sagas of the other graph are open, or a replica that runs may start some: the version was
//!   not raised, so either this binary is wrong or the one before was, and nothing moves those sagas.
//! * **Absent**: this binary has no such version. That is said and not refused. In a rolling deployment
//!   the replicas that go still have it, and after an outage of all replicas, those that have one
//!   definition may not wait for those that have another.
//!
//! Sagas that no replica can move are not harmed; they wait, and need attention.

use std::fmt;
use std::time::{Duration, Instant};

use sagas_core::Registry;
use sagas_core::registry::Pin;
use sagas_orchestrator::cause::{self, Cause, chain};
use sagas_orchestrator::store::lacking::{Counted, Lacking};
use sagas_orchestrator::store::{self, Store};
use serde_json::{Value, json};

use super::arguments::Output;
use super::{Failure, places, say, table};
use crate::config::Postgres;

/// Time in which sagas are counted, and one more statement. A replica that starts is waited for.
const COUNTING: Duration = Duration::from_secs(10);

/// Time in which the shards are searched for one saga that decides, where a count was not done within
/// its statement: 800 000 were read in 2 to 5 s.
const SEARCHING: Duration = Duration::from_secs(120);

/// Interval at which the log says how far the search has come.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// A definition that this binary lacks, and that open sagas may pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    lacking: Lacking,
    /// Whether this binary has another graph under the same name and version.
    is_changed: bool,
    /// A version of this binary that has the same graph.
    same_graph: Option<u32>,
    sagas: Counted,
}

impl Difference {
    /// Whether to start beside it would be wrong. What could not be counted is no reason.
    pub(super) fn is_wrong(&self) -> bool {
        self.is_changed && (self.lacking.is_live || self.has_sagas())
    }

    /// Whether a single saga would make the start wrong, and none was looked for to the end.
    fn is_undecided(&self) -> bool {
        self.is_changed && !self.lacking.is_live && self.sagas == Counted::Unknown
    }

    fn has_sagas(&self) -> bool {
        matches!(self.sagas, Counted::Exactly(1..) | Counted::AtLeast(_))
    }

    fn is_worth_a_word(&self) -> bool {
        self.is_wrong() || self.sagas != Counted::Exactly(0)
    }
}

/// Which, how many sagas, who has it, and what to do.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pin {
            name,
            version,
            fingerprint,
        } = &self.lacking.pin;
        let sagas = said(self.sagas);
        if self.is_changed {
            write!(
                f,
                "definition {name} version {version} was changed in place: {sagas} the graph with \
                 the fingerprint {fingerprint}, and this binary has another one under that version"
            )?;
        } else {
            write!(
                f,
                "definition {name} version {version} (fingerprint {fingerprint}) is not in this \
                 binary: {sagas} it"
            )?;
        }
        f.write_str(if self.lacking.is_live {
            "; a replica had it within the last 10 s"
        } else {
            "; no replica had it within the last 10 s"
        })?;
        match self.same_graph {
            Some(other) => write!(
                f,
                "; version {other} of this binary has that graph: build it as version {version}, \
                 too, and add that with Registry::retired(…)"
            ),
            None if self.is_changed => f.write_str(
                "; raise the version of the changed definition and add the one before with \
                 Registry::retired(…), or go back to the binary before",
            ),
            None => f.write_str("; add it with Registry::retired(…), or keep a binary that has it"),
        }
    }
}

fn said(sagas: Counted) -> String {
    match sagas {
        Counted::Exactly(1) => "1 open saga pins".to_owned(),
        Counted::Exactly(count) => format!("{count} open sagas pin"),
        Counted::AtLeast(count) => format!("at least {count} open sagas pin"),
        Counted::Unknown => "open sagas, not counted in time, may pin".to_owned(),
    }
}

/// Everything that open sagas pin, or may pin soon, and this binary lacks.
pub(super) async fn compare(
    registry: &Registry,
    store: &Store,
) -> Result<Vec<Difference>, store::Error> {
    let held: Vec<Pin> = registry.iter().map(|known| Pin::of(known)).collect();
    let lacking = store.lacking(&held).await?.into_iter();
    let mut differences: Vec<Difference> = lacking.map(|one| difference(one, &held)).collect();
    // What decides comes first: the time may not suffice for the rest.
    differences.sort_by_key(|difference| !difference.is_changed);
    let began = Instant::now();
    for difference in &mut differences {
        if began.elapsed() < COUNTING {
            difference.sagas = store.open_sagas_of(&difference.lacking.pin, None).await?;
        }
    }
    for undecided in differences.iter_mut().filter(|one| one.is_undecided()) {
        undecided.sagas = search(store, &undecided.lacking.pin).await?;
    }
    differences.retain(Difference::is_worth_a_word);
    Ok(differences)
}

/// Goes through the shards, one statement each, until one has open sagas with this pin. `Exactly(0)`
/// once all were searched.
async fn search(store: &Store, pin: &Pin) -> Result<Counted, store::Error> {
    let began = Instant::now();
    let mut said = began;
    let mut is_complete = true;
    for shard in 0..store.shards() {
        if began.elapsed() >= SEARCHING {
            return Ok(Counted::Unknown);
        }
        if said.elapsed() >= SAID_EVERY {
            let shards = store.shards();
            tracing::info!(%pin, shard, shards, "searching for open sagas of a changed definition");
            said = Instant::now();
        }
        match store.open_sagas_of(pin, Some(shard)).await? {
            Counted::Exactly(0) => {}
            Counted::Exactly(count) => return Ok(Counted::AtLeast(count)),
            more @ Counted::AtLeast(_) => return Ok(more),
            Counted::Unknown => is_complete = false,
        }
    }
    Ok(if is_complete {
        Counted::Exactly(0)
    } else {
        Counted::Unknown
    })
}

/// What a binary with these definitions has instead; its sagas are not counted yet.
fn difference(lacking: Lacking, held: &[Pin]) -> Difference {
    let pin = &lacking.pin;
    let mut same_name = held.iter().filter(|known| known.name == pin.name);
    let is_changed = same_name.clone().any(|known| known.version == pin.version);
    let same_graph = same_name
        .find(|known| known.fingerprint == pin.fingerprint)
        .map(|known| known.version);
    Difference {
        lacking,
        is_changed,
        same_graph,
        sagas: Counted::Unknown,
    }
}

/// Refuses the start, or says what is different.
pub(super) fn judge(differences: &[Difference], is_change_allowed: bool) -> Result<(), Failure> {
    let (wrong, others): (Vec<_>, Vec<_>) = differences
        .iter()
        .partition(|difference| difference.is_wrong() && !is_change_allowed);
    for difference in others {
        tracing::warn!("{difference}");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong: Vec<String> = wrong.into_iter().map(Difference::to_string).collect();
    Err(Failure::Found(format!(
        "{}; docs/definitions.md has the ways out, and --allow-changed-definitions starts \
         nevertheless and leaves those sagas alone",
        wrong.join("; ")
    )))
}

/// `definitions check`: what `serve` would say, before it is rolled out.
pub(super) async fn check(
    registry: &Registry,
    settings: &Postgres,
    output: Output,
) -> Result<(), Failure> {
    let name = places::postgres_name(settings);
    if let Some(trouble) = places::postgres_trouble(settings).await {
        let text = format!("cannot reach {name}: {trouble}");
        return Err(Failure::Unreachable(Cause::ours(text)));
    }
    let store = places::store(settings, 1)?;
    let compared = match store.check_schema().await {
        Ok(()) => compare(registry, &store).await,
        Err(error) => Err(error),
    };
    store.close().await;
    let differences = compared.map_err(|error| match error {
        store::Error::Unavailable(_) => {
            Failure::Unreachable(cause::of(&error).within(&format!("cannot use {name}")))
        }
        store::Error::OtherSchema(_) => Failure::Usage(format!("{name}: {}", chain(&error))),
        _ => Failure::Failed(format!("{name}: {}", chain(&error))),
    })?;
    say(&match output {
        Output::Table => as_text(&differences),
        Output::Json => {
            let differences: Vec<_> = differences.iter().map(as_json).collect();
            format!("{:#}", json!({ "lacking": differences }))
        }
    });
    let lacking = differences.len();
    if lacking == 0 {
        return Ok(());
    }
    let wrong = differences.iter().filter(|found| found.is_wrong()).count();
    Err(Failure::Found(format!(
        "open sagas pin {lacking} definitions that this binary lacks; because of {wrong} of them \
         `serve` would not start, see docs/definitions.md"
    )))
}

fn as_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "This binary has every definition that open sagas pin.".to_owned();
    }
    let rows: Vec<_> = differences
        .iter()
        .map(|difference| {
            let Lacking { pin, is_live } = &difference.lacking;
            [
                pin.name.clone(),
                pin.version.to_string(),
                pin.fingerprint.to_string(),
                match difference.sagas {
                    Counted::Exactly(count) => count.to_string(),
                    Counted::AtLeast(count) => format!("{count}+"),
                    Counted::Unknown => "?".to_owned(),
                },
                if difference.is_changed {
                    "another graph"
                } else {
                    "-"
                }
                .to_owned(),
                if *is_live { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    let mut text = Vec::new();
    let head = [
        "NAME",
        "VERSION",
        "FINGERPRINT",
        "OPEN SAGAS",
        "HERE",
        "ELSEWHERE",
    ];
    table::write(&mut text, head, &rows).expect("a Vec takes all that is written");
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

fn as_json(difference: &Difference) -> Value {
    let Lacking { pin, is_live } = &difference.lacking;
    let (sagas, is_more) = match difference.sagas {
        Counted::Exactly(count) => (Some(count), false),
        Counted::AtLeast(count) => (Some(count), true),
        Counted::Unknown => (None, true),
    };
    json!({
        "name": pin.name,
        "version": pin.version,
        "fingerprint": pin.fingerprint,
        "open_sagas": sagas,
        "open_sagas_may_be_more": is_more,
        "changed_in_place": difference.is_changed,
        "same_graph_as_version": difference.same_graph,
        "live_elsewhere": is_live,
        "refused": difference.is_wrong(),
        "text": difference.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of these open sagas by a binary that has `held`, each a version of book-trip with
    /// the graph of another.
    fn said_of(
        pinned: (u32, u32),
        held: &[(u32, u32)],
        is_live: bool,
        sagas: Counted,
    ) -> Difference {
        let pin = |(version, graph): (u32, u32)| Pin {
            name: "book-trip".to_owned(),
            version,
            fingerprint: uuid::Uuid::from_u128(graph.into()),
        };
        let lacking = Lacking {
            pin: pin(pinned),
            is_live,
        };
        let held: Vec<Pin> = held.iter().map(|known| pin(*known)).collect();
        Difference {
            sagas,
            ..difference(lacking, &held)
        }
    }

    const ONE: Counted = Counted::Exactly(1);
    const NONE: Counted = Counted::Exactly(0);

    #[test]
    fn a_definition_that_was_changed_in_place_is_refused_with_what_to_do() {
        let changed = said_of((1, 7), &[(1, 8)], false, Counted::AtLeast(10_000));
        let failure = judge(&[changed], false).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "definition book-trip version 1 was changed in place: at least 10000 open sagas pin \
             the graph with the fingerprint 00000000-0000-0000-0000-000000000007, and this binary \
             has another one under that version; no replica had it within the last 10 s; raise the \
             version of the changed definition and add the one before with Registry::retired(…), \
             or go back to the binary before; docs/definitions.md has the ways out, and \
             --allow-changed-definitions starts nevertheless and leaves those sagas alone"
        );
        assert!(matches!(failure, Failure::Found(_)));
    }

    #[test]
    fn a_change_is_refused_for_open_sagas_and_for_replicas_that_may_start_some() {
        let is_wrong = |is_live, sagas| said_of((1, 7), &[(1, 8)], is_live, sagas).is_wrong();
        assert!(is_wrong(false, ONE) && is_wrong(true, NONE) && is_wrong(true, Counted::Unknown));
        assert!(!is_wrong(false, NONE) && !is_wrong(false, Counted::Unknown));
    }

    #[test]
    fn a_change_that_is_allowed_is_only_said() {
        let changed = said_of((1, 7), &[(1, 8)], false, ONE);
        assert!(judge(&[changed], true).is_ok());
    }

    #[test]
    fn a_version_that_is_not_there_is_said_and_not_refused() {
        let absent = said_of((1, 7), &[(2, 8)], false, ONE);
        let text = absent.to_string();
        let expected = "definition book-trip version 1 (fingerprint \
            00000000-0000-0000-0000-000000000007) is not in this binary: 1 open saga pins it; no \
            replica had it within the last 10 s; add it with Registry::retired(…), or keep a binary \
            that has it";
        assert_eq!(text, expected);
        assert!(judge(&[absent], false).is_ok());
    }

    #[test]
    fn a_version_with_the_same_graph_is_named_as_the_way_out() {
        for held in [&[(1, 8), (2, 7)][..], &[(2, 7)]] {
            let text = said_of((1, 7), held, true, ONE).to_string();
            let way = "version 2 of this binary has that graph: build it as version 1, too";
            assert!(text.contains(way), "{text}");
        }
    }

    #[test]
    fn what_no_saga_pins_is_not_worth_a_word() {
        assert!(!said_of((1, 7), &[(2, 8)], true, NONE).is_worth_a_word());
        assert!(!said_of((1, 7), &[(1, 8)], false, NONE).is_worth_a_word());
        assert!(said_of((1, 7), &[(2, 8)], false, Counted::Unknown).is_worth_a_word());
    }
}
