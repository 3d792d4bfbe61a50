//! The names of the attributes.

use std::fmt;

macro_rules! attributes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// An attribute of a message: a member of the JSON object.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Attribute {
            $($(#[$doc])* $variant,)+
        }

        impl Attribute {
            /// Every attribute of this format.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in the object.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The attribute of this name; `None` where it is not one of ours.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
attributes! {
    /// `1.0`, the version of CloudEvents.
    SpecVersion = "specversion",
    /// The version of this format.
    Wire = "wire",
    /// The message's id.
    Id = "id",
    /// What the message is: `inventory.reserve-stock`, `inventory.reserve-stock.reply`.
    Type = "type",
    /// Who sends it: `/sagas/place-order`, `/participants/inventory`.
    Source = "source",
    /// The saga's id.
    Subject = "subject",
    /// When it was built.
    Time = "time",
    /// The id of the command that a reply answers.
    CommandId = "commandid",
    /// The step's name.
    Step = "step",
    /// `forward`, `compensate` or `fence`.
    Direction = "direction",
    /// On a fence of a compensation only: `compensate`.
    Fences = "fences",
    /// Which version of the command: one more for each edit, from 1.
    Generation = "generation",
    /// Which try of this command, from 1.
    Attempt = "attempt",
    /// When the saga started.
    Started = "started",
    /// The saga's revision when the command was put in flight.
    Revision = "revision",
    /// Which of its saga's lifecycle events: 1 for `started`, and one more for each.
    Sequence = "sequence",
    /// When the saga turns back, if it has not passed its point of no return.
    Deadline = "deadline",
    /// The topic that takes the reply.
    ReplyTopic = "replytopic",
    /// The partition that takes the reply.
    ReplyPartition = "replypartition",
    /// How the command came out.
    Outcome = "outcome",
    /// The generation whose stored answer this is.
    Effective = "effective",
    /// W3C trace context.
    TraceParent = "traceparent",
    /// The payload.
    Data = "data",
    /// The payload in base64, as some libraries write it. Read, and never written.
    DataBase64 = "data_base64",
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
