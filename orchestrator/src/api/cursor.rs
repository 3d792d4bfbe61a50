//! The opaque text that names where a page of a list ended.

use sagas::{SagaId, Timestamp};
use uuid::Uuid;

use super::problem::Problem;

/// Names the format; another one would get another letter.
const MARK: &str = "a";

/// The cursor after a row with this start and id.
pub(super) fn write(at: Timestamp, id: SagaId) -> String {
    format!("{MARK}{:016x}{:032x}", at.as_micros(), id.0.as_u128())
}

/// Reads what [`write`] wrote.
pub(super) fn read(text: &str) -> Result<(Timestamp, SagaId), Problem> {
    parse(text).ok_or_else(|| {
        let detail = "the cursor is not one that a list gave; start again without it";
        Problem::parameter(detail)
    })
}

fn parse(text: &str) -> Option<(Timestamp, SagaId)> {
    let digits = text.strip_prefix(MARK)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 48 || !digits.bytes().all(is_hex) {
        return None;
    }
    let (at, id) = digits.split_at(16);
    let at = i64::from_str_radix(at, 16).ok()?;
    let id = u128::from_str_radix(id, 16).ok()?;
    Some((Timestamp::from_micros(at), SagaId(Uuid::from_u128(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let at = Timestamp::from_micros(1_795_439_436_123_456);
        let id = SagaId(Uuid::from_u128(7 << 100));
        assert_eq!(read(&write(at, id)).unwrap(), (at, id));
    }

    #[test]
    fn everything_else_is_refused() {
        let good = write(Timestamp::from_micros(1), SagaId(Uuid::nil()));
        let upper = good.replace('0', "A");
        let cut = &good[..good.len() - 1];
        let long = format!("{good}0");
        let other = good.replacen('a', "b", 1);
        let sign = good.replacen("a00", "a+0", 1);
        for text in [
            "", "a", "1", "%00", cut, &long, &other, &upper, &sign, "\u{fc}",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
