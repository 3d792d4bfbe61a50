//! Numbers of the canonical form: an integer without trailing zeros, and a power of ten.
//!
//! Both are decimal text of any length, and nothing is expanded: `1e1000000000` stays as short as it is.

/// Writes the number `text` as `-15e-1`; every zero is `0`.
pub(in crate::json) fn write(text: &str, out: &mut Vec<u8>) {
    let (text, is_negative) = signed(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        out.push(b'0');
        return;
    }
    if is_negative {
        out.push(b'-');
    }
    out.extend(significant.bytes());
    out.push(b'e');
    let zeros = digits.len() - significant.len();
    out.extend(sum(exponent, count(zeros) - count(fraction.len())).bytes());
}

fn count(length: usize) -> i64 {
    i64::try_from(length).expect("no text has more bytes than an isize counts")
}

fn signed(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    }
}

/// `exponent + by`, as decimal text without leading zeros.
fn sum(exponent: &str, by: i64) -> String {
    let (digits, is_negative) = signed(exponent);
    let digits = digits.trim_start_matches('0');
    if digits.len() <= 18 {
        let size: i64 = digits.parse().unwrap_or(0);
        let exponent = if is_negative { -size } else { size };
        return (i128::from(exponent) + i128::from(by)).to_string();
    }
    // So far from zero that the sign stays.
    let size = grown(digits, if is_negative { -by } else { by });
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{size}")
}

/// `digits + by`, which is above zero.
fn grown(digits: &str, by: i64) -> String {
    let mut carry = by;
    let mut reversed = String::with_capacity(digits.len() + 1);
    for digit in digits.chars().rev() {
        let digit = i64::from(digit.to_digit(10).unwrap_or(0)) + carry;
        carry = digit.div_euclid(10);
        let digit = u32::try_from(digit.rem_euclid(10)).expect("below ten");
        reversed.push(char::from_digit(digit, 10).expect("below ten"));
    }
    let grown: String = reversed.chars().rev().collect();
    if carry > 0 {
        return format!("{carry}{grown}");
    }
    grown.trim_start_matches('0').to_owned()
}
