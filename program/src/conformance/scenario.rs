//! The file that names a participant's commands and their payloads.
//!
//! Not here: what the payloads mean. A placeholder gives each saga ids of its own; that is all that
//! a case needs to know of a business.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Error;

/// What stands for an id of the saga's own, the same in all its payloads.
const PLACEHOLDER: &str = "{uuid}";

/// What can be asked of a participant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// A command that the participant does not refuse.
    pub(super) forward: Command,
    /// The command that undoes it.
    pub(super) compensation: Option<Command>,
    /// The forward command with a payload that is refused for a business reason.
    pub(super) refused: Option<Refused>,
    /// A program and its arguments: it prints one number that tells how much effect stands.
    pub(super) effects: Option<Vec<String>>,
    /// How the synchronous standby of the participant's database is sent away.
    pub(super) standby: Option<Standby>,
}

/// Programs with their arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standby {
    /// Once it has ended, no commit of the database returns.
    pub(super) away: Vec<String>,
    /// Lets them return.
    pub(super) back: Vec<String>,
}

/// A command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    #[serde(rename = "command")]
    pub(super) name: String,
    pub(super) payload: Template,
}

/// A payload of the forward command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) payload: Template,
}

/// A payload with placeholders.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Template(Value);

impl Template {
    /// The payload of the saga that is called `id`.
    pub(super) fn fill(&self, id: Uuid) -> Vec<u8> {
        let mut payload = self.0.clone();
        fill(&mut payload, &id.to_string());
        payload.to_string().into_bytes()
    }
}

fn fill(value: &mut Value, id: &str) {
    match value {
        Value::String(text) => *text = text.replace(PLACEHOLDER, id),
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, id)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, id)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Scenario {
    /// Reads a file: JSON where its name ends so, TOML otherwise.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unread {
            path: path.to_owned(),
            source,
        })?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        Self::parse(&text, is_json).map_err(|problem| Error::NoScenario {
            path: path.to_owned(),
            problem,
        })
    }

    fn parse(text: &str, is_json: bool) -> Result<Self, String> {
        let scenario: Self = if is_json {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            toml::from_str(text).map_err(|error| error.to_string())?
        };
        let compensation = scenario.compensation.iter();
        for command in compensation.chain([&scenario.forward]) {
            let name = &command.name;
            sagas::name::check(name).map_err(|error| format!("command {name:?}: {error}"))?;
        }
        if scenario.effects.as_ref().is_some_and(Vec::is_empty) {
            return Err("effects: there is no program".to_owned());
        }
        let standby = scenario.standby.as_ref();
        if standby.is_some_and(|standby| standby.away.is_empty() || standby.back.is_empty()) {
            return Err("standby: there is no program".to_owned());
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
        [forward]
        command = "reserve-stock"
        payload = { order = "{uuid}", lines = [{ sku = "s-{uuid}", quantity = 2 }] }
        [refused]
        payload = { order = "{uuid}", lines = [] }
    "#;

    #[test]
    fn a_payload_has_the_sagas_id_wherever_a_text_has_the_placeholder() {
        let scenario = Scenario::parse(TOML, false).unwrap();
        let payload = scenario.forward.payload.fill(Uuid::nil());
        let expected = r#"{"lines":[{"quantity":2,"sku":"s-00000000-0000-0000-0000-000000000000"}],"order":"00000000-0000-0000-0000-000000000000"}"#;
        assert_eq!(String::from_utf8(payload).unwrap(), expected);
        assert!(scenario.compensation.is_none());
    }

    #[test]
    fn the_scenario_of_the_documentation_is_one() {
        let document = include_str!("../../../docs/testing.md");
        let blocks = document.split("```toml\n").skip(1);
        let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
        let scenario = blocks.find(|block| block.contains("[forward]")).unwrap();
        let effects = blocks.find(|block| block.starts_with("effects")).unwrap();
        let standby = blocks.find(|block| block.starts_with("[standby]")).unwrap();
        let whole = format!("{effects}{scenario}{standby}");
        let scenario = Scenario::parse(&whole, false).unwrap();
        assert_eq!(scenario.standby.unwrap().back[0], "psql");
        assert!(scenario.compensation.is_some() && scenario.refused.is_some());
        assert_eq!(scenario.effects.unwrap()[0], "psql");
    }

    #[test]
    fn the_same_can_be_said_in_json() {
        let json = r#"{ "forward": { "command": "hold", "payload": "{uuid}" } }"#;
        let scenario = Scenario::parse(json, true).unwrap();
        assert_eq!(scenario.forward.name, "hold");
    }

    #[test]
    fn what_is_misspelt_or_no_name_is_said() {
        let misspelt = Scenario::parse(&TOML.replace("refused", "refusal"), false).unwrap_err();
        assert!(misspelt.contains("unknown field `refusal`"), "{misspelt}");
        let no_name = Scenario::parse(&TOML.replace("reserve-stock", "Reserve"), false);
        assert!(
            no_name
                .unwrap_err()
                .contains("command \"Reserve\": a name has only")
        );
    }
}
