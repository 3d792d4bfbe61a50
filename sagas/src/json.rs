//! A JSON value that is carried, not read: the payloads and replies of commands.
//!
//! Its text is kept byte for byte, because a command that is sent again must be the same message.

mod canonical;
mod integers;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use canonical::{Canonical, RepeatedKey};

/// One JSON value as its text; cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes `text` as it is, if it is one JSON value.
    ///
    /// # Errors
    ///
    /// When `text` is not JSON.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// Writes `value` as JSON.
    ///
    /// # Errors
    ///
    /// When the type's `Serialize` fails, for example on a map whose keys are not strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// Reads the value as a `T`. An integral number is an integer, however it is written: `1.0`, `1e2`.
    ///
    /// # Errors
    ///
    /// When the text does not have the shape of a `T`; the message says where.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        from_slice(self.text().as_bytes())
    }

    /// The text with every integral number in digits alone, for readers that lose digits otherwise.
    #[must_use]
    pub fn with_plain_integers(&self) -> Cow<'_, str> {
        integers::all(self.text()).map_or_else(|| Cow::Borrowed(self.text()), Cow::Owned)
    }

    /// The form that is the same for every text of the same value.
    #[must_use]
    pub fn canonical(&self) -> Canonical {
        Canonical::of(self.text())
    }

    /// Whether it is the same value as `other`, however either is spelled.
    #[must_use]
    pub fn is_same_value(&self, other: &Self) -> bool {
        self == other || self.canonical().bytes() == other.canonical().bytes()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

/// Reads a text as [`Json::read`] does.
///
/// # Errors
///
/// When the text is not JSON, or does not have the shape of a `T`; the message says where.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| match str::from_utf8(json) {
        Ok(text) => integers::read(text, error),
        Err(_) => Err(error),
    })
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
