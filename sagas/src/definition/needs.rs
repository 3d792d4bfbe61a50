//! Handles of steps, and what a step may read: the replies of the steps it names, nothing else.
//!
//! A step that always runs hands out a [`Step`], one that may be skipped a [`Maybe`]: who reads the
//! latter sees an `Option`, or is skipped with it ([`Given`]).
//!
//! Only [`super::DefinitionBuilder`] makes handles, so a step can need only steps that were added
//! before it: a definition has no cycle, by construction.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::unbuildable::Unbuildable;
use crate::json::Json;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<R> {
            pub(super) index: usize,
            /// Which builder made it; `build()` refuses a handle of another definition.
            pub(super) builder: u64,
            reply: PhantomData<fn() -> R>,
        }

        impl<R> $name<R> {
            pub(super) fn new(index: usize, builder: u64) -> Self {
                let reply = PhantomData;
                Self { index, builder, reply }
            }
        }

        impl<R> Clone for $name<R> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<R> Copy for $name<R> {}
    };
}
handle! {
    /// Names a step of the definition that is being built, and the type of its reply.
    Step
}
handle! {
    /// Names a conditional step: one that is skipped where its condition does not hold.
    Maybe
}

/// Whether a step always runs ([`Always`]) or under a condition ([`Sometimes`]); it decides which
/// handle the step hands out.
pub trait Presence: sealed::Sealed {
    /// The handle of a step whose reply is an `R`.
    type Handle<R>;

    #[doc(hidden)]
    fn handle<R>(index: usize, builder: u64) -> Self::Handle<R>;
}

/// The step always runs.
#[derive(Debug)]
pub struct Always;

/// The step runs where its condition holds.
#[derive(Debug)]
pub struct Sometimes;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Always {}
    impl Sealed for super::Sometimes {}
}

impl Presence for Always {
    type Handle<R> = Step<R>;

    fn handle<R>(index: usize, builder: u64) -> Step<R> {
        Step::new(index, builder)
    }
}

impl Presence for Sometimes {
    type Handle<R> = Maybe<R>;

    fn handle<R>(index: usize, builder: u64) -> Maybe<R> {
        Maybe::new(index, builder)
    }
}

/// What is known when a command is built: the replies so far, by step.
#[derive(Debug, Clone, Copy)]
pub struct Replies<'a>(pub(crate) &'a [Option<Json>]);

impl<'a> Replies<'a> {
    fn of(self, index: usize) -> Option<&'a Json> {
        self.0.get(index).and_then(Option::as_ref)
    }

    pub(super) fn read<R: DeserializeOwned>(self, index: usize) -> Result<R, Unbuildable> {
        let reply = self.of(index);
        let reply = reply.ok_or(Unbuildable::ReplyMissing { step: index })?;
        reply.read().map_err(|error| Unbuildable::ReplyUnreadable {
            step: index,
            error: error.to_string(),
        })
    }
}

/// What a step needs: nothing `()`, one handle, a tuple of needs, or a `Vec` of like ones.
///
/// The closure that builds the command gets [`Needs::Replies`] by value, so it can move out of
/// them.
pub trait Needs: Clone + Send + Sync + 'static {
    /// The replies of exactly these steps; an `Option` for one that may have been skipped.
    type Replies;

    /// The replies, where none of these steps was skipped.
    type Present;

    /// The handles, as (builder, index).
    #[doc(hidden)]
    fn handles(&self) -> Vec<(u64, usize)>;

    /// Those of the handles without which the step is skipped, too.
    #[doc(hidden)]
    fn given(&self) -> Vec<(u64, usize)> {
        Vec::new()
    }

    /// Decodes the replies.
    ///
    /// # Errors
    ///
    /// When a reply is missing or does not have the shape of its type.
    #[doc(hidden)]
    fn read(&self, replies: Replies<'_>) -> Result<Self::Replies, Unbuildable>;

    /// Decodes the replies of steps that all ran.
    ///
    /// # Errors
    ///
    /// As for [`Needs::read`].
    #[doc(hidden)]
    fn read_present(&self, replies: Replies<'_>) -> Result<Self::Present, Unbuildable>;
}

impl Needs for () {
    type Replies = ();
    type Present = ();

    fn handles(&self) -> Vec<(u64, usize)> {
        Vec::new()
    }

    fn read(&self, _: Replies<'_>) -> Result<(), Unbuildable> {
        Ok(())
    }

    fn read_present(&self, _: Replies<'_>) -> Result<(), Unbuildable> {
        Ok(())
    }
}

impl<R: DeserializeOwned + 'static> Needs for Step<R> {
    type Replies = R;
    type Present = R;

    fn handles(&self) -> Vec<(u64, usize)> {
        vec![(self.builder, self.index)]
    }

    fn read(&self, replies: Replies<'_>) -> Result<R, Unbuildable> {
        replies.read(self.index)
    }

    fn read_present(&self, replies: Replies<'_>) -> Result<R, Unbuildable> {
        replies.read(self.index)
    }
}

impl<R: DeserializeOwned + 'static> Needs for Maybe<R> {
    type Replies = Option<R>;
    type Present = R;

    fn handles(&self) -> Vec<(u64, usize)> {
        vec![(self.builder, self.index)]
    }

    fn read(&self, replies: Replies<'_>) -> Result<Option<R>, Unbuildable> {
        let is_there = replies.of(self.index).is_some();
        is_there.then(|| replies.read(self.index)).transpose()
    }

    fn read_present(&self, replies: Replies<'_>) -> Result<R, Unbuildable> {
        replies.read(self.index)
    }
}

impl<N: Needs> Needs for Vec<N> {
    type Replies = Vec<N::Replies>;
    type Present = Vec<N::Present>;

    fn handles(&self) -> Vec<(u64, usize)> {
        self.iter().flat_map(Needs::handles).collect()
    }

    fn given(&self) -> Vec<(u64, usize)> {
        self.iter().flat_map(Needs::given).collect()
    }

    fn read(&self, replies: Replies<'_>) -> Result<Self::Replies, Unbuildable> {
        self.iter().map(|step| step.read(replies)).collect()
    }

    fn read_present(&self, replies: Replies<'_>) -> Result<Self::Present, Unbuildable> {
        self.iter().map(|step| step.read_present(replies)).collect()
    }
}

/// Needs without which a step is skipped: it sees replies, not `Option`s.
#[derive(Debug, Clone)]
pub struct Given<N>(pub(super) N);

impl<N: Needs> Needs for Given<N> {
    type Replies = N::Present;
    type Present = N::Present;

    fn handles(&self) -> Vec<(u64, usize)> {
        self.0.handles()
    }

    fn given(&self) -> Vec<(u64, usize)> {
        self.0.handles()
    }

    fn read(&self, replies: Replies<'_>) -> Result<N::Present, Unbuildable> {
        self.0.read_present(replies)
    }

    fn read_present(&self, replies: Replies<'_>) -> Result<N::Present, Unbuildable> {
        self.0.read_present(replies)
    }
}

macro_rules! needs_tuple {
    ($($step:ident $position:tt),+) => {
        impl<$($step: Needs),+> Needs for ($($step,)+) {
            type Replies = ($($step::Replies,)+);
            type Present = ($($step::Present,)+);

            fn handles(&self) -> Vec<(u64, usize)> {
                let mut handles = Vec::new();
                $(handles.extend(self.$position.handles());)+
                handles
            }

            fn given(&self) -> Vec<(u64, usize)> {
                let mut given = Vec::new();
                $(given.extend(self.$position.given());)+
                given
            }

            fn read(&self, replies: Replies<'_>) -> Result<Self::Replies, Unbuildable> {
                Ok(($(self.$position.read(replies)?,)+))
            }

            fn read_present(&self, replies: Replies<'_>) -> Result<Self::Present, Unbuildable> {
                Ok(($(self.$position.read_present(replies)?,)+))
            }
        }
    };
}
needs_tuple!(A 0);
needs_tuple!(A 0, B 1);
needs_tuple!(A 0, B 1, C 2);
needs_tuple!(A 0, B 1, C 2, D 3);
needs_tuple!(A 0, B 1, C 2, D 3, E 4);
needs_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
needs_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
needs_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
