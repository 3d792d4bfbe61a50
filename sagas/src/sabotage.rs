//! Seeded bugs of production code: the proof that the checks can fail.
//!
//! Each [`Bug`] breaks one rule in the place that keeps it. Without the feature `sabotage`, which no
//! release has, [`is_seeded`] is the constant `false` and the compiler removes whatever hangs on it.
//! With it `SAGA_SABOTAGE=<name>` chooses one bug for the whole process; `cargo xtask sabotage` runs
//! for each the check that must notice it.

macro_rules! bugs {
    ($($(#[$doc:meta])+ $bug:ident = $name:literal,)+) => {
        /// One bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[$doc])+ $bug,)+
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Self] = &[$(Self::$bug),+];

            /// Its name in `SAGA_SABOTAGE`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// A lane tells the client "accepted" before the commit.
    AnswersBeforeTheCommit = "answers-before-the-commit",
    /// Two submissions under one key count as the same, whatever they ask for.
    TakesAnySubmissionForTheFirst = "takes-any-submission-for-the-first",
    /// An order that comes again is applied again.
    AppliesOrdersAgain = "applies-orders-again",
    /// Another order under the id of an order that was applied counts as the same.
    TakesAnyOrderForTheFirst = "takes-any-order-for-the-first",
    /// A step counts as done by hand while steps before it are not settled.
    SkipsBeforeItsTurn = "skips-before-its-turn",
    /// A saga that turned back goes forward once a step is undone.
    TurnsForwardAgain = "turns-forward-again",
    /// A lane hands commands to the broker before the commit.
    PublishesBeforeTheCommit = "publishes-before-the-commit",
    /// A command that is sent again has other bytes.
    ChangesBytes = "changes-bytes",
    /// The barrier lets a command that took effect run again.
    RunsAgain = "runs-again",
    /// The barrier forgets that a step was made final.
    ForgetsTombstones = "forgets-tombstones",
    /// A saga that goes forward undoes what it has done.
    UndoesUnasked = "undoes-unasked",
    /// A cancel takes it for granted that a pivot in flight never takes effect.
    CancelsWithoutFence = "cancels-without-fence",
    /// A step is undone while steps that need it stand.
    UndoesWithoutWaiting = "undoes-without-waiting",
    /// A step that was given up on is taken for one that was refused.
    TakesSilenceForRefusal = "takes-silence-for-refusal",
    /// A reply moves a saga that has ended.
    MovesWhatHasEnded = "moves-what-has-ended",
    /// A write that nobody answers is none that is missed.
    TakesSilenceForWell = "takes-silence-for-well",
    /// The trouble of one participant's topic makes a replica unready.
    TakesOneTopicForAll = "takes-one-topic-for-all",
    /// New sagas of one definition keep those of all others out.
    LetsABurstKeepOthersOut = "lets-a-burst-keep-others-out",
    /// A lane hands over whatever the broker owes for a topic.
    IgnoresGates = "ignores-gates",
    /// A lane commits nothing while one topic takes nothing.
    OneGateForAll = "one-gate-for-all",
    /// A lane forgets which sagas wait for a topic.
    ForgetsTheWithheld = "forgets-the-withheld",
    /// A participant's silence counts while its topic takes nothing.
    CountsClosedTopics = "counts-closed-topics",
    /// A transition counts for two.
    SkipsRevisions = "skips-revisions",
    /// A reply of any generation and attempt counts.
    TakesAnyReply = "takes-any-reply",
    /// A lane lets offsets advance when records arrive.
    AdvancesOffsetsEarly = "advances-offsets-early",
    /// A saga has no wake.
    ForgetsWakes = "forgets-wakes",
    /// A lane does nothing about wakes.
    IgnoresWakes = "ignores-wakes",
    /// A saga is read without its newest transition.
    ReadsStale = "reads-stale",
    /// The history says of each reply that it answers the first attempt.
    ForgetsAttempts = "forgets-attempts",
    /// A lane that has published one command of a saga takes all of them for published.
    TakesAllForPublished = "takes-all-for-published",
    /// A lane takes for sent what the broker has refused.
    TakesRefusedForSent = "takes-refused-for-sent",
    /// A lane takes lifecycle events for published that it dropped.
    DropsEvents = "drops-events",
    /// The lifecycle events of one saga go to any partition.
    ScattersEvents = "scatters-events",
    /// An order begins to number the lifecycle events of its saga anew.
    NumbersEventsAnew = "numbers-events-anew",
    /// Attempts that are used up turn the saga back although an answer could not be read.
    GivesUpOnTheUnreadable = "gives-up-on-the-unreadable",
    /// A step that failed is tried again at once.
    RetriesAtOnce = "retries-at-once",
    /// A lane refuses an event on a state that may be old.
    TrustsOldStates = "trusts-old-states",
    /// A reply that names a later revision than the cached one is buried at once.
    BuriesReplies = "buries-replies",
    /// A saga goes on with the newest definition of its name.
    TakesAnyDefinition = "takes-any-definition",
    /// A lane keeps states of which nobody knows whether they were committed.
    KeepsAmbiguousStates = "keeps-ambiguous-states",
    /// A lane takes a saga into a second commit while it is in one.
    CommitsASagaTwiceAtOnce = "commits-a-saga-twice-at-once",
    /// A lane has any number of loads under way, each of any number of sagas.
    LoadsAtOnce = "loads-at-once",
    /// A load that fails takes with it what waits behind it, and no event of those is answered.
    ForgetsWaitingLoads = "forgets-waiting-loads",
    /// A replica keeps the share that it got first, whoever comes or goes.
    KeepsItsShare = "keeps-its-share",
    /// A replica does not beat before its time when another one dies.
    WaitsForItsBeat = "waits-for-its-beat",
    /// A replica looks for wakes of its own shards alone, however late others are.
    LooksAtItsOwnOnly = "looks-at-its-own-only",
    /// A replica counts as alive for as long as its heartbeat is ahead of the database's clock.
    BelievesTheFuture = "believes-the-future",
    /// A saga that cannot be read takes those with it that are loaded beside it.
    StopsForTheUnreadable = "stops-for-the-unreadable",
    /// An outbox row of which some records were not taken is published anew as a whole.
    RepeatsItsNeighbours = "repeats-its-neighbours",
    /// New sagas come in as long as there is any room.
    AdmitsAllStarts = "admits-all-starts",
    /// A replica does not look for sagas that clients wait for.
    ForgetsWhoWaits = "forgets-who-waits",
    /// A lane takes any answer of the database for that to its oldest commit.
    MixesUpCommits = "mixes-up-commits",
    /// The store takes what it can see for what Postgres has acknowledged.
    TakesVisibleForAcknowledged = "takes-visible-for-acknowledged",
}

/// Whether this build can have bugs seeded. No program that serves anybody may.
pub const IS_POSSIBLE: bool = cfg!(feature = "sabotage");

/// Whether `bug` was chosen for this process.
#[cfg(not(feature = "sabotage"))]
#[must_use]
#[inline]
pub const fn is_seeded(_bug: Bug) -> bool {
    false
}

/// Whether `bug` was chosen for this process.
#[cfg(feature = "sabotage")]
#[must_use]
pub fn is_seeded(bug: Bug) -> bool {
    chosen() == Some(bug)
}

/// The bug that `SAGA_SABOTAGE` chooses.
///
/// # Panics
///
/// When it names none.
#[cfg(feature = "sabotage")]
#[must_use]
pub fn chosen() -> Option<Bug> {
    static CHOSEN: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("SAGA_SABOTAGE").ok()?;
        let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
        Some(*bug.unwrap_or_else(|| panic!("SAGA_SABOTAGE={name} names no bug")))
    })
}
