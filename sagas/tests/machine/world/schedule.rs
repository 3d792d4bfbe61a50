//! What may go wrong, and when: random schedules.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sagas::testkit::Intent;

/// One thing that happens. Messages are picked by a number modulo how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    /// Everything committed reaches the broker.
    Publish,
    /// A command reaches its participant; `keep`: and will again.
    Deliver { which: u8, keep: bool, fails: bool },
    /// A command never arrives.
    LoseCommand { which: u8 },
    /// A reply reaches the orchestrator; `keep`: and will again.
    Answer { which: u8, keep: bool },
    /// A reply never arrives.
    LoseReply { which: u8 },
    /// Time passes, and the saga is looked at.
    Wake { later: Duration },
    /// Another replica's clock is behind.
    ClockBack { by: Duration },
    /// An operator cancels.
    Cancel { number: u8 },
    /// An operator gives another order, about the step that `which` points at.
    Order { intent: Intent, which: u8 },
    /// The orchestrator dies and starts again from what is stored.
    Crash,
    /// The command topic takes nothing from now on.
    Close,
    /// It takes everything again; `tells`: and the saga is woken.
    Open { tells: bool },
    /// The participants drop their rows.
    Purge,
}

/// Orders other than cancel; the step is a placeholder.
fn orders() -> impl Strategy<Value = Intent> {
    let all = Intent::ALL.iter().copied();
    let others = all.filter(|intent| *intent != Intent::Cancel);
    prop::sample::select(others.collect::<Vec<_>>())
}

/// Up to forty operations; messages get through more often than not.
pub(crate) fn schedules() -> impl Strategy<Value = Vec<Op>> {
    let which = any::<u8>;
    let often = any::<bool>;
    let rarely = || prop::bool::weighted(0.2);
    let op = prop_oneof![
        8 => Just(Op::Publish),
        12 => (which(), rarely(), rarely())
            .prop_map(|(which, keep, fails)| Op::Deliver { which, keep, fails }),
        1 => which().prop_map(|which| Op::LoseCommand { which }),
        12 => (which(), rarely()).prop_map(|(which, keep)| Op::Answer { which, keep }),
        1 => which().prop_map(|which| Op::LoseReply { which }),
        5 => (0..12_000_u64, often()).prop_map(|(later, long)| Op::Wake {
            later: Duration::from_millis(if long { later } else { later / 10 }),
        }),
        1 => (0..500_u64).prop_map(|by| Op::ClockBack { by: Duration::from_millis(by) }),
        1 => (0..3_u8).prop_map(|number| Op::Cancel { number }),
        3 => (orders(), which()).prop_map(|(intent, which)| Op::Order { intent, which }),
        2 => Just(Op::Crash),
        1 => Just(Op::Close),
        1 => often().prop_map(|tells| Op::Open { tells }),
    ];
    // Rows are purged in one world of eight: everything after it is for a person.
    let purge = prop_oneof![7 => Just(None), 1 => any::<u8>().prop_map(Some)];
    (vec(op, 0..40), purge).prop_map(|(mut schedule, purge)| {
        if let Some(at) = purge {
            let at = usize::from(at) % (schedule.len() + 1);
            schedule.insert(at, Op::Purge);
        }
        schedule
    })
}
