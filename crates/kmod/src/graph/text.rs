//! A graph in the languages of Graphviz and Mermaid. Names are escaped: those of files may hold anything.

use std::collections::HashMap;
use std::fmt::Write;

use modcli::table::plain;
use modfile::ModuleName;

use super::edges::{Edge, Graph};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Dot,
    Mermaid,
}

pub(super) fn draw(graph: &Graph, language: Language) -> String {
    match language {
        Language::Dot => dot(graph),
        Language::Mermaid => mermaid(graph),
    }
}

fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph modules {\n    node [shape=box, fontname=\"sans-serif\"];\n");
    for (module, is_loaded) in &graph.modules {
        let style = if *is_loaded { " [style=filled, fillcolor=lightgrey]" } else { "" };
        let _ = writeln!(text, "    {}{style};", quoted(module));
    }
    for (from, to, edge) in &graph.edges {
        let style = match edge {
            Edge::Needs => "",
            Edge::Holds => " [style=bold]",
            Edge::SoftBefore => " [style=dashed, label=\"before\"]",
            Edge::SoftAfter => " [style=dashed, label=\"after\"]",
            Edge::Weak => " [style=dotted, label=\"weak\"]",
        };
        let _ = writeln!(text, "    {} -> {}{style};", quoted(from), quoted(to));
    }
    text.push_str("}\n");
    text
}

/// A quoted identifier of DOT, in which a backslash begins an escape.
fn quoted(module: &ModuleName) -> String {
    format!("\"{}\"", plain(module.as_bytes()).replace('\\', "\\\\").replace('"', "\\\""))
}

fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    let numbers: HashMap<&ModuleName, usize> = graph.modules.keys().zip(1..).collect();
    let number = |module: &ModuleName| numbers.get(module).copied().unwrap_or(0);
    for (module, is_loaded) in &graph.modules {
        let class = if *is_loaded { ":::loaded" } else { "" };
        let _ = writeln!(text, "    m{}[\"{}\"]{class}", number(module), entities(module));
    }
    for (from, to, edge) in &graph.edges {
        let arrow = match edge {
            Edge::Needs => "-->",
            Edge::Holds => "==>",
            Edge::SoftBefore => "-. before .->",
            Edge::SoftAfter => "-. after .->",
            Edge::Weak => "-. weak .->",
        };
        let _ = writeln!(text, "    m{} {arrow} m{}", number(from), number(to));
    }
    text.push_str("    classDef loaded fill:#ddd\n");
    text
}

/// A label of Mermaid, in which all but plain characters are written as entities.
fn entities(module: &ModuleName) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ' ');
    let mut text = String::new();
    for character in plain(module.as_bytes()).chars() {
        match character {
            plain if is_plain(plain) => text.push(plain),
            other => {
                let _ = write!(text, "#{};", u32::from(other));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_quotes() {
        let mut graph = Graph::default();
        let hostile = ModuleName::verbatim(b"a\"];b\\\n\xff");
        graph.modules.insert(hostile.clone(), false);
        graph.edges.insert((hostile.clone(), hostile, Edge::Weak));
        assert!(draw(&graph, Language::Dot).contains("    \"a\\\"];b\\\\ \u{fffd}\";\n"));
        assert!(draw(&graph, Language::Mermaid).contains("    m1[\"a#34;#93;#59;b#92; #65533;\"]\n"));
    }
}
