//! How a record's value is read.
//!
//! One pass over the object fills a slot per known attribute with the text of its value, borrowed
//! from the record. Unknown attributes are somebody else's and are left alone.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Attribute, Error, Text, salvage};
use crate::{Direction, SagaId, Timestamp, name};

const SLOTS: usize = Attribute::ALL.len();

/// The values of one record's known attributes, as JSON.
pub(super) struct Fields<'a> {
    slots: [Option<&'a RawValue>; SLOTS],
    repeated: Option<Attribute>,
}

impl<'a> Fields<'a> {
    /// Reads a record's value, and refuses another version.
    pub(super) fn read(value: Option<&'a [u8]>) -> Result<Self, Error> {
        let value = value.ok_or(Error::NoValue)?;
        let fields: Self =
            serde_json::from_slice(value).map_err(|error| Error::not_json(&error))?;
        fields.check_versions()?;
        match fields.repeated {
            Some(attribute) => Err(Error::Repeated(attribute)),
            None => Ok(fields),
        }
    }

    /// Reads what can be read of a record's value that was refused, of our version. What cannot be, and
    /// what is there more than once, is missing.
    pub(super) fn salvage(value: &'a [u8]) -> Option<Self> {
        let (mut slots, mut repeated) = ([None; SLOTS], [false; SLOTS]);
        for (name, json) in salvage::members(value) {
            let Some(attribute) = Attribute::from_name(&name) else {
                continue;
            };
            let slot = attribute as usize;
            repeated[slot] |= slots[slot].replace(json).is_some();
        }
        for (slot, is_repeated) in slots.iter_mut().zip(repeated) {
            *slot = slot.filter(|_| !is_repeated);
        }
        let slots = slots.map(|json| serde_json::from_slice(json?).ok());
        let fields = Self {
            slots,
            repeated: None,
        };
        fields.check_versions().ok().map(|()| fields)
    }

    fn check_versions(&self) -> Result<(), Error> {
        let wire = self.optional_text(Attribute::Wire)?;
        match wire.as_deref().ok_or(Error::NoVersion)? {
            super::VERSION => {}
            other => return Err(Error::Version(other.chars().take(20).collect())),
        }
        match &*self.text(Attribute::SpecVersion)? {
            super::SPEC_VERSION => Ok(()),
            _ => Err(self.malformed(Attribute::SpecVersion, "\"1.0\"")),
        }
    }

    /// The attribute's JSON. `null` is what an absent one may be written as.
    fn optional(&self, attribute: Attribute) -> Option<&'a str> {
        let json = self.slots[attribute as usize].map(RawValue::get);
        json.filter(|json| *json != "null")
    }

    /// The attribute does not have its form.
    pub(super) fn malformed(&self, attribute: Attribute, expected: &'static str) -> Error {
        /// Enough to recognise the value; a reason is not the place for a megabyte.
        const SHOWN_CHARS: usize = 80;
        let json = self.optional(attribute).unwrap_or_default();
        Error::Malformed {
            attribute,
            value: json.chars().take(SHOWN_CHARS).collect(),
            expected,
        }
    }

    pub(super) fn optional_text(&self, attribute: Attribute) -> Result<Option<Text<'a>>, Error> {
        let Some(json) = self.optional(attribute) else {
            return Ok(None);
        };
        let quoted = json
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let text = match quoted {
            Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
            Some(_) => serde_json::from_str(json).ok().map(Cow::Owned),
            None => None,
        };
        text.map(Some)
            .ok_or_else(|| self.malformed(attribute, "a string"))
    }

    pub(super) fn text(&self, attribute: Attribute) -> Result<Text<'a>, Error> {
        self.optional_text(attribute)?
            .ok_or(Error::Missing(attribute))
    }

    pub(super) fn name(&self, attribute: Attribute) -> Result<Text<'a>, Error> {
        let text = self.text(attribute)?;
        check_name(attribute, &text)?;
        Ok(text)
    }

    /// The name behind `prefix` in a source.
    pub(super) fn source(&self, prefix: &'static str) -> Result<Text<'a>, Error> {
        let text = self.text(Attribute::Source)?;
        let name = text
            .strip_prefix(prefix)
            .ok_or_else(|| self.malformed(Attribute::Source, prefix))?;
        check_name(Attribute::Source, name)?;
        Ok(part(&text, prefix.len()..text.len()))
    }

    /// The two names of `<first>.<second><suffix>`.
    pub(super) fn message_type(
        &self,
        suffix: &str,
        expected: &'static str,
    ) -> Result<(Text<'a>, Text<'a>), Error> {
        let text = self.text(Attribute::Type)?;
        let names = text.strip_suffix(suffix);
        let (first, second) = names
            .and_then(|names| names.split_once('.'))
            .ok_or_else(|| self.malformed(Attribute::Type, expected))?;
        check_name(Attribute::Type, first)?;
        check_name(Attribute::Type, second)?;
        let dot = first.len();
        let second = part(&text, dot + 1..dot + 1 + second.len());
        Ok((part(&text, 0..dot), second))
    }

    pub(super) fn uuid(&self, attribute: Attribute) -> Result<Uuid, Error> {
        let text = self.text(attribute)?;
        Uuid::parse_str(&text).map_err(|_| self.malformed(attribute, "a UUID"))
    }

    /// The saga, which is the record's key too.
    pub(super) fn saga(&self, key: Option<&[u8]>) -> Result<SagaId, Error> {
        let saga = self.uuid(Attribute::Subject)?;
        let same = key.and_then(|key| Uuid::try_parse_ascii(key).ok()) == Some(saga);
        if same {
            Ok(SagaId(saga))
        } else {
            Err(Error::Key)
        }
    }

    pub(super) fn direction(&self) -> Result<Direction, Error> {
        self.word(
            Attribute::Direction,
            Direction::from_word,
            "forward, compensate or fence",
        )
    }

    pub(super) fn word<W>(
        &self,
        attribute: Attribute,
        read: impl Fn(&str) -> Option<W>,
        expected: &'static str,
    ) -> Result<W, Error> {
        read(&self.text(attribute)?).ok_or_else(|| self.malformed(attribute, expected))
    }

    /// A number that `CloudEvents` has, whatever type it has here.
    pub(super) fn optional_number<N: TryFrom<i32>>(
        &self,
        attribute: Attribute,
    ) -> Result<Option<N>, Error> {
        let number = |json: &str| {
            let has_sign = json.starts_with('-');
            let number = json.parse::<i32>().ok().filter(|_| !has_sign);
            let number = number.and_then(|number| N::try_from(number).ok());
            number.ok_or_else(|| self.malformed(attribute, "an integer from 0 to 2147483647"))
        };
        self.optional(attribute).map(number).transpose()
    }

    pub(super) fn number<N: TryFrom<i32>>(&self, attribute: Attribute) -> Result<N, Error> {
        self.optional_number(attribute)?
            .ok_or(Error::Missing(attribute))
    }

    pub(super) fn optional_time(&self, attribute: Attribute) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.optional_text(attribute)? else {
            return Ok(None);
        };
        let time = Timestamp::parse(&text);
        time.map(Some)
            .ok_or_else(|| self.malformed(attribute, "an RFC 3339 instant"))
    }

    pub(super) fn time(&self, attribute: Attribute) -> Result<Timestamp, Error> {
        self.optional_time(attribute)?
            .ok_or(Error::Missing(attribute))
    }

    /// The payload, byte for byte. One that is not there is `null`: libraries leave that out.
    pub(super) fn data(&self) -> Result<Cow<'a, [u8]>, Error> {
        let json = self.slots[Attribute::Data as usize];
        match (json, self.optional_text(Attribute::DataBase64)?) {
            (Some(_), Some(_)) => Err(Error::TwoPayloads),
            (Some(json), None) => Ok(Cow::Borrowed(json.get().as_bytes())),
            (None, Some(text)) => {
                let json = json_in_base64(&text).map(Cow::Owned);
                let expected = "one JSON value in base64";
                json.ok_or_else(|| self.malformed(Attribute::DataBase64, expected))
            }
            (None, None) => Ok(Cow::Borrowed(b"null")),
        }
    }
}

fn json_in_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let json: &RawValue = serde_json::from_slice(&bytes).ok()?;
    Some(json.get().as_bytes().to_vec())
}

fn check_name(attribute: Attribute, text: &str) -> Result<(), Error> {
    name::check(text).map_err(|source| Error::Name { attribute, source })
}

fn part<'a>(text: &Text<'a>, range: Range<usize>) -> Text<'a> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived: a derived one reads an array too, and cannot say which attribute is wrong.
        deserializer.deserialize_map(Slots)
    }
}

struct Slots;

impl<'de> Visitor<'de> for Slots {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Fields<'de>, M::Error> {
        let (mut slots, mut repeated) = ([None; SLOTS], None);
        while let Some(Key(known)) = object.next_key()? {
            let Some(attribute) = known else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let json = object.next_value::<&RawValue>()?;
            if slots[attribute as usize].replace(json).is_some() {
                repeated = Some(attribute);
            }
        }
        Ok(Fields { slots, repeated })
    }
}

/// The name of a member; `None` where it is somebody else's.
struct Key(Option<Attribute>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(Name)
    }
}

struct Name;

impl Visitor<'_> for Name {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key(Attribute::from_name(name)))
    }
}
