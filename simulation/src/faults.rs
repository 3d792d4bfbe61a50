//! What can go wrong, whether it may in this world, and how often it really did.
//!
//! Invariant: a fault is counted where it happens, not where it is planned, so a count of zero
//! means that nothing was tested. Each world allows its own choice of faults: with all of them at
//! once, the loud ones would hide what the quiet ones do. Those after `Rare turns` are no faults but
//! rare turns that a world must take to be worth its time.

use std::collections::BTreeMap;

use crate::rng::Rng;

macro_rules! faults {
    ($($fault:ident = $words:literal,)+) => {
        /// One kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $words] $fault,)+
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$fault),+];

            /// What happened, in words.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$fault => $words),+ }
            }
        }
    };
}
faults! {
    CommitNeverArrived = "connection lost before COMMIT",
    CommitAnswerLost = "connection lost after COMMIT",
    CommitArrivedLate = "connection lost during COMMIT, committed later",
    CommitCollided = "commit collided",
    DataRefused = "data refused by the database",
    ReadFailed = "read failed",
    DatabaseSlow = "slow database",
    DatabaseAway = "database away",
    StandbyAway = "standby away: commits wait",
    CommitCut = "commit cut while it waited: visible, not replicated",
    FailedOver = "failover lost what was visible",
    ReplicaKilled = "replica killed",
    ReplicaStopped = "replica stopped in order",
    ReplicaPaused = "replica paused",
    ClockJumped = "clock jumped",
    RecordDuplicated = "record duplicated",
    RecordDelayed = "record delayed",
    PublishRefused = "publish not acknowledged",
    RecordRefused = "record refused for what it is",
    BrokerAway = "broker away",
    TopicAway = "topic that takes nothing for now",
    TopicFails = "topic that refuses everything for now",
    TopicGrew = "reply topic has one partition more",
    RepliesReplayed = "replies read again",
    OffsetLost = "offset not stored",
    Garbage = "unreadable reply record",
    ForeignReply = "reply of an unknown saga or step",
    Misdirected = "reply of another command than its id says",
    ServiceKilled = "service killed between commit and reply",
    ServiceRebalanced = "commands read again",
    ServiceStalled = "service stalled",
    BinaryLacks = "replica started without a definition",
    HandlerFailed = "handler failed for now",
    StepRefused = "step refused",
    RejectedUnexpectedly = "refused against its promise",
    UndoRefused = "compensation refused",
    ReplyUnreadable = "reply of another type",
    AnswerUnreadable = "answer that names its command and cannot be used",
    RowsPurged = "inbox purged",
    ClientImpatient = "client asked again early",
    KeyReused = "key used for something else",
    OperatorMeddled = "operator gave orders to a saga",
    // Rare turns.
    ReadTakenBack = "read of a state that a failover took back",
    CommitsOverlapped = "second commit of a lane under way",
    CommitOvertaken = "second commit answered before the first",
    LeftToAnother = "saga left to a binary that has its definition",
    QueryAnswered = "query answered",
    NoticeTaken = "notification or hint taken",
    StepNotNeeded = "step skipped by its condition",
    ForwardPanicked = "building a command panicked",
    UndoPanicked = "building a compensation panicked",
    CommandLate = "command came after its deadline",
    DeadlinePassed = "saga turned back at its deadline",
    Overdue = "deadline passed beyond the point of no return",
    AnswerExpired = "command expired at its participant",
    OrderRepeated = "order given again",
    OrderRefused = "order refused",
    OrderAfterEnd = "order for a saga that had ended",
    SagaCancelled = "order applied: cancel",
    SagaPaused = "order applied: pause",
    SagaResumed = "order applied: resume",
    StepRetried = "order applied: retry now",
    CommandEdited = "order applied: edit of a command",
    UndoEdited = "order applied: edit of a compensation",
    StepSkipped = "order applied: skip",
    SkipFenced = "order applied: skip, after a fence",
    UndoResolved = "order applied: resolve",
    CommandWithheld = "command withheld",
    PersonDecided = "person decided about a stuck or paused saga",
    PivotFenced = "cancel met a pivot in flight",
    StepGivenUp = "step given up after its last attempt",
    StartRefused = "start refused: too much waits",
    EndLookedUp = "end of a saga looked up for a client",
}

/// The faults of one world.
#[derive(Debug, Clone)]
pub struct Faults {
    allowed: u128,
    /// How many times more often than in a gentle world.
    intensity: u64,
    is_over: bool,
    counts: BTreeMap<Fault, u64>,
}

impl Faults {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            allowed: 0,
            intensity: 1,
            is_over: false,
            counts: BTreeMap::new(),
        }
    }

    /// Each with an even chance.
    #[must_use]
    pub fn some(rng: &mut Rng) -> Self {
        Self {
            allowed: u128::from(rng.any()) << 64 | u128::from(rng.any()),
            intensity: rng.pick(&[1, 1, 3, 8]),
            ..Self::none()
        }
    }

    /// Each with an even chance, but none that holds the service up: there its times can be measured.
    #[must_use]
    pub fn outside(rng: &mut Rng) -> Self {
        let mut faults = Self::some(rng);
        let inside = Fault::ALL.iter().filter(|fault| Self::holds_up(**fault));
        let inside = inside.fold(0, |all, fault| all | 1_u128 << (*fault as u32));
        faults.allowed &= !inside;
        faults
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self {
            allowed: u128::MAX,
            ..Self::none()
        }
    }

    /// Whether this one may happen now.
    #[must_use]
    pub fn may(&self, fault: Fault) -> bool {
        !self.is_over && self.allowed >> (fault as u32) & 1 == 1
    }

    /// Rolls the dice; `true` is counted, so the caller lets it happen.
    pub fn strikes(&mut self, fault: Fault, rng: &mut Rng, per_mille: u64) -> bool {
        let strikes = self.may(fault) && rng.chance(per_mille * self.intensity);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// How many times more often faults happen than in a gentle world.
    #[must_use]
    pub fn intensity(&self) -> u64 {
        self.intensity
    }

    /// Whether it keeps the service itself from its work, not only participants or clients.
    #[must_use]
    pub fn holds_up(fault: Fault) -> bool {
        use Fault as F;
        matches!(
            fault,
            F::BinaryLacks
                | F::CommitNeverArrived
                | F::CommitAnswerLost
                | F::CommitArrivedLate
                | F::CommitCollided
                | F::DataRefused
                | F::ReadFailed
                | F::DatabaseSlow
                | F::DatabaseAway
                | F::StandbyAway
                | F::CommitCut
                | F::FailedOver
                | F::ReplicaKilled
                | F::ReplicaStopped
                | F::ReplicaPaused
                | F::ClockJumped
                | F::RecordDelayed
                | F::PublishRefused
                | F::BrokerAway
                | F::TopicFails
                | F::TopicGrew
                | F::RepliesReplayed
        )
    }

    /// Counts one that happened.
    pub fn count(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
    }

    /// From now on nothing goes wrong.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.is_over
    }

    /// How often each has happened.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Fault, u64> {
        &self.counts
    }
}
