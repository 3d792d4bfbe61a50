//! The headers of one record, in one piece of memory. Ours say nothing that a message needs; a dead
//! letter keeps whatever came.

use std::fmt;

/// Names and values in the order of the record; names may repeat.
///
/// Packed as length of the name (4 bytes, big-endian), name, length of the value, value, and so on:
/// the form in which dead letters keep them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    packed: Vec<u8>,
}

impl Headers {
    /// Adds one behind the others.
    ///
    /// # Panics
    ///
    /// When name or value is 4 GiB long; a Kafka record is below 2.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.packed.reserve(8 + name.len() + value.len());
        for part in [name.as_bytes(), value] {
            let length = u32::try_from(part.len()).expect("a Kafka record is below 2 GiB");
            self.packed.extend_from_slice(&length.to_be_bytes());
            self.packed.extend_from_slice(part);
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.packed.as_slice();
        std::iter::from_fn(move || header(&mut rest))
    }

    /// As they are kept.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// What [`Self::packed`] gave; `None` when it ends in the middle of a header, or a name is not
    /// UTF-8.
    #[must_use]
    pub fn unpack(packed: Vec<u8>) -> Option<Self> {
        let mut rest = packed.as_slice();
        while !rest.is_empty() {
            header(&mut rest)?;
        }
        Some(Self { packed })
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut all = Self::default();
        for (name, value) in headers {
            all.push(name.as_ref(), value.as_ref());
        }
        all
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |(name, value): (_, &[u8])| (name, value.escape_ascii().to_string());
        f.debug_map().entries(self.iter().map(text)).finish()
    }
}

fn header<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    let name = str::from_utf8(part(rest)?).ok()?;
    Some((name, part(rest)?))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_cut_ones_are_noticed() {
        let all: [(&str, &[u8]); 3] = [("ce_id", b"7"), ("", b""), ("ce_id", &[0, 255])];
        let headers: Headers = all.into_iter().collect();
        assert_eq!(headers.iter().collect::<Vec<_>>(), all);
        let packed = headers.packed().to_vec();
        assert_eq!(Headers::unpack(packed.clone()), Some(headers));
        assert_eq!(Headers::unpack(packed[..packed.len() - 1].to_vec()), None);
    }
}
