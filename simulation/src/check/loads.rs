//! What lanes read of the database.

use super::{Evidence, Finding};

/// A lane has one load under way, of a bounded number of sagas: each brings its whole history.
pub(super) fn a_lane_has_one_load_under_way(evidence: &Evidence<'_>) -> Finding {
    let most = evidence.world.layout.bounds.load_max;
    for load in &evidence.journal.loads {
        let first = load.sagas.first().copied();
        if load.beside > 0 {
            let text = format!("it was asked for beside {} loads of its lane", load.beside);
            return Err((first, text));
        }
        if load.sagas.len() > most {
            let text = format!("it is one of {} in a load of {most}", load.sagas.len());
            return Err((first, text));
        }
    }
    Ok(())
}
