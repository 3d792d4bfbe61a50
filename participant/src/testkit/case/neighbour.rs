//! A batch of three whose middle one comes to nothing: the other two take effect all the same, once.

use sagas::Outcome;
use sagas::barrier::Ask::Forward;

use crate::testkit::bench::{Bench, Saga, Wrong, came, came_again};
use crate::testkit::fault::Fault;
use crate::testkit::instance::Instance;

/// JSON of no type: a number, which no command is, and beyond those that `serde_json` gives anybody.
const UNREADABLE: &[u8] = b"1e999";

pub(super) async fn bad(bench: &mut Bench<'_>) -> Result<(), Wrong> {
    let instance = bench.instance()?;
    let unreadable = bench.saga_with(UNREADABLE.to_vec());
    beside(bench, &instance, &unreadable, Outcome::Rejected).await?;

    if let Some(refused) = &bench.plan.refused {
        bench.begin_anew().await?;
        let refused = bench.saga_with(refused());
        beside(bench, &instance, &refused, Outcome::Rejected).await?;
    }

    bench.begin_anew().await?;
    let troubled = bench.saga();
    let instance = bench.instance_with(Fault::StatementFails, &troubled)?;
    bench.note("a statement fails after the handler of the next batch's second command".to_owned());
    beside(bench, &instance, &troubled, Outcome::Failed).await
}

async fn beside(
    bench: &Bench<'_>,
    instance: &Instance,
    bad: &Saga,
    outcome: Outcome,
) -> Result<(), Wrong> {
    let (one, other) = (bench.saga(), bench.saga());
    let batch = [&one, bad, &other].map(|saga| bench.message(saga, Forward, 1));
    let answers = bench.send_together(instance, batch.to_vec()).await?;
    came(&answers[1], outcome, "it is the bad one")?;
    for (saga, answer) in [(&one, &answers[0]), (&other, &answers[2])] {
        came(
            answer,
            Outcome::Succeeded,
            "a neighbour's trouble is not its own",
        )?;
        came_again(&bench.ask(instance, saga, Forward).await?, answer)?;
    }
    bench
        .effects(2, "two of the batch took effect, each once")
        .await?;
    super::undo(bench, instance, &[&one, bad, &other]).await
}
