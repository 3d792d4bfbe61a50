//! Handles of steps, and what a step may read: the replies of the steps it names, nothing else.
//!
//! Only [`super::DefinitionBuilder`] makes handles, so a step can need only steps that were added
//! before it: a definition has no cycle, by construction.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::unbuildable::Unbuildable;
use crate::json::Json;

/// Names a step of the definition that is being built, and the type of its reply.
#[derive(Debug)]
pub struct Step<R> {
    pub(super) index: usize,
    /// Which builder made it; `build()` refuses a handle of another definition.
    pub(super) builder: u64,
    reply: PhantomData<fn() -> R>,
}

impl<R> Step<R> {
    pub(super) fn new(index: usize, builder: u64) -> Self {
        Self {
            index,
            builder,
            reply: PhantomData,
        }
    }
}

impl<R> Clone for Step<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Step<R> {}

/// What is known when a command is built: the replies so far, by step.
#[derive(Debug, Clone, Copy)]
pub struct Replies<'a>(pub(crate) &'a [Option<Json>]);

impl Replies<'_> {
    pub(super) fn read<R: DeserializeOwned>(self, index: usize) -> Result<R, Unbuildable> {
        let reply = self.0.get(index).and_then(Option::as_ref);
        let reply = reply.ok_or(Unbuildable::ReplyMissing { step: index })?;
        reply.read().map_err(|error| Unbuildable::ReplyUnreadable {
            step: index,
            error: error.to_string(),
        })
    }
}

/// What a step needs: nothing `()`, one handle, a tuple of handles, or a `Vec` of like ones.
///
/// The closure that builds the command gets [`Needs::Replies`] by value, so it can move out of
/// them.
pub trait Needs: Clone + Send + Sync + 'static {
    /// The replies of exactly these steps.
    type Replies;

    /// The handles, as (builder, index).
    #[doc(hidden)]
    fn handles(&self) -> Vec<(u64, usize)>;

    /// Decodes the replies.
    ///
    /// # Errors
    ///
    /// When a reply is missing or does not have the shape of its type.
    #[doc(hidden)]
    fn read(&self, replies: Replies<'_>) -> Result<Self::Replies, Unbuildable>;
}

impl Needs for () {
    type Replies = ();

    fn handles(&self) -> Vec<(u64, usize)> {
        Vec::new()
    }

    fn read(&self, _: Replies<'_>) -> Result<(), Unbuildable> {
        Ok(())
    }
}

impl<R: DeserializeOwned + 'static> Needs for Step<R> {
    type Replies = R;

    fn handles(&self) -> Vec<(u64, usize)> {
        vec![(self.builder, self.index)]
    }

    fn read(&self, replies: Replies<'_>) -> Result<R, Unbuildable> {
        replies.read(self.index)
    }
}

impl<R: DeserializeOwned + 'static> Needs for Vec<Step<R>> {
    type Replies = Vec<R>;

    fn handles(&self) -> Vec<(u64, usize)> {
        self.iter().flat_map(Needs::handles).collect()
    }

    fn read(&self, replies: Replies<'_>) -> Result<Vec<R>, Unbuildable> {
        self.iter().map(|step| step.read(replies)).collect()
    }
}

macro_rules! needs_tuple {
    ($($step:ident $position:tt),+) => {
        impl<$($step: Needs),+> Needs for ($($step,)+) {
            type Replies = ($($step::Replies,)+);

            fn handles(&self) -> Vec<(u64, usize)> {
                let mut handles = Vec::new();
                $(handles.extend(self.$position.handles());)+
                handles
            }

            fn read(&self, replies: Replies<'_>) -> Result<Self::Replies, Unbuildable> {
                Ok(($(self.$position.read(replies)?,)+))
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
