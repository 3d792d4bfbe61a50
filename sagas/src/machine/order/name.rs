//! Names of the orders, as REST routes and reports have them.
//!
//! Invariant: each kind of order has one name, and [`OrderName::ALL`] has every name: the list, the
//! words and the type come from one table. History and messages have names of their own, in `serde`.

use super::OrderKind;

macro_rules! names {
    ($($(#[$doc:meta])+ $name:ident = $word:literal,)+) => {
        /// Name of an order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum OrderName {
            $($(#[$doc])+ $name,)+
        }

        impl OrderName {
            /// Every name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word: `cancel`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

names! {
    /// [`OrderKind::Cancel`].
    Cancel = "cancel",
    /// [`OrderKind::Pause`].
    Pause = "pause",
    /// [`OrderKind::Resume`].
    Resume = "resume",
    /// [`OrderKind::RetryNow`].
    Retry = "retry",
    /// [`OrderKind::Edit`].
    Edit = "edit",
    /// [`OrderKind::Skip`].
    Skip = "skip",
    /// [`OrderKind::Resolve`].
    Resolve = "resolve",
}

impl OrderName {
    /// The name that reads `word`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|name| name.as_str() == word)
    }
}

impl OrderKind {
    /// The order's name.
    #[must_use]
    pub const fn name(&self) -> OrderName {
        match self {
            Self::Cancel => OrderName::Cancel,
            Self::Pause => OrderName::Pause,
            Self::Resume => OrderName::Resume,
            Self::RetryNow { .. } => OrderName::Retry,
            Self::Edit { .. } => OrderName::Edit,
            Self::Skip { .. } => OrderName::Skip,
            Self::Resolve { .. } => OrderName::Resolve,
        }
    }
}
