//! Integers as JSON Schema means them: `1.0`, `1e2` and `-0` are some, and serde refuses them.
//!
//! Invariant: a number is rewritten digit by digit, never through a float, and only if it is integral and
//! has no more digits than an `i128` or `u128`. What was stored, sent and digested keeps its bytes: only the
//! decoder of a type reads the rewritten text, and only after it has refused the other.
//!
//! The numbers that the decoder complains of are rewritten one by one, so that a member that is carried as
//! it is (`Json`, `serde_json::Value`) stays as it is. Where the decoder cannot say which number it was, as
//! inside of a tagged enum, or complains of too many, all are.

use std::ops::Range;

use serde::de::DeserializeOwned;

use super::canonical::number;

/// Numbers rewritten one by one; each costs a decode of the whole text.
const ONE_BY_ONE_MAX: usize = 8;

/// Digits of the largest `u128`.
const DIGITS_MAX: usize = 39;

/// Reads `text`, which was refused with `error`, with its integral numbers in digits alone.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    mut error: serde_json::Error,
) -> Result<T, serde_json::Error> {
    let mut rewritten = text.to_owned();
    for _ in 0..ONE_BY_ONE_MAX {
        let Some((place, digits)) = refused(&rewritten, &error) else {
            break;
        };
        rewritten.replace_range(place, &digits);
        match serde_json::from_str(&rewritten) {
            Ok(value) => return Ok(value),
            Err(next) => error = next,
        }
    }
    match all(text) {
        Some(plain) => serde_json::from_str(&plain).map_err(|_| error),
        None => Err(error),
    }
}

/// The text with every integral number in digits alone; `None` where that changes nothing.
pub(super) fn all(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut rewritten, mut taken, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = text_end(bytes, at),
            byte if is_of_a_number(byte) => {
                let place = number_at(bytes, at);
                at = place.end;
                if let Some(digits) = digits(&text[place.clone()]) {
                    rewritten.push_str(&text[taken..place.start]);
                    rewritten.push_str(&digits);
                    taken = place.end;
                }
            }
            _ => at += 1,
        }
    }
    rewritten.push_str(&text[taken..]);
    (taken > 0).then_some(rewritten)
}

/// The place behind the text that begins at `at`.
fn text_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number that the decoder complains of, and what it should be.
fn refused(text: &str, error: &serde_json::Error) -> Option<(Range<usize>, String)> {
    let bytes = text.as_bytes();
    let lines = text
        .split_inclusive('\n')
        .take(error.line().checked_sub(1)?);
    let before = lines.map(str::len).sum::<usize>() + error.column();
    // It stands behind the number, or, with 128 bits, behind its first digits.
    let at = before.checked_sub(1)?;
    bytes.get(at).filter(|byte| is_of_a_number(**byte))?;
    let place = number_at(bytes, at);
    let digits = digits(&text[place.clone()])?;
    Some((place, digits))
}

fn is_of_a_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// The number around `at`.
fn number_at(bytes: &[u8], at: usize) -> Range<usize> {
    let is_other = |byte: &u8| !is_of_a_number(*byte);
    let start = bytes[..at]
        .iter()
        .rposition(is_other)
        .map_or(0, |other| other + 1);
    let end = bytes[at..].iter().position(is_other);
    start..end.map_or(bytes.len(), |length| at + length)
}

/// An integral number in digits alone; `None` where it is so already, is no integer, or is too long.
fn digits(number: &str) -> Option<String> {
    let is_number = number
        .trim_start_matches('-')
        .starts_with(|c: char| c.is_ascii_digit());
    let mut exact = Vec::new();
    number::write(is_number.then_some(number)?, &mut exact);
    let exact = String::from_utf8(exact).ok()?;
    let (significant, zeros) = exact.split_once('e').unwrap_or((&exact, "0"));
    let zeros: usize = zeros.parse().ok().filter(|zeros| *zeros < DIGITS_MAX)?;
    let plain = [significant, &"0".repeat(zeros)].concat();
    (plain.len() <= DIGITS_MAX + 1 && plain != number).then_some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use crate::Json;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sizes {
        small: u8,
        #[serde(default)]
        large: i64,
        #[serde(default)]
        huge: u128,
        #[serde(default)]
        ratio: f64,
        carried: Option<Json>,
        value: Option<serde_json::Value>,
    }

    fn read(text: &str) -> Result<Sizes, serde_json::Error> {
        Json::parse(text.to_owned()).unwrap().read()
    }

    #[test]
    fn an_integral_number_is_read_as_an_integer_without_a_float_between() {
        let large = |number: &str| read(&format!(r#"{{"small":1.0,"large":{number}}}"#));
        for (number, expected) in [
            ("1.0", 1),
            ("1e2", 100),
            ("-0", 0),
            ("-0.0e7", 0),
            ("1.50e1", 15),
            ("0.00012E+5", 12),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("-9223372036854775808.000", i64::MIN),
            ("100000000000000000000e-10", 10_000_000_000),
        ] {
            assert_eq!(large(number).unwrap().large, expected, "{number}");
        }
        for number in [
            "1.5",
            "1e-1",
            "9223372036854775808.0",
            "1e400",
            "1e99999999999999999999",
        ] {
            assert!(large(number).is_err(), "{number}");
        }
        let text = r#"{"huge":340282366920938463463374607431768211455.0,"small":2e0}"#;
        assert_eq!(read(text).unwrap().huge, u128::MAX);
    }

    #[test]
    fn what_is_carried_keeps_its_bytes_beside_a_number_that_is_rewritten() {
        let text = "{\"carried\":{\"a\":1.0, \"b\":\"1e2 \\\" 3.0\"},\n \"value\":[2.0],\n\"ratio\":3e0,\"small\":4.0}";
        let sizes = read(text).unwrap();
        assert_eq!(
            sizes.carried.unwrap().text(),
            r#"{"a":1.0, "b":"1e2 \" 3.0"}"#
        );
        assert_eq!(sizes.value.unwrap().to_string(), "[2.0]");
        assert_eq!((sizes.ratio.to_string(), sizes.small), ("3".to_owned(), 4));
    }

    #[test]
    fn numbers_are_found_where_the_decoder_cannot_point_at_them_and_where_they_are_many() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "is", rename_all = "lowercase")]
        enum Tagged {
            Many { all: Vec<u32>, text: String },
        }
        let all = vec!["7.0"; 1_000].join(",");
        let text = format!(r#"{{"all":[{all}],"text":"1.0\\\"2.0","is":"many"}}"#);
        let Tagged::Many { all, text } = Json::parse(text).unwrap().read().unwrap();
        assert_eq!((all, &*text), (vec![7; 1_000], "1.0\\\"2.0"));
    }

    #[test]
    fn the_reason_names_what_is_wrong_and_not_a_number_that_is_right() {
        let error = read(r#"{"small":1.0,"large":"x"}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("invalid type: string \"x\", expected i64"),
            "{error}"
        );
        let error = read(r#"{"small":256.0}"#).unwrap_err().to_string();
        assert!(
            error.starts_with("invalid value: integer `256`, expected u8"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn any_way_to_write_an_integer_reads_as_that_integer(
            number in any::<i64>().prop_map(|number| if number == 0 { 1 } else { number }),
            zeros in 0_usize..4,
            shift in 0_i32..12,
        ) {
            let exponent = format!("{number}{}e-{shift}", "0".repeat(usize::try_from(shift).unwrap()));
            let fraction = format!("{number}.{}", "0".repeat(zeros + 1));
            for text in [exponent, fraction, format!("{number}e0"), number.to_string()] {
                let read: i64 = Json::parse(text.clone()).unwrap().read().unwrap();
                prop_assert_eq!(read, number, "{}", text);
            }
        }
    }
}
