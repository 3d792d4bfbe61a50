//! A definition as a picture: steps, what each needs, what undoes it, and the point of no return.
//!
//! It reads a [`Description`] and nothing else, so it shows what REST shows.
//!
//! Invariant: a name is text and never syntax. Nodes are called by their place (`s0`, and `u0` what
//! undoes it); names stand in quoted labels only, escaped as the format asks.

use serde::Serialize;

use super::{Description, StepDescription, StepKind};

/// In which language a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// A flowchart of Mermaid, which Markdown pages show as a picture.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
    /// `{"name", "version", "point_of_no_return", "steps": […], "edges": [{"from", "to", "given"}]}`.
    Json,
}

impl Description<'_> {
    /// The picture in one of three languages; it ends with a line end.
    ///
    /// A pivot is marked as the point of no return. Without one, it is the first retriable step in
    /// flight, which only a run can tell.
    #[must_use]
    pub fn graph(&self, format: GraphFormat) -> String {
        match format {
            GraphFormat::Mermaid => mermaid(self),
            GraphFormat::Dot => dot(self),
            GraphFormat::Json => json(self),
        }
    }

    fn title(&self) -> String {
        format!("{}, version {}", self.name, self.version)
    }

    /// For every need: what must be done first, what needs it, and whether it is skipped with it.
    fn edges(&self) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
        self.steps.iter().enumerate().flat_map(|(to, step)| {
            let place = |need: &str| self.steps.iter().position(|other| other.name == need);
            step.needs
                .iter()
                .filter_map(move |need| Some((place(need)?, to, step.given.contains(need))))
        })
    }

    /// A place and `participant.command` for every step that can be undone.
    fn compensations(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(place, step)| {
            let undo = step.compensation?;
            Some((place, format!("{}.{undo}", step.participant)))
        })
    }
}

impl StepDescription<'_> {
    /// What is written on it.
    fn label(&self, escape: fn(&str) -> String, line_end: &str) -> String {
        let mut lines = vec![
            self.name.to_owned(),
            format!("{}.{}", self.participant, self.command),
            match self.kind {
                StepKind::Pivot => "pivot: the point of no return".to_owned(),
                StepKind::Notify => "notification".to_owned(),
                StepKind::Compensatable
                | StepKind::Retriable
                | StepKind::Query
                | StepKind::Hint => self.kind.to_string(),
            },
        ];
        if self.has_condition {
            lines.push("under a condition".to_owned());
        }
        if self.refusable {
            lines.push("may be rejected".to_owned());
        }
        let lines: Vec<_> = lines.iter().map(|line| escape(line)).collect();
        lines.join(line_end)
    }
}

fn mermaid(saga: &Description<'_>) -> String {
    let title = to_json(&saga.title());
    let mut lines = vec![format!("---\ntitle: {title}\n---\nflowchart LR")];
    for (place, step) in saga.steps.iter().enumerate() {
        let label = step.label(mermaid_text, "<br/>");
        lines.push(match step.kind {
            StepKind::Compensatable => format!("    s{place}[\"{label}\"]"),
            StepKind::Pivot => format!("    s{place}{{{{\"{label}\"}}}}:::pivot"),
            StepKind::Retriable => format!("    s{place}([\"{label}\"])"),
            StepKind::Query => format!("    s{place}[/\"{label}\"/]"),
            StepKind::Notify | StepKind::Hint => format!("    s{place}>\"{label}\"]"),
        });
    }
    for (place, undo) in saga.compensations() {
        let undo = mermaid_text(&undo);
        lines.push(format!("    u{place}[\"{undo}\"]:::compensation"));
    }
    for (from, to, is_given) in saga.edges() {
        let given = if is_given { "|given|" } else { "" };
        lines.push(format!("    s{from} -->{given} s{to}"));
    }
    for (place, _) in saga.compensations() {
        lines.push(format!("    s{place} -. compensated by .-> u{place}"));
    }
    lines.push("    classDef pivot stroke-width:4px".to_owned());
    lines.push("    classDef compensation stroke-dasharray:4".to_owned());
    lines.join("\n") + "\n"
}

/// Mermaid ends a label at a quote, and takes `#…;` for a character and `<…>` for HTML.
fn mermaid_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' => {
                escaped += &format!("#{};", u32::from(character));
            }
            control if control.is_control() => escaped.push(' '),
            plain => escaped.push(plain),
        }
    }
    escaped
}

fn dot(saga: &Description<'_>) -> String {
    let (name, title) = (dot_text(saga.name), dot_text(&saga.title()));
    let mut lines = vec![
        format!("digraph \"{name}\" {{\n    label=\"{title}\";"),
        "    rankdir=LR;\n    node [shape=box];".to_owned(),
    ];
    for (place, step) in saga.steps.iter().enumerate() {
        let label = step.label(dot_text, "\\n");
        let shape = match step.kind {
            StepKind::Compensatable => "",
            StepKind::Pivot => ", shape=hexagon, penwidth=4",
            StepKind::Retriable => ", style=rounded",
            StepKind::Query => ", shape=parallelogram",
            StepKind::Notify | StepKind::Hint => ", shape=cds",
        };
        lines.push(format!("    s{place} [label=\"{label}\"{shape}];"));
    }
    for (place, undo) in saga.compensations() {
        let undo = dot_text(&undo);
        lines.push(format!("    u{place} [label=\"{undo}\", style=dashed];"));
    }
    for (from, to, is_given) in saga.edges() {
        let given = if is_given { " [label=\"given\"]" } else { "" };
        lines.push(format!("    s{from} -> s{to}{given};"));
    }
    for (place, _) in saga.compensations() {
        lines.push(format!(
            "    s{place} -> u{place} [label=\"compensated by\", style=dashed];"
        ));
    }
    lines.join("\n") + "\n}\n"
}

/// Graphviz ends a text at a quote, and takes `\N` and the like for what they stand for.
fn dot_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            control if control.is_control() => escaped.push(' '),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[derive(Serialize)]
struct Graph<'a> {
    name: &'a str,
    version: u32,
    /// The pivot.
    point_of_no_return: Option<&'a str>,
    steps: Vec<Node<'a>>,
    edges: Vec<Edge<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    kind: StepKind,
    participant: &'a str,
    command: &'a str,
    refusable: bool,
    has_condition: bool,
    compensation: Option<&'a str>,
}

impl<'a> Node<'a> {
    fn of(step: &StepDescription<'a>) -> Self {
        Self {
            name: step.name,
            kind: step.kind,
            participant: step.participant,
            command: step.command,
            refusable: step.refusable,
            has_condition: step.has_condition,
            compensation: step.compensation,
        }
    }
}

#[derive(Serialize)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    /// Whether `to` is skipped where `from` is.
    given: bool,
}

fn json(saga: &Description<'_>) -> String {
    let name = |place: usize| saga.steps[place].name;
    let mut steps = saga.steps.iter();
    let graph = Graph {
        name: saga.name,
        version: saga.version,
        steps: steps.clone().map(Node::of).collect(),
        point_of_no_return: steps
            .find(|step| step.kind == StepKind::Pivot)
            .map(|step| step.name),
        edges: saga
            .edges()
            .map(|(from, to, given)| Edge {
                from: name(from),
                to: name(to),
                given,
            })
            .collect(),
    };
    to_json(&graph) + "\n"
}

/// Of a text it is also what YAML calls a double-quoted scalar.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("texts, numbers and lists of them become JSON")
}
