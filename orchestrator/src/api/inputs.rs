//! Whether an input fits its definition: by JSON Schema, which finds every fault with its path, and
//! by decoding, which is what the saga will do with it.
//!
//! Schemas come from the Rust types and are compiled once. References are resolved within the
//! schema alone; the validator is built without the parts that would follow them over a network.

use std::collections::HashMap;

use jsonschema::Validator;
use sagas::{Definition, Json};
use sagas_core::Registry;
use serde_json::Value;

use super::problem::{Kind, PathError, Problem};

/// Faults that one answer lists; a client that made more sees the rest after mending these.
const ERRORS_MAX: usize = 100;

/// Where a submission's body has its input, as a JSON Pointer.
const INPUT: &str = "/input";

/// Characters of a fault's text: it quotes the value, and the value may be large.
const MESSAGE_MAX: usize = 300;

/// The schema of a definition's input cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("the input schema of the definition {definition:?} cannot be used: {problem}")]
pub struct SchemaError {
    definition: String,
    problem: String,
}

/// The compiled schemas, by definition.
pub(super) struct Inputs(HashMap<String, Validator>);

impl Inputs {
    /// Compiles the schema of each definition that new sagas can get.
    pub(super) fn compile(registry: &Registry) -> Result<Self, SchemaError> {
        let newest = registry.names().filter_map(|name| registry.newest(name));
        let compiled = newest.map(|definition| {
            let name = definition.name().to_owned();
            let schema = definition.describe().input_schema.to_value();
            // A format is a promise of the published schema; unless told so, nobody checks it.
            let options = jsonschema::options().should_validate_formats(true);
            match options.build(&schema) {
                Ok(validator) => Ok((name, validator)),
                Err(error) => Err(SchemaError {
                    definition: name,
                    problem: error.to_string(),
                }),
            }
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Refuses an input that the definition could not work with, naming all faults.
    pub(super) fn check(&self, definition: &Definition, input: &Json) -> Result<(), Problem> {
        // Integral numbers in digits: a `Value` has others as floats, which have no room for all digits.
        let value: Value = serde_json::from_str(&input.with_plain_integers())
            .map_err(|error| Problem::new(Kind::Malformed, format!("the input: {error}")))?;
        let mut faults = Vec::new();
        if let Some(validator) = self.0.get(definition.name()) {
            let errors = validator.iter_errors(&value).take(ERRORS_MAX);
            faults.extend(errors.map(|error| PathError {
                path: format!("{INPUT}{}", error.instance_path().as_str()),
                message: cut(&error.to_string()),
            }));
        }
        // A type may refuse what its schema has no words for.
        if faults.is_empty()
            && let Err(message) = definition.check_input(input)
        {
            let (path, message) = (INPUT.to_owned(), cut(&message));
            faults.push(PathError { path, message });
        }
        if faults.is_empty() {
            return Ok(());
        }
        let (name, version) = (definition.name(), definition.version());
        let detail = format!(
            "the input does not fit {name} version {version}; GET /v1/definitions/{name} has its \
             schema"
        );
        Err(Problem::invalid(detail, faults))
    }
}

pub(super) fn cut(message: &str) -> String {
    if message.chars().count() <= MESSAGE_MAX {
        return message.to_owned();
    }
    let start: String = message.chars().take(MESSAGE_MAX).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::super::sample;
    use super::*;

    fn faults(input: &str) -> Vec<(String, String)> {
        let registry = sample::registry();
        let definition = registry.newest("book-trip").unwrap();
        let inputs = Inputs::compile(&registry).unwrap();
        let input = Json::parse(input.to_owned()).unwrap();
        match inputs.check(definition, &input) {
            Ok(()) => Vec::new(),
            Err(problem) => {
                let errors = problem.errors().iter();
                errors
                    .map(|e| (e.path.clone(), e.message.clone()))
                    .collect()
            }
        }
    }

    #[test]
    fn an_input_that_fits_is_taken() {
        assert_eq!(faults(r#"{"guest":1,"legs":[{"to":"Oslo"}]}"#), []);
    }

    #[test]
    fn every_fault_is_listed_with_its_path() {
        let found = faults(r#"{"guest":"one","legs":[{"to":"Oslo"},{"to":3},{}]}"#);
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/input/guest", "/input/legs/1/to", "/input/legs/2"]);
        assert!(
            found[2].1.contains("\"to\" is a required property"),
            "{found:?}"
        );
    }

    #[test]
    fn an_integral_number_is_an_integer_and_one_out_of_range_is_refused_at_its_path() {
        for guest in ["1.0", "1e2", "-0", "4294967295.0"] {
            assert_eq!(faults(&format!(r#"{{"guest":{guest},"legs":[]}}"#)), []);
        }
        for guest in ["5000000000", "4294967296", "-1", "1.5", "1e10"] {
            let found = faults(&format!(r#"{{"guest":{guest},"legs":[]}}"#));
            let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
            assert_eq!(paths, ["/input/guest"], "{guest}: {found:?}");
        }
    }

    /// What the schema of an integer type says of a number is what its decoder says.
    fn agree<I: Serialize + DeserializeOwned + JsonSchema + 'static>(numbers: &[String]) {
        let definition = Definition::of::<I>("count");
        let definition = sample::with_a_step(definition);
        let schema = definition.describe().input_schema.to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for number in numbers {
            let input = Json::parse(number.clone()).unwrap();
            let value: Value = serde_json::from_str(&input.with_plain_integers()).unwrap();
            let decoded = definition.check_input(&input);
            assert_eq!(
                validator.is_valid(&value),
                decoded.is_ok(),
                "{} {number}: {decoded:?}",
                std::any::type_name::<I>()
            );
        }
    }

    #[test]
    fn schema_and_decoder_agree_on_every_number_around_the_bounds_of_every_width() {
        let bounds = [0, 8, 15, 16, 31, 32, 63, 64].map(|bits| 1_i128 << bits);
        let around = bounds
            .iter()
            .flat_map(|bound| [bound - 1, *bound, bound + 1]);
        let all = around.flat_map(|number| [number, -number, 0, 127, -128, -129]);
        // A `Value` has the next one below as the float that is the least `i64`: only the decoder refuses it.
        let all = all.filter(|number| *number != i128::from(i64::MIN) - 1);
        let numbers: Vec<String> = all
            .flat_map(|number| {
                let forms = ["", ".0", "e0", "0e-1", ".000E+0"];
                forms.map(|form| format!("{number}{form}").replace("00e-1", "0"))
            })
            .chain(["-0", "-0.0", "1.5", "-1e-1", "1e2", "1E+19", "1e20"].map(str::to_owned))
            .collect();
        agree::<u8>(&numbers);
        agree::<u16>(&numbers);
        agree::<u32>(&numbers);
        agree::<u64>(&numbers);
        agree::<usize>(&numbers);
        agree::<i8>(&numbers);
        agree::<i16>(&numbers);
        agree::<i32>(&numbers);
        agree::<i64>(&numbers);
        agree::<isize>(&numbers);
        agree::<Vec<Option<u32>>>(&numbers.iter().map(|n| format!("[{n}]")).collect::<Vec<_>>());
    }

    #[test]
    fn an_escaped_nul_is_text_like_any_other() {
        assert_eq!(
            faults(r#"{"guest":1,"legs":[{"to":"b\u0000"}],"a/b~":["\u0000"]}"#),
            []
        );
    }

    #[test]
    fn a_long_value_does_not_make_a_long_answer() {
        let input = format!(r#"{{"guest":{:?},"legs":[]}}"#, "x".repeat(10_000));
        let found = faults(&input);
        assert_eq!(found[0].0, "/input/guest");
        assert!(found[0].1.chars().count() <= MESSAGE_MAX + 1);
    }
}
