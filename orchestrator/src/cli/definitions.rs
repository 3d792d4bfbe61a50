//! `definitions`: what this binary can run, without any connection.

use std::io::Write;

use serde_json::json;

use super::arguments::{DefinitionsArguments, DefinitionsVerb, Output};
use super::{Failure, table};
use crate::Registry;

pub(super) fn run(
    registry: &Registry,
    arguments: &DefinitionsArguments,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let written = match &arguments.verb {
        None => list(registry, arguments.output, out),
        Some(DefinitionsVerb::Show { name }) => show(registry, name, arguments.output, out)?,
    };
    // A reader that has seen enough closes the pipe: `saga definitions | head`.
    written.or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::Failed(format!("cannot print: {error}"))),
    })
}

fn list(registry: &Registry, output: Output, out: &mut dyn Write) -> std::io::Result<()> {
    if output == Output::Json {
        let definitions: Vec<_> = registry
            .iter()
            .map(|definition| {
                json!({
                    "name": definition.name(),
                    "version": definition.version(),
                    "fingerprint": definition.fingerprint(),
                    "steps": definition.steps().len(),
                })
            })
            .collect();
        return writeln!(out, "{:#}", json!({ "definitions": definitions }));
    }
    let rows: Vec<_> = registry
        .iter()
        .map(|definition| {
            [
                definition.name().to_owned(),
                definition.version().to_string(),
                definition.steps().len().to_string(),
                definition.fingerprint().to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return writeln!(
            out,
            "This binary has no definitions. Link them in: \
             orchestrator::main(Registry::new().with(definition))"
        );
    }
    table::write(out, ["NAME", "VERSION", "STEPS", "FINGERPRINT"], &rows)
}

fn show(
    registry: &Registry,
    name: &str,
    output: Output,
    out: &mut dyn Write,
) -> Result<std::io::Result<()>, Failure> {
    let Some(definition) = registry.newest(name) else {
        let known: Vec<_> = registry.names().collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Failure::Usage(format!(
            "no definition {name:?} in this binary; there is: {known}"
        )));
    };
    let description = definition.describe();
    if output == Output::Json {
        return Ok(writeln!(out, "{:#}", json!(description)));
    }
    let steps = description.steps.iter().map(|step| {
        [
            step.name.to_owned(),
            step.kind.to_string(),
            format!("{}.{}", step.participant, step.command),
            step.compensation.unwrap_or("-").to_owned(),
            if step.needs.is_empty() {
                "-".to_owned()
            } else {
                step.needs.join(", ")
            },
        ]
    });
    let steps: Vec<_> = steps.collect();
    let head = ["STEP", "KIND", "COMMAND", "COMPENSATION", "NEEDS"];
    let (version, fingerprint) = (description.version, description.fingerprint);
    Ok(writeln!(
        out,
        "{name}, version {version}, fingerprint {fingerprint}\n"
    )
    .and_then(|()| table::write(out, head, &steps))
    .and_then(|()| writeln!(out, "\ninput: {:#}", json!(description.input_schema)))
    .and_then(|()| match &description.output_schema {
        Some(schema) => writeln!(out, "\noutput: {:#}", json!(schema)),
        None => Ok(()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sample;

    fn printed(verb: Option<DefinitionsVerb>, output: Output) -> Result<String, Failure> {
        let mut out = Vec::new();
        let arguments = DefinitionsArguments { verb, output };
        run(&sample::registry(), &arguments, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_list_names_every_definition() {
        let text = printed(None, Output::Table).unwrap();
        assert!(text.starts_with("NAME"), "{text}");
        assert!(text.contains("book-trip  1        3"), "{text}");
    }

    #[test]
    fn one_definition_shows_steps_needs_and_schema() {
        let name = "book-trip".to_owned();
        let text = printed(Some(DefinitionsVerb::Show { name }), Output::Table).unwrap();
        assert!(
            text.contains("pay-room     pivot          bank.pay-room"),
            "{text}"
        );
        assert!(text.contains("\"guest\""), "{text}");
    }

    #[test]
    fn an_unknown_definition_is_answered_with_those_that_exist() {
        let name = "nope".to_owned();
        let failure = printed(Some(DefinitionsVerb::Show { name }), Output::Json).unwrap_err();
        assert!(
            failure.to_string().ends_with("there is: book-trip"),
            "{failure}"
        );
    }
}
