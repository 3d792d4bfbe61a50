//! Which texts are the same value, and which are not.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::Json;

fn form(text: &str) -> Vec<u8> {
    let json = Json::parse(text.to_owned()).unwrap();
    json.canonical().bytes().to_vec()
}

#[track_caller]
fn is_written(text: &str, expected: &str) {
    assert_eq!(String::from_utf8(form(text)).unwrap(), expected);
}

#[track_caller]
fn are_same(texts: &[&str]) {
    for text in texts {
        assert_eq!(form(text), form(texts[0]), "{text} and {}", texts[0]);
    }
}

#[track_caller]
fn all_differ(texts: &[&str]) {
    for (number, text) in texts.iter().enumerate() {
        for other in &texts[number + 1..] {
            assert_ne!(form(text), form(other), "{text} and {other}");
        }
    }
}

#[test]
fn the_form_of_a_value_never_changes() {
    let text = r#" {"b" : [true, false, null, {}, []], "a\u00e9" : -0.50, "" : "\"" } "#;
    is_written(text, "{s0:s1:\"s3:aé#-5e-1;s1:b[tfn{}[]]}");
}

#[test]
fn a_number_is_the_same_however_it_is_spelled() {
    are_same(&["1", "1.0", "1e0", "10e-1", "0.1e1", "1E+0", "100e-02"]);
    are_same(&[
        "0",
        "-0",
        "0.000",
        "-0e5",
        "0e999999999999999999999999999999",
    ]);
    are_same(&["-1200", "-12e2", "-1.2E+3", "-0.00012e7"]);
    are_same(&["1e1000000000", "10e999999999", "0.1e1000000001"]);
    are_same(&["1e-1000000000", "0.1e-999999999"]);
}

#[test]
fn numbers_that_no_float_tells_apart_differ() {
    all_differ(&[
        "0.1",
        "0.10000000000000000001",
        "0.1000000000000000055511151231257827",
    ]);
    all_differ(&[
        "9007199254740992",
        "9007199254740993",
        "18446744073709551616",
    ]);
    all_differ(&["1e400", "1e401", "-1e400", "1e-400", "0"]);
}

#[test]
fn exponents_are_exact_at_any_length() {
    let nines = "9".repeat(40);
    let one_more = format!("1{}", "0".repeat(40));
    are_same(&[&format!("10e{nines}"), &format!("1e{one_more}")]);
    are_same(&[&format!("0.1e-{nines}"), &format!("1e-{one_more}")]);
    are_same(&[&format!("0.01e{one_more}"), &format!("0.1e{nines}")]);
    are_same(&["10e999999999999999999", "1e1000000000000000000"]);
    are_same(&["0.1e-999999999999999999", "1e-01000000000000000000"]);
    all_differ(&[
        &format!("1e{nines}"),
        &format!("1e{one_more}"),
        &format!("1e-{nines}"),
    ]);
}

#[test]
fn escapes_and_spaces_do_not_count_and_letters_do() {
    are_same(&[r#""a/é😀\n""#, r#""\u0061\/\u00E9\ud83d\uDE00\u000a""#]);
    are_same(&["[1,\t2]", "[1,2]", " [ 1 , 2 ] "]);
    all_differ(&[r#""e\u0301""#, r#""\u00e9""#, r#""É""#, r#""""#]);
    // Halves of a pair are no text, and still not the same.
    all_differ(&[
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ude00""#,
        r#""\ufffd""#,
    ]);
}

#[test]
fn no_value_can_pass_for_another_one() {
    all_differ(&[
        "null",
        "true",
        "false",
        "0",
        "[]",
        "{}",
        r#""null""#,
        r#""0""#,
        "[null]",
        "[[]]",
        "[{}]",
        r#"["1"]"#,
        "[1]",
        "[1,1]",
        "[11]",
        "[[1],1]",
        "[1,[1]]",
        r#"{"a":1}"#,
        r#"["a",1]"#,
        r#"{"a":"1"}"#,
        r#"["s1:a"]"#,
        r#"["","s0:"]"#,
        r#"["s0:",""]"#,
        r#"{"":{}}"#,
        r#"{"a":{},"b":{}}"#,
        r#"{"a":{"b":{}}}"#,
        r#"[{"a":1},{"b":2}]"#,
        r#"[{"a":1,"b":2}]"#,
        r#"[{"b":2},{"a":1}]"#,
    ]);
}

#[test]
fn keys_are_sorted_by_code_point_at_every_level() {
    // Sorted by UTF-16 units, the emoji would come first; sorted as spelled, the escape would.
    let (emoji, private) = (r#""\ud83d\ude00""#, "\"\u{f8ff}\"");
    is_written(
        &format!(r#"{{{emoji}:1,"z":{{"b":[],"a":[]}},{private}:2}}"#),
        "{s1:z{s1:a[]s1:b[]}s3:\u{f8ff}#2e0;s4:😀#1e0;}",
    );
    are_same(&[
        r#"{"b":{"d":{"f":1,"e":2},"c":3},"a":4}"#,
        r#"{"a":4,"b":{"c":3,"d":{"e":2,"f":1}}}"#,
    ]);
}

#[test]
fn a_repeated_key_is_kept_and_named_with_its_place() {
    let repeated = |text: &str| {
        let json = Json::parse(text.to_owned()).unwrap();
        json.canonical().repeated_key().map(ToString::to_string)
    };
    let named = |text: &str| repeated(text).unwrap();
    assert_eq!(
        named(r#"{"a":1,"b":2,"\u0061":3}"#),
        r#"the outermost object repeats the key "a""#
    );
    assert_eq!(
        named(r#"{"x":[0,{"y/~":{"":[],"a":1,"":[]}}],"z":{"z":1,"z":1}}"#),
        r#"the object at /x/1/y~1~0 repeats the key """#
    );
    assert_eq!(
        named(r#"{"a":1,"b":[1,2,[{"c":{}},{"c":1,"c":1}]]}"#),
        r#"the object at /b/2/1 repeats the key "c""#
    );
    assert_eq!(
        repeated(r#"{"a":{"a":1},"b":{"a":1},"A":[{"a":1},{"a":1}]}"#),
        None
    );
    all_differ(&[r#"{"a":2}"#, r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#]);
}

#[test]
fn what_is_nested_deep_takes_neither_stack_nor_long() {
    let levels = 10_000;
    let text = [
        r#"{"b":"#.repeat(levels),
        "1".to_owned(),
        r#","a":1}"#.repeat(levels),
    ]
    .concat();
    let sorted = [
        r#"{"a":1,"b":"#.repeat(levels),
        "1".to_owned(),
        "}".repeat(levels),
    ]
    .concat();
    assert!(form(&text) == form(&sorted));
    are_same(&[&["[".repeat(levels), "]".repeat(levels)].concat()]);
}

proptest! {
    #[test]
    fn every_spelling_of_a_value_has_one_form(value in value(), seeds in any::<[u64; 2]>()) {
        let [one, two] = seeds.map(|seed| spelled(&value, seed));
        prop_assert_eq!(form(&one), form(&two), "{} and {}", one, two);
    }

    #[test]
    fn values_that_differ_have_forms_that_differ(
        values in [value(), value()],
        seeds in any::<[u64; 2]>(),
    ) {
        let [one, two] = [0, 1].map(|index: usize| form(&spelled(&values[index], seeds[index])));
        prop_assert_eq!(one == two, values[0] == values[1], "{:?}", values);
    }
}

/// A value, to be spelled in many ways.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    /// Digits that do not end in zero, and the power of ten; zero is `0, 0`.
    Number(i64, i64),
    Text(String),
    Array(Vec<Self>),
    /// In the order of the keys.
    Object(Vec<(String, Self)>),
}

fn value() -> impl Strategy<Value = Value> {
    let text = || "[a-c\"\\\\é😀\u{f8ff}\n]{0,3}";
    let number = (-30_i64..30, -3_i64..4).prop_map(|(digits, exponent)| match digits {
        0 => Value::Number(0, 0),
        _ if digits % 10 == 0 => Value::Number(digits / 10, exponent + 1),
        _ => Value::Number(digits, exponent),
    });
    let leaf = prop_oneof![Just(Value::Null), number, text().prop_map(Value::Text)];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let member = (text(), inner.clone());
        let object = vec(member, 0..4).prop_map(|mut members| {
            members.sort_by(|one, two| one.0.cmp(&two.0));
            members.dedup_by(|one, two| one.0 == two.0);
            Value::Object(members)
        });
        prop_oneof![vec(inner, 0..4).prop_map(Value::Array), object]
    })
}

fn spelled(value: &Value, seed: u64) -> String {
    let mut speller = Speller {
        seed,
        out: String::new(),
    };
    speller.value(value);
    speller.out
}

/// Spells a value; chance decides about spaces, order, escapes and the form of numbers.
struct Speller {
    seed: u64,
    out: String,
}

impl Speller {
    fn dice(&mut self, sides: usize) -> usize {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.seed >> 33).unwrap() % sides
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Number(digits, exponent) => self.number(*digits, *exponent),
            Value::Text(text) => self.text(text),
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.comma(index);
                    self.value(item);
                }
                self.out.push(']');
            }
            Value::Object(members) => {
                let first = self.dice(members.len().max(1));
                let members = members[first..].iter().chain(&members[..first]);
                self.out.push('{');
                for (index, (key, value)) in members.enumerate() {
                    self.comma(index);
                    self.text(key);
                    self.out.push(':');
                    self.value(value);
                }
                self.out.push('}');
            }
        }
        self.space();
    }

    fn space(&mut self) {
        let space = ["", "", " ", "\n\t"][self.dice(4)];
        self.out.push_str(space);
    }

    fn comma(&mut self, index: usize) {
        self.out.push_str(if index > 0 { "," } else { "" });
    }

    fn number(&mut self, digits: i64, exponent: i64) {
        let sign = if digits < 0 { "-" } else { "" };
        let digits = digits.abs().to_string();
        let shift = 1 + i64::try_from(digits.len()).unwrap();
        let spelled = match self.dice(4) {
            0 => format!("{sign}{digits}e{exponent}"),
            1 if digits != "0" => format!("{sign}{digits}000E{}", exponent - 3),
            2 => format!("{sign}{digits}.00e{exponent}"),
            _ => format!("{sign}0.0{digits}e{}", exponent + shift),
        };
        self.out.push_str(&spelled);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            let must = matches!(letter, '"' | '\\' | '\n');
            if !must && self.dice(3) > 0 {
                self.out.push(letter);
                continue;
            }
            for unit in letter.encode_utf16(&mut [0; 2]) {
                self.out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        self.out.push('"');
    }
}
