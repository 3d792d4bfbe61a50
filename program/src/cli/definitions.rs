//! `definitions`: what this binary can run. Only `check`, which `pins.rs` has, connects to anything.

use std::io::Write;

use sagas::Definition;
use sagas::definition::GraphFormat;
use sagas_core::Registry;
use serde_json::json;

use super::arguments::{DefinitionsArguments, DefinitionsVerb, Output, Picture};
use super::{Failure, pins, table};
use crate::near::near;

pub(super) async fn run(
    registry: &Registry,
    arguments: &DefinitionsArguments,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let written = match &arguments.verb {
        None => list(registry, arguments.output, out),
        Some(DefinitionsVerb::Show { name }) => show(find(registry, name)?, arguments.output, out),
        Some(DefinitionsVerb::Graph { .. }) if arguments.output == Output::Json => {
            let text = "a picture has no --output; its language is --format";
            return Err(Failure::Usage(text.to_owned()));
        }
        Some(DefinitionsVerb::Graph { name, format }) => graph(find(registry, name)?, *format, out),
        Some(DefinitionsVerb::Check { postgres }) => {
            return pins::check(registry, postgres, arguments.output).await;
        }
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
                    "retired": registry.is_retired(definition),
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
                if registry.is_retired(definition) {
                    "yes"
                } else {
                    "-"
                }
                .to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return writeln!(
            out,
            "This binary has no definitions. Link them in: \
             sagas_program::main(Registry::new().with(definition))"
        );
    }
    let head = ["NAME", "VERSION", "STEPS", "FINGERPRINT", "RETIRED"];
    table::write(out, head, &rows)
}

/// The newest version of a definition; of those that start sagas, if one does.
fn find<'a>(registry: &'a Registry, name: &str) -> Result<&'a Definition, Failure> {
    let retired = || registry.iter().filter(|known| known.name() == name).last();
    let definition = registry.newest(name).or_else(retired).map(AsRef::as_ref);
    definition.ok_or_else(|| {
        let known: Vec<_> = registry.names().collect();
        let hint = match near(registry.names(), name) {
            Some(near) => format!("did you mean {near}?"),
            None if known.is_empty() => "there is: none".to_owned(),
            None => format!("there is: {}", known.join(", ")),
        };
        Failure::Usage(format!("no definition {name:?} in this binary; {hint}"))
    })
}

fn graph(definition: &Definition, format: Picture, out: &mut dyn Write) -> std::io::Result<()> {
    let format = match format {
        Picture::Mermaid => GraphFormat::Mermaid,
        Picture::Dot => GraphFormat::Dot,
        Picture::Json => GraphFormat::Json,
    };
    out.write_all(definition.describe().graph(format).as_bytes())
}

fn show(definition: &Definition, output: Output, out: &mut dyn Write) -> std::io::Result<()> {
    let description = definition.describe();
    if output == Output::Json {
        return writeln!(out, "{:#}", json!(description));
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
    let (name, version) = (description.name, description.version);
    let fingerprint = description.fingerprint;
    writeln!(
        out,
        "{name}, version {version}, fingerprint {fingerprint}\n"
    )?;
    table::write(out, head, &steps)?;
    writeln!(out, "\ninput: {:#}", json!(description.input_schema))?;
    match &description.output_schema {
        Some(schema) => writeln!(out, "\noutput: {:#}", json!(schema)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    async fn printed(verb: Option<DefinitionsVerb>, output: Output) -> Result<String, Failure> {
        let mut out = Vec::new();
        let arguments = DefinitionsArguments { verb, output };
        run(&sample::registry(), &arguments, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn the_list_names_every_definition() {
        let text = printed(None, Output::Table).await.unwrap();
        assert!(text.starts_with("NAME"), "{text}");
        assert!(text.contains("book-trip  1        3"), "{text}");
    }

    #[tokio::test]
    async fn one_definition_shows_steps_needs_and_schema() {
        let name = "book-trip".to_owned();
        let text = printed(Some(DefinitionsVerb::Show { name }), Output::Table)
            .await
            .unwrap();
        assert!(
            text.contains("pay-room     pivot          bank.pay-room"),
            "{text}"
        );
        assert!(text.contains("\"guest\""), "{text}");
    }

    #[tokio::test]
    async fn an_unknown_definition_is_answered_with_those_that_exist() {
        let name = "nope".to_owned();
        let failure = printed(Some(DefinitionsVerb::Show { name }), Output::Json)
            .await
            .unwrap_err();
        assert!(
            failure.to_string().ends_with("there is: book-trip"),
            "{failure}"
        );
    }

    async fn drawn(name: &str, format: Picture, output: Output) -> Result<String, Failure> {
        let name = name.to_owned();
        printed(Some(DefinitionsVerb::Graph { name, format }), output).await
    }

    #[tokio::test]
    async fn a_definition_is_drawn_in_each_language() {
        let drawn = async |format| drawn("book-trip", format, Output::Table).await.unwrap();
        assert!(drawn(Picture::Mermaid).await.contains("\nflowchart LR\n"));
        assert!(
            drawn(Picture::Dot)
                .await
                .starts_with("digraph \"book-trip\" {\n")
        );
        let json: serde_json::Value = serde_json::from_str(&drawn(Picture::Json).await).unwrap();
        assert_eq!(json["point_of_no_return"], "pay-room");
    }

    #[tokio::test]
    async fn a_mistyped_definition_is_answered_with_its_near_match() {
        let failure = drawn("book-trp", Picture::Dot, Output::Table)
            .await
            .unwrap_err();
        let expected = "no definition \"book-trp\" in this binary; did you mean `book-trip`?";
        assert_eq!(failure.to_string(), expected);
    }

    #[tokio::test]
    async fn a_picture_does_not_pass_over_an_output_that_it_does_not_have() {
        let failure = drawn("book-trip", Picture::Dot, Output::Json)
            .await
            .unwrap_err();
        assert!(failure.to_string().contains("--format"), "{failure}");
    }
}
