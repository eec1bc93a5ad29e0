//! An explanation as it is printed: for people, and as JSON.

use std::fmt::Write;

use modcli::json;

use super::{ConfigLine, Driver, Explained, ShownStep};

/// The explanation for people.
#[must_use]
pub fn as_text(explained: &[Explained]) -> String {
    explained.iter().map(page).collect::<Vec<_>>().join("\n")
}

fn page(one: &Explained) -> String {
    let mut page = String::new();
    let alias = one.alias.as_deref().map(|alias| format!(" ({alias})")).unwrap_or_default();
    let _ = writeln!(page, "module:   {}", one.module);
    let _ = writeln!(page, "found as: {}{alias}", one.found);
    let _ = writeln!(page, "file:     {}", one.file.as_deref().unwrap_or("none"));
    let _ = writeln!(page, "state:    {}", one.state);
    if let Some((device, driver)) = &one.device {
        let _ = writeln!(page, "device:   {device}, {}", driven_by(driver.as_ref()));
    }
    if let Some(wins) = &one.wins {
        let _ = writeln!(page, "wins:     {wins}");
    }
    section(&mut page, "plan:", one.steps.iter().map(in_text));
    section(&mut page, "configuration:", one.lines.iter().map(line_in_text));
    section(
        &mut page,
        "parameters:",
        one.parameters.iter().map(|(name, wanted, present)| {
            let now =
                present.as_deref().map_or_else(|| "not shown".to_owned(), |value| format!("now {value}"));
            format!("{name}: configured {wanted}, {now}")
        }),
    );
    section(&mut page, "in the way:", one.blocked.iter().cloned());
    page
}

fn driven_by(driver: Option<&Driver>) -> String {
    match driver {
        None => "which no driver has".to_owned(),
        Some(Driver { module: Some(module), .. }) => format!("which a driver of {module} has"),
        Some(Driver { name, module: None }) => format!("which the driver {name} has, part of the kernel"),
    }
}

fn in_text(step: &ShownStep) -> String {
    // A line `insmod PATH` and one `builtin NAME` name their module.
    let of =
        if step.action.starts_with("install ") { format!(" for {}", step.module) } else { String::new() };
    format!("{} [{}{of}]", step.action, step.role)
}

fn line_in_text(line: &ConfigLine) -> String {
    let note = match (&line.note, line.counts) {
        (None, _) => String::new(),
        (Some(note), true) => format!(" ({note})"),
        (Some(note), false) => format!(" (no effect: {note})"),
    };
    format!("{}: {}{note}", line.origin, line.text)
}

fn section(page: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        let _ = writeln!(page, "{title}");
        for line in lines {
            let _ = writeln!(page, "    {line}");
        }
    }
}

/// The explanation for programs: one array with an object for each module.
#[must_use]
pub fn as_json(explained: &[Explained]) -> String {
    json::array(explained.iter().map(object)) + "\n"
}

fn object(one: &Explained) -> String {
    let steps = one.steps.iter().map(|step| {
        json::object(&[
            ("action", json::string(&step.action)),
            ("module", json::string(&step.module)),
            ("role", json::string(step.role)),
        ])
    });
    let lines = one.lines.iter().map(|line| {
        json::object(&[
            ("origin", json::string(&line.origin)),
            ("line", json::string(&line.text)),
            ("effective", line.counts.to_string()),
            ("note", json::optional(line.note.as_deref().map(json::string))),
        ])
    });
    let parameters = one.parameters.iter().map(|(name, wanted, present)| {
        json::object(&[
            ("name", json::string(name)),
            ("configured", json::string(wanted)),
            ("present", json::optional(present.as_deref().map(json::string))),
        ])
    });
    let device = one.device.as_ref();
    let driver = device.and_then(|(_, driver)| driver.as_ref());
    json::object(&[
        ("module", json::string(&one.module)),
        ("found", json::string(one.found)),
        ("alias", json::optional(one.alias.as_deref().map(json::string))),
        ("file", json::optional(one.file.as_deref().map(json::string))),
        ("state", json::string(one.state)),
        ("device", json::optional(device.map(|(device, _)| device.as_str()).map(json::string))),
        ("driver", json::optional(driver.map(|driver| json::string(&driver.name)))),
        (
            "driver_module",
            json::optional(driver.and_then(|driver| driver.module.as_deref()).map(json::string)),
        ),
        ("wins", json::optional(one.wins.as_deref().map(json::string))),
        ("plan", json::array(steps)),
        ("configuration", json::array(lines)),
        ("parameters", json::array(parameters)),
        ("blocked", json::array(one.blocked.iter().map(|line| json::string(line)))),
    ])
}
